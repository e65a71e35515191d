//! Reading tasks and how queues stand. Statements name indexed columns only, so that their cost
//! does not grow with what lies in a queue.

use crate::connection::Session;
use crate::error::{Typed, corrupt};
use basalt_base::{Result, Timestamp};
use basalt_store::{QueueStand, Task, TaskId, TaskPage, TaskState};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::Arc;

/// What [`task`] reads, in its order; the queue's name apart.
pub(crate) const COLUMNS: &str = "id, state, visible_at, priority, lease, attempts, attempts_max, \
                                  put_at, first_at, in_group, error, payload";

/// A row of [`COLUMNS`].
pub(crate) fn task(row: &Row<'_>, queue: &Arc<str>) -> Result<Task> {
    let time = |at| -> Result<Timestamp> { row.get(at).typed().map(Timestamp::from_millis) };
    let text = |at| -> Result<Option<Box<str>>> {
        let text: Option<String> = row.get(at).typed()?;
        Ok(text.map(Into::into))
    };
    let first: Option<i64> = row.get(8).typed()?;
    let payload = row.get_ref(11).typed()?.as_blob();
    Ok(Task {
        id: TaskId(row.get(0).typed()?),
        queue: queue.clone(),
        state: state(row.get(1).typed()?)?,
        visible_at: time(2)?,
        priority: row.get(3).typed()?,
        lease: row.get(4).typed()?,
        attempts: row.get(5).typed()?,
        attempts_max: row.get(6).typed()?,
        put_at: time(7)?,
        first_at: first.map(Timestamp::from_millis),
        group: text(9)?,
        error: text(10)?,
        payload: payload.map_err(|_| corrupt("a task's payload"))?.into(),
    })
}

/// The state of that number.
pub(crate) fn state(number: i64) -> Result<TaskState> {
    match number {
        0 => Ok(TaskState::Waiting),
        1 => Ok(TaskState::Leased),
        2 => Ok(TaskState::Held),
        3 => Ok(TaskState::Dead),
        _ => Err(corrupt("the state of a task")),
    }
}

/// The task of that number.
pub(crate) fn by_id(session: &Session, id: TaskId) -> Result<Option<Task>> {
    let sql = format!(
        "SELECT {COLUMNS}, (SELECT name FROM basalt_queues q WHERE q.id = t.queue)
         FROM basalt_tasks t WHERE id = ?"
    );
    let mut statement = session.conn.prepare_cached(&sql).typed()?;
    let mut rows = statement.query([id.0]).typed()?;
    let Some(row) = rows.next().typed()? else {
        return Ok(None);
    };
    let queue: String = row.get(12).typed()?;
    task(row, &queue.into()).map(Some)
}

/// A page of a queue.
pub(crate) fn page(session: &Session, page: &TaskPage) -> Result<Vec<Task>> {
    let Some(queue) = queue_id(&session.conn, &page.queue)? else {
        return Ok(Vec::new());
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM basalt_tasks
         WHERE queue = ? AND (state = 3) = ? AND id > ? ORDER BY id LIMIT ?"
    );
    let mut statement = session.conn.prepare_cached(&sql).typed()?;
    let after = page.after.map_or(0, |id| id.0);
    let mut rows = statement
        .query(params![queue, page.dead, after, page.limit])
        .typed()?;
    let mut tasks = Vec::new();
    while let Some(row) = rows.next().typed()? {
        tasks.push(task(row, &page.queue)?);
    }
    Ok(tasks)
}

/// The number of a queue, if it ever had a task.
pub(crate) fn queue_id(conn: &Connection, name: &str) -> Result<Option<i64>> {
    conn.prepare_cached("SELECT id FROM basalt_queues WHERE name = ?")
        .and_then(|mut s| s.query_row([name], |row| row.get(0)).optional())
        .typed()
}

/// How a queue stands.
pub(crate) fn queue(session: &Session, name: &Arc<str>) -> Result<QueueStand> {
    let sql = "SELECT id, name, waiting, leased, held, dead FROM basalt_queues WHERE name = ?";
    let mut statement = session.conn.prepare_cached(sql).typed()?;
    let mut rows = statement.query([&**name]).typed()?;
    match rows.next().typed()? {
        Some(row) => stand(&session.conn, row),
        None => Ok(QueueStand::empty(name.clone())),
    }
}

/// How each queue stands that holds something.
pub(crate) fn queues(session: &Session) -> Result<Vec<QueueStand>> {
    let sql = "SELECT id, name, waiting, leased, held, dead FROM basalt_queues
               WHERE waiting + leased + held + dead > 0 ORDER BY name";
    let mut statement = session.conn.prepare_cached(sql).typed()?;
    let mut rows = statement.query([]).typed()?;
    let mut stands = Vec::new();
    while let Some(row) = rows.next().typed()? {
        stands.push(stand(&session.conn, row)?);
    }
    Ok(stands)
}

fn stand(conn: &Connection, row: &Row<'_>) -> Result<QueueStand> {
    let id: i64 = row.get(0).typed()?;
    let oldest: Option<i64> = conn
        .prepare_cached(
            "SELECT put_at FROM basalt_tasks WHERE queue = ? AND (state = 3) = 0
             ORDER BY id LIMIT 1",
        )
        .and_then(|mut s| s.query_row([id], |row| row.get(0)).optional())
        .typed()?;
    Ok(QueueStand {
        queue: row.get::<_, String>(1).typed()?.into(),
        waiting: row.get(2).typed()?,
        leased: row.get(3).typed()?,
        held: row.get(4).typed()?,
        dead: row.get(5).typed()?,
        next_due: next_due(conn, id)?.map(Timestamp::from_millis),
        oldest_put: oldest.map(Timestamp::from_millis),
    })
}

/// The highest priority below one that a waiting or leased task of the queue has.
pub(crate) fn priority_below(conn: &Connection, queue: i64, below: u8) -> Result<Option<u8>> {
    conn.prepare_cached(
        "SELECT priority FROM basalt_tasks
         WHERE queue = ? AND state < 2 AND priority < ? ORDER BY priority DESC LIMIT 1",
    )
    .and_then(|mut s| {
        s.query_row(params![queue, below], |row| row.get(0))
            .optional()
    })
    .typed()
}

/// When the next task of a queue is visible, in milliseconds: one look for each priority in use.
fn next_due(conn: &Connection, queue: i64) -> Result<Option<i64>> {
    let mut due: Option<i64> = None;
    let mut below = u8::MAX;
    while let Some(priority) = priority_below(conn, queue, below)? {
        let first: i64 = conn
            .prepare_cached(
                "SELECT visible_at FROM basalt_tasks
                 WHERE queue = ? AND state < 2 AND priority = ? ORDER BY visible_at LIMIT 1",
            )
            .and_then(|mut s| s.query_row(params![queue, priority], |row| row.get(0)))
            .typed()?;
        due = Some(due.map_or(first, |due| due.min(first)));
        below = priority;
    }
    Ok(due)
}
