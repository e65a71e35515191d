//! Leasing tasks, and the ends of leases.

use super::super::tx::Tx;
use super::tally::Queue;
use super::{held_option, held_text, known, make_way, number, one, rows};
use crate::error::Typed;
use crate::reads::tasks::{COLUMNS, task};
use crate::row::Param;
use crate::text;
use basalt_base::{Result, Timestamp};
use basalt_store::task::{ATTEMPTS_USED_UP, LEASE_MIN, TASK_STEP_MAX, error_text, stale_receipt};
use basalt_store::{Receipt, Task, TaskDone, TaskState};
use std::sync::Arc;
use tokio_postgres::Row;

pub(super) async fn lease(
    tx: &mut Tx<'_>,
    name: &Arc<str>,
    count: u32,
    until: Timestamp,
    at: Timestamp,
) -> Result<TaskDone> {
    let (mut tasks, mut buried) = (Vec::new(), Vec::new());
    let Some(queue) = known(tx, name).await? else {
        return Ok(TaskDone::Leased { tasks, buried });
    };
    let (at, until) = (
        at.truncate_to_millis(),
        until.truncate_to_millis().max(at.plus(LEASE_MIN)),
    );
    let want = count.min(TASK_STEP_MAX) as usize;
    while tasks.len() < want {
        let mut found = front(tx, &queue, at, want - tasks.len()).await?;
        let used_up = |t: &Task| t.attempts_max > 0 && t.attempts >= t.attempts_max;
        let good = found.iter().position(used_up).unwrap_or(found.len());
        let rest = found.split_off(good);
        hand_out(tx, &queue, &mut found, until, at).await?;
        tasks.append(&mut found);
        let Some(dead) = rest.first() else { break };
        die(tx, &queue, dead, at).await?;
        buried.push(dead.id);
        // The next of its group may come before what was read: look again.
    }
    Ok(TaskDone::Leased { tasks, buried })
}

/// The tasks that are to be leased next: one look for each priority.
async fn front(tx: &Tx<'_>, queue: &Queue, at: Timestamp, want: usize) -> Result<Vec<Task>> {
    let sql = format!(
        "WITH front AS MATERIALIZED (
             SELECT t.id FROM generate_series(9, 0, -1) p(n) CROSS JOIN LATERAL (
                 SELECT id, priority, visible_at FROM @.basalt_tasks
                 WHERE queue = $1::int8 AND state < 2 AND priority = p.n AND visible_at <= $2::int8
                 ORDER BY visible_at, id LIMIT $3::int8) t
             ORDER BY t.priority DESC, t.visible_at, t.id LIMIT $3::int8)
         SELECT {COLUMNS} FROM @.basalt_tasks JOIN front USING (id)
         ORDER BY priority DESC, visible_at, id"
    );
    let params = [
        Param::Int(queue.id),
        Param::Int(at.millis()),
        number(want as u64),
    ];
    let found = rows(tx, &sql, &params).await?;
    found.iter().map(|row| task(row, &queue.name)).collect()
}

async fn hand_out(
    tx: &mut Tx<'_>,
    queue: &Queue,
    tasks: &mut [Task],
    until: Timestamp,
    at: Timestamp,
) -> Result<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    for task in &mut *tasks {
        tx.tally
            .count(queue.id, Some(task.state), Some(TaskState::Leased));
        tx.state.task_number += 1;
        task.state = TaskState::Leased;
        task.lease = tx.state.task_number;
        task.attempts += 1;
        task.visible_at = until;
        task.first_at.get_or_insert(at);
    }
    let sql = "UPDATE @.basalt_tasks t
               SET state = 1, lease = l.lease, attempts = t.attempts + 1, visible_at = $3::int8,
                   first_at = coalesce(t.first_at, $4::int8)
               FROM unnest($1::int8[], $2::int8[]) AS l(id, lease) WHERE t.id = l.id";
    let list =
        |of: &dyn Fn(&Task) -> u64| Param::List(tasks.iter().map(|t| number(of(t))).collect());
    let params = [
        list(&|t| t.id.0),
        list(&|t| t.lease),
        Param::Int(until.millis()),
        Param::Int(at.millis()),
    ];
    rows(tx, sql, &params).await?;
    tx.dirty = true;
    tx.tally.due(queue, until.millis());
    Ok(())
}

/// What the ends of leases return.
const ENDED: &str = "RETURNING queue, in_group, key,
                         (SELECT q.name FROM @.basalt_queues q WHERE q.id = queue)";

fn queue_of(row: &Row) -> Result<Queue> {
    Ok(Queue {
        id: row.try_get(0).typed()?,
        name: text::original(row.try_get(3).typed()?).into(),
    })
}

/// Runs a statement on the leased task, whose number and lease are its first parameters.
async fn end_lease(
    tx: &mut Tx<'_>,
    sql: &str,
    receipt: Receipt,
    params: &[Param],
    becomes: Option<TaskState>,
) -> Result<Queue> {
    let sql = format!("{sql} WHERE id = $1::int8 AND lease = $2::int8 AND state = 1 {ENDED}");
    let mut all = vec![number(receipt.task.0), number(receipt.lease)];
    all.extend_from_slice(params);
    let row = one(tx, &sql, &all).await?.ok_or_else(stale_receipt)?;
    tx.dirty = true;
    let queue = queue_of(&row)?;
    tx.tally.count(queue.id, Some(TaskState::Leased), becomes);
    if !matches!(becomes, Some(TaskState::Waiting | TaskState::Leased)) {
        let (group, key) = names(&row, 1)?;
        let (group, key) = (group.as_deref(), key.as_deref());
        make_way(tx, &queue, receipt.task, group, key).await?;
    }
    Ok(queue)
}

/// The group and the key of a row, from column `at` on.
pub(super) fn names(row: &Row, at: usize) -> Result<(Option<String>, Option<String>)> {
    let name = |at: usize| -> Result<Option<String>> {
        let held: Option<&str> = row.try_get(at).typed()?;
        Ok(held.map(|held| text::original(held).into_owned()))
    };
    Ok((name(at)?, name(at + 1)?))
}

pub(super) async fn complete(tx: &mut Tx<'_>, receipt: Receipt) -> Result<TaskDone> {
    let sql = "DELETE FROM @.basalt_tasks";
    end_lease(tx, sql, receipt, &[], None).await?;
    Ok(TaskDone::Done)
}

pub(super) async fn extend(
    tx: &mut Tx<'_>,
    receipt: Receipt,
    until: Timestamp,
) -> Result<TaskDone> {
    let sql = "UPDATE @.basalt_tasks SET visible_at = $3::int8";
    let due = until.millis();
    let becomes = Some(TaskState::Leased);
    let queue = end_lease(tx, sql, receipt, &[Param::Int(due)], becomes).await?;
    tx.tally.due(&queue, due);
    Ok(TaskDone::Done)
}

pub(super) async fn release(
    tx: &mut Tx<'_>,
    receipt: Receipt,
    visible_at: Timestamp,
    counts: bool,
    error: Option<&str>,
) -> Result<TaskDone> {
    let sql = "UPDATE @.basalt_tasks SET state = 0, visible_at = $3::int8,
                   attempts = attempts - $4::int8, error = coalesce($5::text, error)";
    let due = visible_at.millis();
    let params = [
        Param::Int(due),
        Param::Int(i64::from(!counts)),
        held_option(error.map(error_text).as_deref()),
    ];
    let queue = end_lease(tx, sql, receipt, &params, Some(TaskState::Waiting)).await?;
    tx.tally.due(&queue, due);
    Ok(TaskDone::Done)
}

pub(super) async fn bury(
    tx: &mut Tx<'_>,
    receipt: Receipt,
    error: &str,
    at: Timestamp,
) -> Result<TaskDone> {
    let sql = "UPDATE @.basalt_tasks SET state = 3, visible_at = $3::int8, error = $4::text";
    let params = [Param::Int(at.millis()), held_text(&error_text(error))];
    end_lease(tx, sql, receipt, &params, Some(TaskState::Dead)).await?;
    Ok(TaskDone::Done)
}

/// Buries a front task that nobody holds: its attempts are used up.
async fn die(tx: &mut Tx<'_>, queue: &Queue, task: &Task, at: Timestamp) -> Result<()> {
    let sql = "UPDATE @.basalt_tasks SET state = 3, visible_at = $2::int8,
                   error = coalesce(error, $3::text)
               WHERE id = $1::int8 RETURNING in_group, key";
    let params = [
        number(task.id.0),
        Param::Int(at.millis()),
        held_text(ATTEMPTS_USED_UP),
    ];
    let row = one(tx, sql, &params).await?;
    tx.dirty = true;
    tx.tally
        .count(queue.id, Some(task.state), Some(TaskState::Dead));
    let (group, key) = row
        .map(|row| names(&row, 0))
        .transpose()?
        .unwrap_or_default();
    make_way(tx, queue, task.id, group.as_deref(), key.as_deref()).await
}
