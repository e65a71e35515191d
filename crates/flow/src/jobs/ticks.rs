//! Schedules: one task ahead of each, its next tick.

use super::{Jobs, StartJob, decoded, encoded, text};
use crate::{Handler, JOB_SCHEDULE, JOBS_QUEUE, Outcome, Plan, Rhythm, TICKS_QUEUE, TaskRun};
use basalt_base::{BoxFuture, Error, Map, Reason, Result, Timestamp, Value, object_id};
use basalt_store::{
    Action, Dedupe, FieldDef, FieldOp, FieldType, Hold, Op, Path, Precondition, Query, ReadOptions,
    Record, RecordWrite, SchemaChange, TaskPut, TaskWrite, Write, codec,
};
use std::time::Duration;

/// How long a tick is remembered: a clock that is set back by less runs none twice.
const TICK_WINDOW: Duration = Duration::from_hours(7 * 24);
/// Most schedules of an app.
const SCHEDULES_MAX: u64 = 10_000;
/// The fields that decide when a schedule runs.
const RHYTHM: [&str; 6] = [
    "startAfter",
    "repeatMinutes",
    "timeOfDay",
    "daysOfWeek",
    "cron",
    "timeZone",
];

pub(super) struct TickHandler(pub(super) Jobs);

impl Handler for TickHandler {
    fn run(&self, run: TaskRun) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            match self.tick(&run).await {
                Ok(writes) => Outcome::Done(writes),
                Err(error) => Outcome::Failed(error.message().to_owned()),
            }
        })
    }
}

/// A number that changes with when a schedule runs.
fn fingerprint(record: &Record) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for name in RHYTHM {
        let value = record.get(name).map(codec::encode_to_string);
        for byte in value.unwrap_or_default().bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

fn is_paused(record: &Record) -> bool {
    matches!(record.get("paused"), Some(Value::Bool(true)))
}

fn job_name(record: &Record) -> Option<&str> {
    match record.get("jobName") {
        Some(Value::String(name)) if !name.is_empty() => Some(name),
        _ => None,
    }
}

/// The parameters: an object as JSON text, as Parse's dashboard writes them.
fn params(record: &Record) -> Map {
    match record.get("params") {
        Some(Value::Map(map)) => map.clone(),
        Some(Value::String(json)) => decoded(json.as_bytes()).unwrap_or_default(),
        _ => Map::new(),
    }
}

/// The first tick of a schedule whose next tick is not put yet.
fn first(plan: &Plan, record: &Record, now: Timestamp) -> Option<Timestamp> {
    let fresh = record
        .get("lastRun")
        .is_none_or(|v| matches!(v, Value::Null));
    let by_cron = matches!(plan.rhythm, Rhythm::Cron(_));
    if fresh && !by_cron && plan.start <= now {
        // Its start passed before anybody looked: that tick is due now.
        return Some(plan.start);
    }
    plan.next(now)
}

fn tick(record: &Record, at: Timestamp, now: Timestamp) -> Write {
    let id = &record.id;
    let print = fingerprint(record);
    let payload = encoded([
        ("schedule", Value::String(id.to_string())),
        ("print", Value::String(print.clone())),
    ]);
    let mut put = TaskPut::now(TICKS_QUEUE, payload, now);
    put.visible_at = at;
    put.dedupe = Some(Dedupe {
        key: format!("{id}@{}@{print}", at.millis()).into(),
        hold: Hold::Until(at.max(now).plus(TICK_WINDOW)),
    });
    Write::Task(TaskWrite::Put(put))
}

impl TickHandler {
    /// The writes of a tick that is due: those of a schedule that is gone or changed are none.
    async fn tick(&self, run: &TaskRun) -> Result<Vec<Write>> {
        let jobs = &self.0;
        let map = decoded(&run.task.payload).unwrap_or_default();
        let id = text(&map, "schedule").unwrap_or_default();
        let Some(record) = jobs.deps.queue.store().get(JOB_SCHEDULE, &id).await? else {
            return Ok(Vec::new());
        };
        if is_paused(&record) || text(&map, "print").as_deref() != Some(&*fingerprint(&record)) {
            return Ok(Vec::new());
        }
        let now = jobs.deps.queue.clock().now();
        let mut writes = jobs.begin_scheduled(&record, "schedule");
        let collection = || JOB_SCHEDULE.into();
        writes.push(Write::Schema(SchemaChange::EnsureField {
            collection: collection(),
            field: FieldDef::new("lastRun", FieldType::Number),
        }));
        writes.push(Write::Record(RecordWrite {
            collection: collection(),
            id: record.id.clone(),
            precondition: Precondition::None,
            action: Action::Update {
                ops: vec![FieldOp {
                    path: Path::dotted("lastRun"),
                    op: Op::Set(Value::Int(now.millis())),
                }],
                acl: None,
                upsert: false,
            },
            at: now,
        }));
        let next = Plan::read(&record)?.next(now.max(run.task.visible_at.min(now)));
        writes.extend(next.map(|at| tick(&record, at, now)));
        Ok(writes)
    }
}

impl Jobs {
    fn begin_scheduled(&self, record: &Record, source: &'static str) -> Vec<Write> {
        let id = object_id(&*self.deps.rng, 10);
        let job = StartJob {
            name: job_name(record).unwrap_or_default().into(),
            params: params(record),
            source,
        };
        self.begin(&id, &job)
    }

    /// Runs a schedule's job now, whatever its rhythm says. Errors: `ObjectNotFound`.
    pub async fn start_schedule(&self, id: &str) -> Result<()> {
        let Some(record) = self.deps.queue.store().get(JOB_SCHEDULE, id).await? else {
            return Err(Error::new(Reason::ObjectNotFound, "Object not found."));
        };
        let writes = self.begin_scheduled(&record, "manual");
        debug_assert!(!writes.is_empty(), "{JOBS_QUEUE} gets a task");
        self.deps.queue.write(writes).await.map(drop)
    }

    /// Puts the next tick of every schedule that changed. Cheap when none did.
    pub async fn sync(&self) -> Result<()> {
        let store = self.deps.queue.store();
        if store.catalogue().collection(JOB_SCHEDULE).is_none() {
            return Ok(());
        }
        let query = Query::all(JOB_SCHEDULE).limit(SCHEDULES_MAX);
        let found = store.find(&query, ReadOptions::default()).await?.records;
        let now = self.deps.queue.clock().now();
        let mut writes = Vec::new();
        let mut revs = Vec::new();
        for record in &found {
            if self.synced.lock().get(&record.id) == Some(&record.rev) {
                continue;
            }
            revs.push((record.id.clone(), record.rev));
            if is_paused(record) || job_name(record).is_none() {
                continue;
            }
            match Plan::read(record) {
                Ok(plan) => {
                    let next = first(&plan, record, now);
                    writes.extend(next.map(|at| tick(record, at, now)));
                }
                Err(error) => tracing::warn!(schedule = %record.id, ?error, "a schedule can't run"),
            }
        }
        if !writes.is_empty() {
            self.deps.queue.write(writes).await?;
        }
        let mut synced = self.synced.lock();
        synced.retain(|id, _| found.iter().any(|record| record.id == *id));
        synced.extend(revs);
        Ok(())
    }

    /// Keeps the ticks of schedules put until the future is dropped; looks every `poll` whether
    /// something changed.
    pub async fn keep_synced(&self, poll: Duration) {
        let mut seen = None;
        loop {
            let store = self.deps.queue.store();
            if let Err(error) = store.refresh().await {
                tracing::warn!(?error, "the store can't be asked for news");
            }
            let position = store.position();
            if seen != Some(position) {
                match self.sync().await {
                    Ok(()) => seen = Some(position),
                    Err(error) => tracing::warn!(?error, "schedules can't be read"),
                }
            }
            tokio::time::sleep(poll).await;
        }
    }
}
