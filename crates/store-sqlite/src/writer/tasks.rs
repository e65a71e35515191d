//! Steps of the queue, in the writer's transaction.
//!
//! A step looks at what it needs by an index, so that it costs the same whatever lies in the queue.
//! Of a group only the front task is in the index that leasing looks at; when it is gone or dead,
//! the next one takes its place there.

mod operate;
mod tally;

pub(super) use tally::{Tally, settle};

use super::batch::Tx;
use crate::error::Typed;
use crate::reads::tasks::{COLUMNS, priority_below, queue_id, task};
use basalt_base::{Result, Timestamp};
use basalt_store::task::{
    ATTEMPTS_USED_UP, LEASE_MIN, TASK_STEP_MAX, check_queue, error_text, stale_receipt,
};
use basalt_store::{Dedupe, Hold, Receipt, Task, TaskDone, TaskId, TaskPut, TaskState, TaskWrite};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use std::sync::Arc;

/// Applies a step; one that is refused has changed nothing.
pub(super) fn step(tx: &mut Tx<'_>, write: &TaskWrite) -> Result<TaskDone> {
    match write {
        TaskWrite::Put(wanted) => put(tx, wanted),
        TaskWrite::Lease {
            queue,
            count,
            until,
            at,
        } => lease(tx, queue, *count, *until, *at),
        TaskWrite::Complete(receipt) => complete(tx, *receipt),
        TaskWrite::Extend { receipt, until } => extend(tx, *receipt, *until),
        TaskWrite::Release {
            receipt,
            visible_at,
            counts,
            error,
        } => release(tx, *receipt, *visible_at, *counts, error.as_deref()),
        TaskWrite::Bury { receipt, error, at } => bury(tx, *receipt, error, *at),
        other => operate::step(tx, other),
    }
}

/// The last number that was given to a task or a lease.
pub(super) fn last_number(conn: &Connection) -> Result<u64> {
    conn.query_row("SELECT task_number FROM basalt_meta", [], |row| row.get(0))
        .typed()
}

/// Removes every task and queue.
pub(super) fn clear(conn: &Connection) -> Result<()> {
    conn.execute_batch(
        "DELETE FROM basalt_tasks; DELETE FROM basalt_queues; DELETE FROM basalt_task_keys",
    )
    .typed()
}

/// The one row that a statement returns, if it met one.
fn one<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>> {
    conn.prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(params, read).optional())
        .typed()
}

fn execute(conn: &Connection, sql: &str, params: impl Params) -> Result<usize> {
    conn.prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params))
        .typed()
}

/// The number of a queue, which is made when there is none.
fn queue(tx: &mut Tx<'_>, name: &Arc<str>) -> Result<i64> {
    if let Some(id) = tx.tally.queue(name) {
        return Ok(id);
    }
    check_queue(name)?;
    let found = queue_id(tx.conn(), name)?;
    let fresh = found.is_none();
    let id = if let Some(id) = found {
        id
    } else {
        let sql = "INSERT INTO basalt_queues (name) VALUES (?)";
        execute(tx.conn(), sql, [&**name])?;
        tx.dirty = true;
        tx.conn().last_insert_rowid()
    };
    tx.tally.know(name, id, fresh);
    Ok(id)
}

/// The number of a queue that may not be there.
fn known(tx: &mut Tx<'_>, name: &Arc<str>) -> Result<Option<i64>> {
    if let Some(id) = tx.tally.queue(name) {
        return Ok(Some(id));
    }
    let id = queue_id(tx.conn(), name)?;
    if let Some(id) = id {
        tx.tally.know(name, id, false);
    }
    Ok(id)
}

fn put(tx: &mut Tx<'_>, put: &TaskPut) -> Result<TaskDone> {
    put.check()?;
    let queue = queue(tx, &put.queue)?;
    let number = tx.state.task_number + 1;
    if let Some(dedupe) = &put.dedupe
        && let Some(id) = take_key(tx, queue, dedupe, number, put.at)?
    {
        return Ok(TaskDone::Put { id, fresh: false });
    }
    let held = match &put.group {
        Some(group) => has_group(tx, queue, group)?,
        None => false,
    };
    let state = if held {
        TaskState::Held
    } else {
        TaskState::Waiting
    };
    let key = put.dedupe.as_ref().filter(|d| d.hold == Hold::Task);
    let visible_at = put.visible_at.millis();
    execute(
        tx.conn(),
        "INSERT INTO basalt_tasks (id, queue, state, visible_at, priority, lease, attempts,
             attempts_max, put_at, in_group, key, payload)
         VALUES (?, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?)",
        params![
            number,
            queue,
            tally::number(state),
            visible_at,
            put.priority,
            put.attempts_max,
            put.at.millis(),
            put.group.as_deref(),
            key.map(|d| &*d.key),
            &*put.payload
        ],
    )?;
    tx.dirty = true;
    tx.state.task_number = number;
    tx.tally.count(queue, None, Some(state));
    tx.tally.put(put.at.millis());
    if !held {
        tx.tally.due(queue, visible_at);
    }
    Ok(TaskDone::Put {
        id: TaskId(number),
        fresh: true,
    })
}

/// Takes a dedupe key for the task of that number, or names the one that has it.
fn take_key(
    tx: &mut Tx<'_>,
    queue: i64,
    dedupe: &Dedupe,
    number: u64,
    at: Timestamp,
) -> Result<Option<TaskId>> {
    let sql = "SELECT task, until FROM basalt_task_keys WHERE queue = ? AND key = ?";
    let taken: Option<(u64, Option<i64>)> =
        one(tx.conn(), sql, params![queue, &*dedupe.key], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    if let Some((task, until)) = taken
        && until.is_none_or(|until| until > at.millis())
    {
        return Ok(Some(TaskId(task)));
    }
    let until = match dedupe.hold {
        Hold::Until(until) => Some(until.millis()),
        Hold::Task => None,
    };
    execute(
        tx.conn(),
        "INSERT OR REPLACE INTO basalt_task_keys (queue, key, task, until) VALUES (?, ?, ?, ?)",
        params![queue, &*dedupe.key, number, until],
    )?;
    tx.dirty = true;
    Ok(None)
}

/// Whether a task of the group is not dead.
fn has_group(tx: &Tx<'_>, queue: i64, group: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM basalt_tasks
               WHERE queue = ? AND in_group = ? AND state < 3 LIMIT 1";
    one(tx.conn(), sql, params![queue, group], |_| Ok(())).map(|found| found.is_some())
}

fn lease(
    tx: &mut Tx<'_>,
    name: &Arc<str>,
    count: u32,
    until: Timestamp,
    at: Timestamp,
) -> Result<TaskDone> {
    let (mut tasks, mut buried) = (Vec::new(), Vec::new());
    let Some(queue) = known(tx, name)? else {
        return Ok(TaskDone::Leased { tasks, buried });
    };
    let (at, until) = (
        at.truncate_to_millis(),
        until.truncate_to_millis().max(at.plus(LEASE_MIN)),
    );
    let want = count.min(TASK_STEP_MAX) as usize;
    'again: while tasks.len() < want {
        for mut task in front(tx, queue, name, at, want - tasks.len())? {
            if task.attempts_max > 0 && task.attempts >= task.attempts_max {
                let sql = "UPDATE basalt_tasks SET error = coalesce(error, ?) WHERE id = ?";
                execute(tx.conn(), sql, params![ATTEMPTS_USED_UP, task.id.0])?;
                buried.push(task.id);
                die(tx, queue, &task, at)?;
                // The next of its group may come before what was read.
                continue 'again;
            }
            hand_out(tx, queue, &mut task, until, at)?;
            tasks.push(task);
        }
        break;
    }
    Ok(TaskDone::Leased { tasks, buried })
}

/// The tasks that are to be leased next: one look for each priority in use.
fn front(
    tx: &Tx<'_>,
    queue: i64,
    name: &Arc<str>,
    at: Timestamp,
    want: usize,
) -> Result<Vec<Task>> {
    let mut found = Vec::new();
    let mut below = u8::MAX;
    while found.len() < want
        && let Some(priority) = priority_below(tx.conn(), queue, below)?
    {
        let sql = format!(
            "SELECT {COLUMNS} FROM basalt_tasks
             WHERE queue = ? AND state < 2 AND priority = ? AND visible_at <= ?
             ORDER BY visible_at, id LIMIT ?"
        );
        let mut statement = tx.conn().prepare_cached(&sql).typed()?;
        let rest = (want - found.len()) as u64;
        let mut rows = statement
            .query(params![queue, priority, at.millis(), rest])
            .typed()?;
        while let Some(row) = rows.next().typed()? {
            found.push(task(row, name)?);
        }
        below = priority;
    }
    Ok(found)
}

fn hand_out(
    tx: &mut Tx<'_>,
    queue: i64,
    task: &mut Task,
    until: Timestamp,
    at: Timestamp,
) -> Result<()> {
    tx.tally
        .count(queue, Some(task.state), Some(TaskState::Leased));
    tx.state.task_number += 1;
    task.state = TaskState::Leased;
    task.lease = tx.state.task_number;
    task.attempts += 1;
    task.visible_at = until;
    let first = *task.first_at.get_or_insert(at);
    let sql = "UPDATE basalt_tasks
               SET state = 1, lease = ?, attempts = ?, visible_at = ?, first_at = ? WHERE id = ?";
    let values = params![
        task.lease,
        task.attempts,
        until.millis(),
        first.millis(),
        task.id.0
    ];
    execute(tx.conn(), sql, values)?;
    tx.dirty = true;
    tx.tally.due(queue, until.millis());
    Ok(())
}

/// What ending a lease has to know of the task.
struct Ended {
    queue: i64,
    group: Option<String>,
    key: Option<String>,
}

/// Runs a statement on the leased task that returns its queue, group and key.
fn end_lease(
    tx: &mut Tx<'_>,
    sql: &str,
    receipt: Receipt,
    params: impl Params,
    becomes: Option<TaskState>,
) -> Result<Ended> {
    let ended = one(tx.conn(), sql, params, |row| {
        Ok(Ended {
            queue: row.get(0)?,
            group: row.get(1)?,
            key: row.get(2)?,
        })
    })?;
    let ended = ended.ok_or_else(stale_receipt)?;
    tx.dirty = true;
    tx.tally
        .count(ended.queue, Some(TaskState::Leased), becomes);
    if becomes != Some(TaskState::Waiting) {
        let key = ended.key.as_deref();
        make_way(tx, ended.queue, receipt.task, ended.group.as_deref(), key)?;
    }
    Ok(ended)
}

/// A front task is out of the way: frees its key and lets the next of its group come to the front.
fn make_way(
    tx: &mut Tx<'_>,
    queue: i64,
    task: TaskId,
    group: Option<&str>,
    key: Option<&str>,
) -> Result<()> {
    free_key(tx, queue, task, key)?;
    let Some(group) = group else { return Ok(()) };
    let sql = "UPDATE basalt_tasks SET state = 0 WHERE id = (
                   SELECT id FROM basalt_tasks WHERE queue = ? AND in_group = ? AND state < 3
                   ORDER BY id LIMIT 1)
               RETURNING visible_at";
    let next: Option<i64> = one(tx.conn(), sql, params![queue, group], |row| row.get(0))?;
    if let Some(due) = next {
        tx.tally
            .count(queue, Some(TaskState::Held), Some(TaskState::Waiting));
        tx.tally.due(queue, due);
    }
    Ok(())
}

fn free_key(tx: &mut Tx<'_>, queue: i64, task: TaskId, key: Option<&str>) -> Result<()> {
    if let Some(key) = key {
        let sql = "DELETE FROM basalt_task_keys WHERE queue = ? AND key = ? AND task = ?";
        execute(tx.conn(), sql, params![queue, key, task.0])?;
    }
    Ok(())
}

fn complete(tx: &mut Tx<'_>, receipt: Receipt) -> Result<TaskDone> {
    let sql = "DELETE FROM basalt_tasks WHERE id = ? AND lease = ? AND state = 1
               RETURNING queue, in_group, key";
    let values = params![receipt.task.0, receipt.lease];
    end_lease(tx, sql, receipt, values, None)?;
    Ok(TaskDone::Done)
}

fn extend(tx: &mut Tx<'_>, receipt: Receipt, until: Timestamp) -> Result<TaskDone> {
    let sql = "UPDATE basalt_tasks SET visible_at = ? WHERE id = ? AND lease = ? AND state = 1
               RETURNING queue";
    let values = params![until.millis(), receipt.task.0, receipt.lease];
    let queue = one(tx.conn(), sql, values, |row| row.get(0))?.ok_or_else(stale_receipt)?;
    tx.dirty = true;
    tx.tally.due(queue, until.millis());
    Ok(TaskDone::Done)
}

fn release(
    tx: &mut Tx<'_>,
    receipt: Receipt,
    visible_at: Timestamp,
    counts: bool,
    error: Option<&str>,
) -> Result<TaskDone> {
    let sql = "UPDATE basalt_tasks SET state = 0, visible_at = ?, attempts = attempts - ?,
                   error = coalesce(?, error)
               WHERE id = ? AND lease = ? AND state = 1 RETURNING queue, in_group, key";
    let due = visible_at.millis();
    let values = params![
        due,
        !counts,
        error.map(error_text),
        receipt.task.0,
        receipt.lease
    ];
    let ended = end_lease(tx, sql, receipt, values, Some(TaskState::Waiting))?;
    tx.tally.due(ended.queue, due);
    Ok(TaskDone::Done)
}

fn bury(tx: &mut Tx<'_>, receipt: Receipt, error: &str, at: Timestamp) -> Result<TaskDone> {
    let sql = "UPDATE basalt_tasks SET state = 3, visible_at = ?, error = ?
               WHERE id = ? AND lease = ? AND state = 1 RETURNING queue, in_group, key";
    let error = error_text(error);
    let values = params![at.millis(), error, receipt.task.0, receipt.lease];
    end_lease(tx, sql, receipt, values, Some(TaskState::Dead))?;
    Ok(TaskDone::Done)
}

/// Buries a front task that nobody holds.
fn die(tx: &mut Tx<'_>, queue: i64, task: &Task, at: Timestamp) -> Result<()> {
    let sql = "UPDATE basalt_tasks SET state = 3, visible_at = ? WHERE id = ? RETURNING key";
    let key = one(tx.conn(), sql, params![at.millis(), task.id.0], |row| {
        row.get::<_, Option<String>>(0)
    })?;
    tx.dirty = true;
    tx.tally
        .count(queue, Some(task.state), Some(TaskState::Dead));
    let key = key.flatten();
    make_way(tx, queue, task.id, task.group.as_deref(), key.as_deref())
}
