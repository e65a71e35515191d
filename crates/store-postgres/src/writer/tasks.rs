//! Steps of the queue, in the group's transaction.
//!
//! Other than objects, tasks are changed by statements at once: which of them a step meets is what
//! the tables say. Only tasks without group and key wait, to be written together. On an app one
//! group runs at a time, so nobody else takes the same task.
//!
//! A step looks at what it needs by an index, so that it costs the same whatever lies in the queue.
//! Of a group only the front task is in the index that leasing looks at; when it is gone or dead,
//! the next one takes its place there.

mod lease;
mod operate;
mod tally;

pub(super) use tally::{Tally, orders};

use super::flush::Order;
use super::tx::Tx;
use crate::error::{Typed, corrupt, driver};
use crate::net::refs;
use crate::row::Param;
use crate::text;
use basalt_base::{Reason, Result};
use basalt_store::task::check_queue;
use basalt_store::{Dedupe, Hold, TaskDone, TaskId, TaskPut, TaskState, TaskWrite, Write, Written};
use std::sync::Arc;
use tally::Queue;
use tokio_postgres::Row;

/// Refuses what can be refused without a look at the tables.
pub(super) fn check(writes: &[Write]) -> Result<()> {
    for write in writes {
        match write {
            Write::Task(TaskWrite::Put(put)) => put.check()?,
            Write::Task(TaskWrite::Move { to, .. }) => check_queue(to)?,
            _ => {}
        }
    }
    Ok(())
}

/// Whether the step may be refused by what the tables say.
fn is_refusable(write: &TaskWrite) -> bool {
    !matches!(
        write,
        TaskWrite::Put(_)
            | TaskWrite::Lease { .. }
            | TaskWrite::Retry { .. }
            | TaskWrite::Purge { .. }
            | TaskWrite::Move { .. }
    )
}

/// Applies the steps of a batch that concern tasks, all or none of them. A refused step has changed
/// nothing, so that only the steps before it have to be taken back.
pub(super) async fn apply(
    tx: &mut Tx<'_>,
    writes: &[Write],
    written: &mut [Written],
) -> Result<()> {
    let steps = writes.iter().zip(written).filter_map(|(write, slot)| {
        let Write::Task(step) = write else {
            return None;
        };
        Some((step, slot))
    });
    let steps: Vec<_> = steps.collect();
    let guarded = steps.iter().skip(1).any(|(step, _)| is_refusable(step));
    if guarded {
        flush_plain(tx).await?;
        command(tx, "SAVEPOINT basalt_tasks").await?;
    }
    let mut result = Ok(());
    for (write, slot) in steps {
        match step(tx, write).await {
            Ok(done) => *slot = Written::Task(done),
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    match &result {
        Ok(()) => {
            tx.tally.keep();
            if guarded {
                command(tx, "RELEASE basalt_tasks").await?;
            }
        }
        Err(error) => {
            tx.tally.forget();
            let alive = driver(error).is_none();
            if guarded && alive {
                command(tx, "ROLLBACK TO basalt_tasks; RELEASE basalt_tasks").await?;
            } else {
                tx.broken = !alive || error.reason() != Reason::StaleReceipt;
            }
        }
    }
    result
}

async fn command(tx: &Tx<'_>, sql: &str) -> Result<()> {
    tx.conn.client.batch_execute(sql).await.typed()
}

async fn step(tx: &mut Tx<'_>, write: &TaskWrite) -> Result<TaskDone> {
    if let TaskWrite::Put(wanted) = write {
        return put(tx, wanted).await;
    }
    flush_plain(tx).await?;
    match write {
        TaskWrite::Lease {
            queue,
            count,
            until,
            at,
        } => lease::lease(tx, queue, *count, *until, *at).await,
        TaskWrite::Complete(receipt) => lease::complete(tx, *receipt).await,
        TaskWrite::Extend { receipt, until } => lease::extend(tx, *receipt, *until).await,
        TaskWrite::Release {
            receipt,
            visible_at,
            counts,
            error,
        } => lease::release(tx, *receipt, *visible_at, *counts, error.as_deref()).await,
        TaskWrite::Bury { receipt, error, at } => lease::bury(tx, *receipt, error, *at).await,
        other => operate::step(tx, other).await,
    }
}

/// Runs a statement, in which `@` is the app's schema.
async fn rows(tx: &Tx<'_>, sql: &str, params: &[Param]) -> Result<Vec<Row>> {
    let sql = sql.replace('@', &tx.shared.name);
    tx.conn.query(&sql, &refs(params)).await.typed()
}

/// The one row that a statement returns, if it met one.
async fn one(tx: &Tx<'_>, sql: &str, params: &[Param]) -> Result<Option<Row>> {
    Ok(rows(tx, sql, params).await?.into_iter().next())
}

fn number(n: u64) -> Param {
    Param::Int(n.cast_signed())
}

fn held_text(text: &str) -> Param {
    Param::Text(text::stored(text).into_owned())
}

fn held_option(text: Option<&str>) -> Param {
    text.map_or(Param::Null, held_text)
}

/// The queue, if it ever had a task.
async fn known(tx: &mut Tx<'_>, name: &Arc<str>) -> Result<Option<Queue>> {
    let name = name.clone();
    let id = tx.tally.queue(&name);
    let id = id.or_else(|| tx.shared.queues.lock().get(&name).copied());
    if let Some(id) = id {
        return Ok(Some(Queue { id, name }));
    }
    let sql = "SELECT id FROM @.basalt_queues WHERE name = $1::text";
    let Some(row) = one(tx, sql, &[held_text(&name)]).await? else {
        return Ok(None);
    };
    let id = row.try_get(0).typed()?;
    let queue = Queue { id, name };
    tx.tally.know(&queue, false);
    Ok(Some(queue))
}

/// The queue, which is made when there is none.
async fn queue(tx: &mut Tx<'_>, name: &Arc<str>) -> Result<Queue> {
    if let Some(queue) = known(tx, name).await? {
        return Ok(queue);
    }
    let sql = "INSERT INTO @.basalt_queues (name) VALUES ($1::text) RETURNING id";
    let row = one(tx, sql, &[held_text(name)]).await?;
    let row = row.ok_or_else(|| corrupt("a queue that was not made"))?;
    let queue = Queue {
        id: row.try_get(0).typed()?,
        name: name.clone(),
    };
    tx.dirty = true;
    tx.tally.know(&queue, true);
    Ok(queue)
}

async fn put(tx: &mut Tx<'_>, put: &TaskPut) -> Result<TaskDone> {
    let queue = queue(tx, &put.queue).await?;
    let id = tx.state.task_number + 1;
    if let Some(dedupe) = &put.dedupe
        && let Some(id) = take_key(tx, &queue, dedupe, id, put).await?
    {
        return Ok(TaskDone::Put { id, fresh: false });
    }
    let plain = [
        number(id),
        Param::Int(queue.id),
        Param::Int(put.visible_at.millis()),
        Param::Int(put.priority.into()),
        Param::Int(put.attempts_max.into()),
        Param::Int(put.at.millis()),
        Param::Bytes(put.payload.to_vec()),
    ];
    let state = if put.group.is_none() && put.dedupe.is_none() {
        tx.tally.plain.push(plain);
        TaskState::Waiting
    } else {
        insert(tx, put, plain).await?
    };
    tx.dirty = true;
    tx.state.task_number = id;
    tx.tally.count(queue.id, None, Some(state));
    if state == TaskState::Waiting {
        tx.tally.due(&queue, put.visible_at.millis());
    }
    let id = TaskId(id);
    Ok(TaskDone::Put { id, fresh: true })
}

/// Writes a task with a group or a key; says whether others of its group hold it up.
async fn insert(tx: &Tx<'_>, put: &TaskPut, plain: tally::Plain) -> Result<TaskState> {
    let sql = "INSERT INTO @.basalt_tasks (id, queue, visible_at, priority, attempts_max, put_at,
                   payload, in_group, key, lease, attempts, state)
               VALUES ($1::int8, $2::int8, $3::int8, $4::int8, $5::int8, $6::int8, $7::bytea,
                   $8::text, $9::text, 0, 0,
                   CASE WHEN EXISTS (SELECT 1 FROM @.basalt_tasks
                       WHERE queue = $2::int8 AND in_group = $8::text AND state < 3)
                   THEN 2 ELSE 0 END)
               RETURNING state";
    let key = put.dedupe.as_ref().filter(|d| d.hold == Hold::Task);
    let mut params = plain.to_vec();
    params.push(held_option(put.group.as_deref()));
    params.push(held_option(key.map(|d| &*d.key)));
    let row = one(tx, sql, &params).await?;
    let row = row.ok_or_else(|| corrupt("an insert that returned nothing"))?;
    crate::reads::tasks::state(row.try_get(0).typed()?)
}

/// The statement that writes the tasks that wait for it.
fn plain_order(tx: &mut Tx<'_>) -> Option<Order> {
    let mut plain = tx.tally.take_plain();
    if plain.is_empty() {
        return None;
    }
    let sql = format!(
        "INSERT INTO {}.basalt_tasks (id, queue, visible_at, priority, attempts_max, put_at,
             payload, lease, attempts, state)
         SELECT *, 0, 0, 0 FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[],
             $5::int8[], $6::int8[], $7::bytea[])",
        tx.shared.name
    );
    let columns = (0..7).map(|at| {
        let column = plain.iter_mut();
        let column = column.map(|row| std::mem::replace(&mut row[at], Param::Null));
        Param::List(column.collect())
    });
    Some((sql, columns.collect()))
}

/// Writes the tasks that wait for it, so that steps see them.
async fn flush_plain(tx: &mut Tx<'_>) -> Result<()> {
    if let Some((sql, params)) = plain_order(tx) {
        rows(tx, &sql, &params).await?;
    }
    Ok(())
}

/// Takes a dedupe key for the task of that number, or names the one that has it.
async fn take_key(
    tx: &mut Tx<'_>,
    queue: &Queue,
    dedupe: &Dedupe,
    id: u64,
    put: &TaskPut,
) -> Result<Option<TaskId>> {
    let until = match dedupe.hold {
        Hold::Until(until) => Param::Int(until.millis()),
        Hold::Task => Param::Null,
    };
    let key = held_text(&dedupe.key);
    let params = [
        Param::Int(queue.id),
        key.clone(),
        number(id),
        until,
        Param::Int(put.at.millis()),
    ];
    let sql = "INSERT INTO @.basalt_task_keys AS k (queue, key, task, until)
               VALUES ($1::int8, $2::text, $3::int8, $4::int8)
               ON CONFLICT (queue, key) DO UPDATE SET task = excluded.task, until = excluded.until
               WHERE k.until IS NOT NULL AND k.until <= $5::int8
               RETURNING task";
    if one(tx, sql, &params).await?.is_some() {
        tx.dirty = true;
        tx.tally.keyed(put.at.millis());
        return Ok(None);
    }
    let sql = "SELECT task FROM @.basalt_task_keys WHERE queue = $1::int8 AND key = $2::text";
    let row = one(tx, sql, &params[..2]).await?;
    let row = row.ok_or_else(|| corrupt("a key that nobody has"))?;
    let id: i64 = row.try_get(0).typed()?;
    Ok(Some(TaskId(id.cast_unsigned())))
}

/// Whether a task of the group is not dead.
async fn has_group(tx: &Tx<'_>, queue: i64, group: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM @.basalt_tasks
               WHERE queue = $1::int8 AND in_group = $2::text AND state < 3 LIMIT 1";
    let params = [Param::Int(queue), held_text(group)];
    Ok(one(tx, sql, &params).await?.is_some())
}

/// A front task is out of the way: frees its key and lets the next of its group come to the front.
async fn make_way(
    tx: &mut Tx<'_>,
    queue: &Queue,
    task: TaskId,
    group: Option<&str>,
    key: Option<&str>,
) -> Result<()> {
    free_key(tx, queue, task, key).await?;
    let Some(group) = group else { return Ok(()) };
    let sql = "UPDATE @.basalt_tasks SET state = 0 WHERE id = (
                   SELECT id FROM @.basalt_tasks
                   WHERE queue = $1::int8 AND in_group = $2::text AND state < 3
                   ORDER BY id LIMIT 1)
               RETURNING visible_at";
    if let Some(row) = one(tx, sql, &[Param::Int(queue.id), held_text(group)]).await? {
        let (from, to) = (Some(TaskState::Held), Some(TaskState::Waiting));
        tx.tally.count(queue.id, from, to);
        tx.tally.due(queue, row.try_get(0).typed()?);
    }
    Ok(())
}

async fn free_key(tx: &Tx<'_>, queue: &Queue, task: TaskId, key: Option<&str>) -> Result<()> {
    if let Some(key) = key {
        let sql = "DELETE FROM @.basalt_task_keys
                   WHERE queue = $1::int8 AND key = $2::text AND task = $3::int8";
        let params = [Param::Int(queue.id), held_text(key), number(task.0)];
        rows(tx, sql, &params).await?;
    }
    Ok(())
}
