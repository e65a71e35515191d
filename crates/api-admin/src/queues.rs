//! Queues as operators see them.

use basalt_base::{Error, Reason, Result, Timestamp};
use basalt_flow::Queue;
use basalt_store::{QueueStand, Task, TaskId, TaskPage, TaskPick, TaskState};
use serde_json::{Value, json};

/// Tasks on one page.
const PAGE: u32 = 100;
/// Bytes of a payload that are shown.
const SHOWN_BYTES: usize = 2_048;

/// How each queue stands: `{"queues": [{"queue", "waiting", "leased", "held", "dead",
/// "next_due_ms", "oldest_put_ms", "late_ms"}]}`.
pub async fn list(queue: &Queue) -> Result<Value> {
    let now = queue.clock().now();
    let stands = queue.stands().await?;
    let stands: Vec<_> = stands.iter().map(|stand| shown_stand(stand, now)).collect();
    Ok(json!({ "queues": stands }))
}

fn shown_stand(stand: &QueueStand, now: Timestamp) -> Value {
    let late = stand.next_due.map(|due| now.since(due).as_millis() as u64);
    json!({
        "queue": &*stand.queue,
        "waiting": stand.waiting,
        "leased": stand.leased,
        "held": stand.held,
        "dead": stand.dead,
        "next_due_ms": stand.next_due.map(Timestamp::millis),
        "oldest_put_ms": stand.oldest_put.map(Timestamp::millis),
        "late_ms": late,
    })
}

/// Tasks in the order of putting: dead ones with `dead`, from after a task on.
pub async fn peek(queue: &Queue, name: &str, dead: bool, after: Option<u64>) -> Result<Value> {
    let page = TaskPage {
        queue: name.into(),
        dead,
        after: after.map(TaskId),
        limit: PAGE,
    };
    let tasks = queue.peek(&page).await?;
    let tasks: Vec<_> = tasks.iter().map(shown_task).collect();
    Ok(json!({ "tasks": tasks }))
}

fn shown_task(task: &Task) -> Value {
    let state = match task.state {
        TaskState::Waiting => "waiting",
        TaskState::Leased => "leased",
        TaskState::Held => "held",
        TaskState::Dead => "dead",
    };
    let payload = String::from_utf8_lossy(&task.payload);
    let end = payload.floor_char_boundary(SHOWN_BYTES);
    json!({
        "id": task.id.0,
        "state": state,
        "visible_at_ms": task.visible_at.millis(),
        "put_at_ms": task.put_at.millis(),
        "attempts": task.attempts,
        "attempts_max": task.attempts_max,
        "priority": task.priority,
        "group": task.group,
        "error": task.error,
        "payload": &payload[..end],
        "payload_bytes": task.payload.len(),
    })
}

/// What `{"ids": [1, 2]}`, `{"dead": true}`, `{"idle": true}` or `{"all": true}` means; the dead
/// ones when it says nothing.
fn pick(body: &[u8]) -> Result<TaskPick> {
    if body.is_empty() {
        return Ok(TaskPick::Dead);
    }
    let body: Value = serde_json::from_slice(body)
        .map_err(|_| Error::new(Reason::InvalidJson, "The body is no JSON object."))?;
    if let Some(ids) = body.get("ids").and_then(Value::as_array) {
        let ids = ids.iter().filter_map(Value::as_u64).map(TaskId);
        return Ok(TaskPick::Ids(ids.collect()));
    }
    let says = |name: &str| body.get(name).and_then(Value::as_bool) == Some(true);
    Ok(if says("all") {
        TaskPick::All
    } else if says("idle") {
        TaskPick::Idle
    } else {
        TaskPick::Dead
    })
}

/// Makes tasks visible now; says how many.
pub async fn retry(queue: &Queue, name: &str, body: &[u8]) -> Result<Value> {
    each(queue, name, pick(body)?, false).await
}

/// Removes tasks; says how many.
pub async fn purge(queue: &Queue, name: &str, body: &[u8]) -> Result<Value> {
    each(queue, name, pick(body)?, true).await
}

/// In slices, so that other writes go on between them. Retried tasks that are not dead stay where
/// they are, so that one slice has to do for them.
async fn each(queue: &Queue, name: &str, pick: TaskPick, removes: bool) -> Result<Value> {
    let slices = removes || matches!(pick, TaskPick::Dead);
    let limit = basalt_store::task::TASK_STEP_MAX;
    let mut count = 0;
    loop {
        let done = if removes {
            queue.purge(name.into(), pick.clone(), limit).await?
        } else {
            queue.retry(name.into(), pick.clone(), limit).await?
        };
        count += done;
        if done < u64::from(limit) || !slices {
            return Ok(json!({ "count": count }));
        }
    }
}
