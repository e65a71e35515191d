//! What operators do to tasks: retry, purge, move.

use super::super::batch::Tx;
use super::{check_queue, execute, free_key, has_group, known, make_way, one, queue, tally};
use crate::error::Typed;
use crate::reads::tasks::state;
use basalt_base::{Error, Reason, Result};
use basalt_store::task::TASK_STEP_MAX;
use basalt_store::{TaskDone, TaskId, TaskPick, TaskState, TaskWrite};
use rusqlite::params;

/// What these steps have to know of a task.
struct Picked {
    id: TaskId,
    state: TaskState,
    group: Option<String>,
    key: Option<String>,
}

/// Applies a step of an operator.
pub(super) fn step(tx: &mut Tx<'_>, write: &TaskWrite) -> Result<TaskDone> {
    let (name, pick, limit) = match write {
        TaskWrite::Retry {
            queue, pick, limit, ..
        }
        | TaskWrite::Purge { queue, pick, limit } => (queue, pick, *limit),
        TaskWrite::Move {
            queue,
            pick,
            limit,
            to,
            ..
        } => {
            check_queue(to)?;
            (queue, pick, *limit)
        }
        _ => {
            let text = "This store does not have this step of a queue.";
            return Err(Error::new(Reason::CommandUnavailable, text));
        }
    };
    let Some(id) = known(tx, name)? else {
        return Ok(TaskDone::Count(0));
    };
    let leased_too = matches!(write, TaskWrite::Purge { .. });
    let picked = picked(tx, id, pick, limit, leased_too)?;
    tx.dirty |= !picked.is_empty();
    for found in &picked {
        // An earlier one of its group may have let it come to the front.
        let Some(task) = by_id(tx, *found)? else {
            continue;
        };
        match write {
            TaskWrite::Retry { visible_at, .. } => retry(tx, id, &task, visible_at.millis())?,
            TaskWrite::Move { to, visible_at, .. } => {
                let to = queue(tx, to)?;
                move_to(tx, id, &task, to, visible_at.millis())?;
            }
            _ => purge(tx, id, &task)?,
        }
    }
    Ok(TaskDone::Count(picked.len() as u64))
}

fn picked(
    tx: &Tx<'_>,
    queue: i64,
    pick: &TaskPick,
    limit: u32,
    leased_too: bool,
) -> Result<Vec<TaskId>> {
    let limit = limit.min(TASK_STEP_MAX);
    let sql = match pick {
        TaskPick::Ids(ids) => return by_ids(tx, queue, ids, limit, leased_too),
        TaskPick::Dead => {
            "SELECT id FROM basalt_tasks WHERE queue = ?1 AND (state = 3) = 1
             ORDER BY id LIMIT ?2"
        }
        TaskPick::Idle => {
            "SELECT id FROM basalt_tasks WHERE queue = ?1 AND (state = 3) = 0 AND state <> 1
             ORDER BY id LIMIT ?2"
        }
        TaskPick::All => {
            "SELECT id FROM (
                 SELECT * FROM (SELECT id FROM basalt_tasks
                     WHERE queue = ?1 AND (state = 3) = 1 ORDER BY id LIMIT ?2)
                 UNION ALL
                 SELECT * FROM (SELECT id FROM basalt_tasks
                     WHERE queue = ?1 AND (state = 3) = 0 AND (?3 OR state <> 1)
                     ORDER BY id LIMIT ?2))
             ORDER BY id LIMIT ?2"
        }
    };
    let mut statement = tx.conn().prepare_cached(sql).typed()?;
    let all = matches!(pick, TaskPick::All);
    let id = |row: &rusqlite::Row<'_>| row.get(0).map(TaskId);
    let ids = if all {
        statement.query_map(params![queue, limit, leased_too], id)
    } else {
        statement.query_map(params![queue, limit], id)
    };
    ids.and_then(Iterator::collect).typed()
}

fn by_ids(
    tx: &Tx<'_>,
    queue: i64,
    ids: &[TaskId],
    limit: u32,
    leased_too: bool,
) -> Result<Vec<TaskId>> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let sql = "SELECT 1 FROM basalt_tasks WHERE id = ? AND queue = ? AND (? OR state <> 1)";
    let mut found = Vec::new();
    for id in ids {
        if found.len() >= limit as usize {
            break;
        }
        if one(tx.conn(), sql, params![id.0, queue, leased_too], |_| Ok(()))?.is_some() {
            found.push(id);
        }
    }
    Ok(found)
}

fn by_id(tx: &Tx<'_>, id: TaskId) -> Result<Option<Picked>> {
    let sql = "SELECT state, in_group, key FROM basalt_tasks WHERE id = ?";
    let row = one(tx.conn(), sql, [id.0], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    row.map(|(number, group, key)| {
        Ok(Picked {
            id,
            state: state(number)?,
            group,
            key,
        })
    })
    .transpose()
}

fn retry(tx: &mut Tx<'_>, queue: i64, task: &Picked, due: i64) -> Result<()> {
    if task.state != TaskState::Dead {
        let sql = "UPDATE basalt_tasks SET visible_at = ? WHERE id = ?";
        execute(tx.conn(), sql, params![due, task.id.0])?;
        if task.state == TaskState::Waiting {
            tx.tally.due(queue, due);
        }
        return Ok(());
    }
    enlist(tx, queue, task, due, Some(TaskState::Dead))
}

/// Puts a task that is dead or new to the queue among the waiting ones.
fn enlist(
    tx: &mut Tx<'_>,
    queue: i64,
    task: &Picked,
    due: i64,
    from: Option<TaskState>,
) -> Result<()> {
    let held = match &task.group {
        Some(group) => has_group(tx, queue, group)?,
        None => false,
    };
    let becomes = if held {
        TaskState::Held
    } else {
        TaskState::Waiting
    };
    let sql =
        "UPDATE basalt_tasks SET queue = ?, state = ?, visible_at = ?, attempts = 0, key = NULL
               WHERE id = ?";
    let values = params![queue, tally::number(becomes), due, task.id.0];
    execute(tx.conn(), sql, values)?;
    tx.tally.count(queue, from, Some(becomes));
    if !held {
        tx.tally.due(queue, due);
    }
    Ok(())
}

/// The task stops standing in the way of others; call once it is no longer in its group.
fn leave(tx: &mut Tx<'_>, queue: i64, task: &Picked) -> Result<()> {
    tx.tally.count(queue, Some(task.state), None);
    let key = task.key.as_deref();
    if matches!(task.state, TaskState::Waiting | TaskState::Leased) {
        make_way(tx, queue, task.id, task.group.as_deref(), key)
    } else {
        free_key(tx, queue, task.id, key)
    }
}

fn purge(tx: &mut Tx<'_>, queue: i64, task: &Picked) -> Result<()> {
    let sql = "DELETE FROM basalt_tasks WHERE id = ?";
    execute(tx.conn(), sql, [task.id.0])?;
    leave(tx, queue, task)
}

fn move_to(tx: &mut Tx<'_>, from: i64, task: &Picked, to: i64, due: i64) -> Result<()> {
    let sql = "UPDATE basalt_tasks SET state = 3, key = NULL WHERE id = ?";
    execute(tx.conn(), sql, [task.id.0])?;
    leave(tx, from, task)?;
    enlist(tx, to, task, due, None)
}
