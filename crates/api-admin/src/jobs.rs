//! Jobs and schedules as operators see them.

use basalt_base::{Error, Reason, Result, Timestamp, Value as Plain};
use basalt_flow::{Jobs, ScheduleView, StartJob};
use basalt_store::{Record, codec};
use serde_json::{Map, Value, json};

/// Runs that are shown when nobody says how many.
const RUNS: u64 = 20;
/// Runs that are shown at most.
const RUNS_MAX: u64 = 1_000;

fn shown(record: &Record, field: &str) -> Value {
    match record.get(field) {
        Some(Plain::String(text)) => json!(text),
        Some(Plain::Int(n)) => json!(n),
        Some(Plain::Double(n)) => json!(n),
        Some(Plain::Bool(yes)) => json!(yes),
        Some(Plain::Timestamp(at)) => json!(at.millis()),
        Some(value @ (Plain::Array(_) | Plain::Map(_))) => {
            let text = codec::encode_to_string(value);
            serde_json::from_str(&text).unwrap_or_default()
        }
        _ => Value::Null,
    }
}

fn fields(record: &Record, names: &[(&str, &str)]) -> Map<String, Value> {
    let mut map = Map::from_iter([("id".to_owned(), json!(&*record.id))]);
    let fields = names.iter();
    map.extend(fields.map(|(name, field)| ((*name).to_owned(), shown(record, field))));
    map
}

/// The last runs, newest first: `{"runs": [{"id", "job", "status", "message", "source", "schedule",
/// "progress", "params", "started_at_ms", "finished_at_ms"}]}`.
pub async fn runs(jobs: &Jobs, schedule: Option<&str>, limit: Option<u64>) -> Result<Value> {
    let limit = limit.unwrap_or(RUNS).min(RUNS_MAX);
    let runs = jobs.runs(schedule, limit).await?;
    let runs = runs.iter().map(|run| {
        let mut shown = fields(
            run,
            &[
                ("job", "jobName"),
                ("status", "status"),
                ("message", "message"),
                ("source", "source"),
                ("schedule", "schedule"),
                ("progress", "progress"),
                ("params", "params"),
                ("finished_at_ms", "finishedAt"),
            ],
        );
        shown.insert("started_at_ms".to_owned(), json!(run.created_at.millis()));
        Value::Object(shown)
    });
    Ok(json!({ "runs": runs.collect::<Vec<_>>() }))
}

/// Starts what `{"name": …, "params": {…}}` says: `{"run": id}`.
pub async fn start(jobs: &Jobs, body: &[u8]) -> Result<Value> {
    let wrong = |text: &'static str| Error::new(Reason::InvalidJson, text);
    let body: Value =
        serde_json::from_slice(body).map_err(|_| wrong("The body is no JSON object."))?;
    let name = body.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| wrong("`name` is missing."))?;
    let params = match body.get("params") {
        None | Some(Value::Null) => Plain::Map(basalt_base::Map::new()),
        Some(params) => codec::decode(&params.to_string())?,
    };
    let Plain::Map(params) = params else {
        return Err(wrong("`params` is no JSON object."));
    };
    let job = StartJob {
        name: name.into(),
        params,
        source: "manual",
        schedule: None,
        depth: 0,
    };
    Ok(json!({ "run": jobs.start(job).await? }))
}

/// Cancels a run.
pub async fn cancel(jobs: &Jobs, id: &str) -> Result<Value> {
    jobs.cancel(id).await?;
    Ok(json!({}))
}

/// All schedules: `{"schedules": [{"id", "job", "paused", "cron", "time_zone", "repeat_minutes",
/// "time_of_day", "days_of_week", "start_after", "params", "last_run_ms", "next_run_ms",
/// "error"}]}`.
pub async fn schedules(jobs: &Jobs) -> Result<Value> {
    let schedules = jobs.schedules().await?;
    let schedules = schedules.iter().map(shown_schedule);
    Ok(json!({ "schedules": schedules.collect::<Vec<_>>() }))
}

fn shown_schedule(view: &ScheduleView) -> Value {
    let mut shown = fields(
        &view.record,
        &[
            ("job", "jobName"),
            ("paused", "paused"),
            ("cron", "cron"),
            ("time_zone", "timeZone"),
            ("repeat_minutes", "repeatMinutes"),
            ("time_of_day", "timeOfDay"),
            ("days_of_week", "daysOfWeek"),
            ("start_after", "startAfter"),
            ("params", "params"),
            ("last_run_ms", "lastRun"),
        ],
    );
    let next = view.next.map(Timestamp::millis);
    shown.insert("next_run_ms".to_owned(), json!(next));
    shown.insert("error".to_owned(), json!(view.error));
    Value::Object(shown)
}

/// Runs the job of a schedule now: `{"run": id}`.
pub async fn start_schedule(jobs: &Jobs, id: &str) -> Result<Value> {
    Ok(json!({ "run": jobs.start_schedule(id).await? }))
}

/// Pauses a schedule or lets it go on.
pub async fn pause(jobs: &Jobs, id: &str, paused: bool) -> Result<Value> {
    jobs.pause_schedule(id, paused).await?;
    Ok(json!({}))
}
