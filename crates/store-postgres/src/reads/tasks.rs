//! Reading tasks and how queues stand: one statement each, by indexed columns only, so that their
//! cost does not grow with what lies in a queue.

use crate::error::{Typed, corrupt};
use crate::net::refs;
use crate::row::Param;
use crate::shared::Shared;
use crate::text;
use basalt_base::{Result, Timestamp};
use basalt_store::{QueueStand, Task, TaskId, TaskPage, TaskState};
use std::sync::Arc;
use tokio_postgres::Row;

/// What [`task`] reads, in its order; the queue's name apart.
pub(crate) const COLUMNS: &str = "id, state, visible_at, priority, lease, attempts, attempts_max, \
                                  put_at, first_at, in_group, error, payload";

/// A row of [`COLUMNS`].
pub(crate) fn task(row: &Row, queue: &Arc<str>) -> Result<Task> {
    let number = |at: usize| row.try_get::<_, i64>(at).typed();
    let time = |at: usize| number(at).map(Timestamp::from_millis);
    let text = |at: usize| -> Result<Option<Box<str>>> {
        let held: Option<&str> = row.try_get(at).typed()?;
        Ok(held.map(|held| text::original(held).into()))
    };
    let count = |at: usize| -> Result<u32> {
        u32::try_from(number(at)?).map_err(|_| corrupt("the attempts of a task"))
    };
    let first: Option<i64> = row.try_get(8).typed()?;
    let priority = u8::try_from(row.try_get::<_, i16>(3).typed()?);
    Ok(Task {
        id: TaskId(number(0)?.cast_unsigned()),
        queue: queue.clone(),
        state: state(row.try_get(1).typed()?)?,
        visible_at: time(2)?,
        priority: priority.map_err(|_| corrupt("the priority of a task"))?,
        lease: number(4)?.cast_unsigned(),
        attempts: count(5)?,
        attempts_max: count(6)?,
        put_at: time(7)?,
        first_at: first.map(Timestamp::from_millis),
        group: text(9)?,
        error: text(10)?,
        payload: row.try_get::<_, &[u8]>(11).typed()?.into(),
    })
}

/// The state of that number.
pub(crate) fn state(number: i16) -> Result<TaskState> {
    match number {
        0 => Ok(TaskState::Waiting),
        1 => Ok(TaskState::Leased),
        2 => Ok(TaskState::Held),
        3 => Ok(TaskState::Dead),
        _ => Err(corrupt("the state of a task")),
    }
}

async fn rows(shared: &Shared, sql: &str, params: &[Param]) -> Result<Vec<Row>> {
    let sql = sql.replace('@', &shared.name);
    shared.common.lanes.read(&sql, &refs(params)).await
}

/// The task of that number.
pub(crate) async fn by_id(shared: &Shared, id: TaskId) -> Result<Option<Task>> {
    let sql = format!(
        "SELECT {COLUMNS}, (SELECT name FROM @.basalt_queues q WHERE q.id = t.queue)
         FROM @.basalt_tasks t WHERE id = $1::int8"
    );
    let rows = rows(shared, &sql, &[Param::Int(id.0.cast_signed())]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let queue = text::original(row.try_get(12).typed()?).into();
    task(row, &queue).map(Some)
}

/// A page of a queue.
pub(crate) async fn page(shared: &Shared, page: &TaskPage) -> Result<Vec<Task>> {
    // Written out, so that each meets its index.
    let which = if page.dead { "state = 3" } else { "state < 3" };
    let sql = format!(
        "SELECT {COLUMNS} FROM @.basalt_tasks
         WHERE queue = (SELECT q.id FROM @.basalt_queues q WHERE q.name = $1::text)
           AND {which} AND id > $2::int8 ORDER BY id LIMIT $3::int8"
    );
    let after = page.after.map_or(0, |id| id.0);
    let params = [
        Param::Text(text::stored(&page.queue).into_owned()),
        Param::Int(i64::try_from(after).unwrap_or(i64::MAX)),
        Param::Int(page.limit.into()),
    ];
    let rows = rows(shared, &sql, &params).await?;
    rows.iter().map(|row| task(row, &page.queue)).collect()
}

/// How queues stand: one look at the due tasks for each priority.
const STANDS: &str = "SELECT q.name, q.waiting, q.leased, q.held, q.dead,
        (SELECT min(f.visible_at) FROM generate_series(0, 9) p(n) CROSS JOIN LATERAL
            (SELECT visible_at FROM @.basalt_tasks
             WHERE queue = q.id AND state < 2 AND priority = p.n
             ORDER BY visible_at LIMIT 1) f),
        (SELECT put_at FROM @.basalt_tasks WHERE queue = q.id AND state < 3 ORDER BY id LIMIT 1)
    FROM @.basalt_queues q";

/// How a queue stands.
pub(crate) async fn queue(shared: &Shared, name: &str) -> Result<QueueStand> {
    let sql = format!("{STANDS} WHERE q.name = $1::text");
    let params = [Param::Text(text::stored(name).into_owned())];
    match rows(shared, &sql, &params).await?.first() {
        Some(row) => stand(row),
        None => Ok(QueueStand::empty(name.into())),
    }
}

/// How each queue stands that holds something.
pub(crate) async fn queues(shared: &Shared) -> Result<Vec<QueueStand>> {
    let sql = format!("{STANDS} WHERE waiting + leased + held + dead > 0 ORDER BY q.name");
    let rows = rows(shared, &sql, &[]).await?;
    rows.iter().map(stand).collect()
}

fn stand(row: &Row) -> Result<QueueStand> {
    let count = |at: usize| -> Result<u64> {
        u64::try_from(row.try_get::<_, i64>(at).typed()?).map_err(|_| corrupt("a queue's sum"))
    };
    let time = |at: usize| -> Result<Option<Timestamp>> {
        let time: Option<i64> = row.try_get(at).typed()?;
        Ok(time.map(Timestamp::from_millis))
    };
    Ok(QueueStand {
        queue: text::original(row.try_get(0).typed()?).into(),
        waiting: count(1)?,
        leased: count(2)?,
        held: count(3)?,
        dead: count(4)?,
        next_due: time(5)?,
        oldest_put: time(6)?,
    })
}
