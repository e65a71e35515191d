//! What operators do to tasks: retry, purge, move.

use super::super::tx::Tx;
use super::lease::names;
use super::tally::{self, Queue};
use super::{free_key, has_group, known, make_way, number, one, queue, rows};
use crate::error::Typed;
use crate::reads::tasks::state;
use crate::row::Param;
use basalt_base::{Error, Reason, Result};
use basalt_store::task::TASK_STEP_MAX;
use basalt_store::{TaskDone, TaskId, TaskPick, TaskState, TaskWrite};

/// What these steps have to know of a task.
struct Picked {
    id: TaskId,
    state: TaskState,
    group: Option<String>,
    key: Option<String>,
}

/// Applies a step of an operator.
pub(super) async fn step(tx: &mut Tx<'_>, write: &TaskWrite) -> Result<TaskDone> {
    let (name, pick, limit) = match write {
        TaskWrite::Retry {
            queue, pick, limit, ..
        }
        | TaskWrite::Purge { queue, pick, limit }
        | TaskWrite::Move {
            queue, pick, limit, ..
        } => (queue, pick, *limit),
        _ => {
            let text = "This store does not have this step of a queue.";
            return Err(Error::new(Reason::CommandUnavailable, text));
        }
    };
    let Some(from) = known(tx, name).await? else {
        return Ok(TaskDone::Count(0));
    };
    let leased_too = matches!(write, TaskWrite::Purge { .. });
    let picked = picked(tx, &from, pick, limit, leased_too).await?;
    tx.dirty |= !picked.is_empty();
    for found in &picked {
        // An earlier one of its group may have let it come to the front.
        let Some(task) = by_id(tx, *found).await? else {
            continue;
        };
        match write {
            TaskWrite::Retry { visible_at, .. } => {
                retry(tx, &from, &task, visible_at.millis()).await?;
            }
            TaskWrite::Move { to, visible_at, .. } => {
                let to = queue(tx, to).await?;
                move_to(tx, &from, &task, &to, visible_at.millis()).await?;
            }
            _ => purge(tx, &from, &task).await?,
        }
    }
    Ok(TaskDone::Count(picked.len() as u64))
}

async fn picked(
    tx: &Tx<'_>,
    queue: &Queue,
    pick: &TaskPick,
    limit: u32,
    leased_too: bool,
) -> Result<Vec<TaskId>> {
    let live = if leased_too { "" } else { "AND state <> 1" };
    let mut params = vec![
        Param::Int(queue.id),
        Param::Int(limit.min(TASK_STEP_MAX).into()),
    ];
    // States are written out, so that each look meets its index.
    let sql = match pick {
        TaskPick::Ids(ids) => {
            params.push(Param::List(ids.iter().map(|id| number(id.0)).collect()));
            format!(
                "SELECT id FROM @.basalt_tasks
                 WHERE queue = $1::int8 AND id = ANY($3::int8[]) {live} ORDER BY id LIMIT $2::int8"
            )
        }
        TaskPick::Dead => "SELECT id FROM @.basalt_tasks WHERE queue = $1::int8 AND state = 3
                           ORDER BY id LIMIT $2::int8"
            .to_owned(),
        TaskPick::Idle => "SELECT id FROM @.basalt_tasks
                           WHERE queue = $1::int8 AND state < 3 AND state <> 1
                           ORDER BY id LIMIT $2::int8"
            .to_owned(),
        TaskPick::All => format!(
            "SELECT id FROM (
                 (SELECT id FROM @.basalt_tasks WHERE queue = $1::int8 AND state = 3
                  ORDER BY id LIMIT $2::int8)
                 UNION ALL
                 (SELECT id FROM @.basalt_tasks WHERE queue = $1::int8 AND state < 3 {live}
                  ORDER BY id LIMIT $2::int8)) a
             ORDER BY id LIMIT $2::int8"
        ),
    };
    let found = rows(tx, &sql, &params).await?;
    let id = |row: &tokio_postgres::Row| {
        let id: i64 = row.try_get(0).typed()?;
        Ok(TaskId(id.cast_unsigned()))
    };
    found.iter().map(id).collect()
}

async fn by_id(tx: &Tx<'_>, id: TaskId) -> Result<Option<Picked>> {
    let sql = "SELECT state, in_group, key FROM @.basalt_tasks WHERE id = $1::int8";
    let Some(row) = one(tx, sql, &[number(id.0)]).await? else {
        return Ok(None);
    };
    let (group, key) = names(&row, 1)?;
    Ok(Some(Picked {
        id,
        state: state(row.try_get(0).typed()?)?,
        group,
        key,
    }))
}

async fn retry(tx: &mut Tx<'_>, queue: &Queue, task: &Picked, due: i64) -> Result<()> {
    if task.state != TaskState::Dead {
        let sql = "UPDATE @.basalt_tasks SET visible_at = $1::int8 WHERE id = $2::int8";
        rows(tx, sql, &[Param::Int(due), number(task.id.0)]).await?;
        if task.state == TaskState::Waiting {
            tx.tally.due(queue, due);
        }
        return Ok(());
    }
    enlist(tx, queue, task, due, Some(TaskState::Dead)).await
}

/// Puts a task that is dead or new to the queue among the waiting ones.
async fn enlist(
    tx: &mut Tx<'_>,
    queue: &Queue,
    task: &Picked,
    due: i64,
    from: Option<TaskState>,
) -> Result<()> {
    let held = match &task.group {
        Some(group) => has_group(tx, queue.id, group).await?,
        None => false,
    };
    let becomes = if held {
        TaskState::Held
    } else {
        TaskState::Waiting
    };
    let sql = "UPDATE @.basalt_tasks SET queue = $1::int8, state = $2::int8, visible_at = $3::int8,
                   attempts = 0, key = NULL WHERE id = $4::int8";
    let params = [
        Param::Int(queue.id),
        Param::Int(tally::number(becomes).into()),
        Param::Int(due),
        number(task.id.0),
    ];
    rows(tx, sql, &params).await?;
    tx.tally.count(queue.id, from, Some(becomes));
    if !held {
        tx.tally.due(queue, due);
    }
    Ok(())
}

/// The task stops standing in the way of others; call once it is no longer in its group.
async fn leave(tx: &mut Tx<'_>, queue: &Queue, task: &Picked) -> Result<()> {
    tx.tally.count(queue.id, Some(task.state), None);
    let key = task.key.as_deref();
    if matches!(task.state, TaskState::Waiting | TaskState::Leased) {
        make_way(tx, queue, task.id, task.group.as_deref(), key).await
    } else {
        free_key(tx, queue, task.id, key).await
    }
}

async fn purge(tx: &mut Tx<'_>, queue: &Queue, task: &Picked) -> Result<()> {
    let sql = "DELETE FROM @.basalt_tasks WHERE id = $1::int8";
    rows(tx, sql, &[number(task.id.0)]).await?;
    leave(tx, queue, task).await
}

async fn move_to(tx: &mut Tx<'_>, from: &Queue, task: &Picked, to: &Queue, due: i64) -> Result<()> {
    let sql = "UPDATE @.basalt_tasks SET state = 3, key = NULL WHERE id = $1::int8";
    rows(tx, sql, &[number(task.id.0)]).await?;
    leave(tx, from, task).await?;
    enlist(tx, to, task, due, None).await
}
