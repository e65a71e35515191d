//! Schedules: one task ahead of each, its next tick.

use super::{Jobs, StartJob, decoded, encoded, text};
use crate::{Handler, JOB_SCHEDULE, Outcome, Plan, Rhythm, TICKS_QUEUE, TaskRun};
use basalt_base::{BoxFuture, Error, Map, Reason, Result, Timestamp, Value, object_id};
use basalt_store::{
    Action, Dedupe, FieldDef, FieldOp, FieldType, Hold, Op, Path, Precondition, Query, ReadOptions,
    Record, RecordWrite, SchemaChange, TaskPut, TaskWrite, Write, codec,
};
use std::time::Duration;

/// How long a tick is remembered: a clock that is set back by less runs none twice.
const TICK_WINDOW: Duration = Duration::from_hours(7 * 24);
/// When to read schedules again after the store could not.
const SYNC_AGAIN: Duration = Duration::from_secs(2);
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
        ("at", Value::Int(at.millis())),
    ]);
    let mut put = TaskPut::now(TICKS_QUEUE, payload, now);
    put.visible_at = at;
    put.dedupe = Some(Dedupe {
        key: format!("{id}@{}@{print}", at.millis()).into(),
        hold: Hold::Until(at.max(now).plus(TICK_WINDOW)),
    });
    Write::Task(TaskWrite::Put(put))
}

/// Steps that set a field of a schedule.
fn set(id: &str, (name, ty): (&str, FieldType), value: Value, at: Timestamp) -> Vec<Write> {
    let field = Write::Schema(SchemaChange::EnsureField {
        collection: JOB_SCHEDULE.into(),
        field: FieldDef::new(name, ty),
    });
    let row = Write::Record(RecordWrite {
        collection: JOB_SCHEDULE.into(),
        id: id.into(),
        precondition: Precondition::None,
        action: Action::Update {
            ops: vec![FieldOp {
                path: Path::dotted(name),
                op: Op::Set(value),
            }],
            acl: None,
            upsert: false,
        },
        at,
    });
    vec![field, row]
}

/// What to write in the same transaction as a new or changed schedule, so that its next tick is
/// put, on whichever node and however soon a crash comes.
pub fn schedule_changed(id: &str, now: Timestamp) -> Write {
    let payload = encoded([("changed", Value::String(id.to_owned()))]);
    Write::Task(TaskWrite::Put(TaskPut::now(TICKS_QUEUE, payload, now)))
}

/// A schedule as operators see it.
#[derive(Clone, Debug)]
pub struct ScheduleView {
    /// Its row.
    pub record: Record,
    /// When it runs next; `None` when it is paused or over.
    pub next: Option<Timestamp>,
    /// Why it can't run.
    pub error: Option<String>,
}

impl TickHandler {
    /// The writes of a tick that is due, or of a schedule that changed: those of one that is gone
    /// are none.
    async fn tick(&self, run: &TaskRun) -> Result<Vec<Write>> {
        let jobs = &self.0;
        let map = decoded(&run.task.payload).unwrap_or_default();
        let changed = text(&map, "changed");
        let id = changed.clone().or_else(|| text(&map, "schedule"));
        let id = id.unwrap_or_default();
        let Some(record) = jobs.deps.queue.store().get(JOB_SCHEDULE, &id).await? else {
            return Ok(Vec::new());
        };
        if changed.is_some() {
            let now = jobs.deps.queue.clock().now();
            return Ok(planned(&record, now));
        }
        if is_paused(&record) || text(&map, "print").as_deref() != Some(&*fingerprint(&record)) {
            return Ok(Vec::new());
        }
        let now = jobs.deps.queue.clock().now();
        let run_id = object_id(&*jobs.deps.rng, 10);
        let mut writes = jobs.begin_scheduled(&run_id, &record, "schedule");
        let last_run = Value::Int(now.millis());
        writes.extend(set(&id, ("lastRun", FieldType::Number), last_run, now));
        // A clock that was set back must not lead to this tick again.
        let own = match map.get("at") {
            Some(Value::Int(at)) => Some(*at),
            _ => None,
        };
        let own = own.map_or(now, Timestamp::from_millis);
        let next = Plan::read(&record)?.next(now.max(own));
        writes.extend(next.map(|at| tick(&record, at, now)));
        Ok(writes)
    }
}

/// The next tick of a schedule that is new or was changed. A first one that passed while the
/// schedule was paused is not put again; the one after it is, and starts the chain.
fn planned(record: &Record, now: Timestamp) -> Vec<Write> {
    if is_paused(record) || job_name(record).is_none() {
        return Vec::new();
    }
    match Plan::read(record) {
        Ok(plan) => {
            let first = first(&plan, record, now);
            let next = plan.next(now).filter(|next| Some(*next) != first);
            let ticks = first.into_iter().chain(next);
            ticks.map(|at| tick(record, at, now)).collect()
        }
        Err(error) => {
            tracing::warn!(schedule = %record.id, ?error, "a schedule can't run");
            Vec::new()
        }
    }
}

pub(super) fn not_found() -> Error {
    Error::new(Reason::ObjectNotFound, "Object not found.")
}

impl Jobs {
    fn begin_scheduled(&self, run_id: &str, record: &Record, source: &'static str) -> Vec<Write> {
        let job = StartJob {
            name: job_name(record).unwrap_or_default().into(),
            params: params(record),
            source,
            schedule: Some(record.id.clone()),
            depth: 0,
        };
        self.begin(run_id, &job)
    }

    async fn schedule(&self, id: &str) -> Result<Record> {
        let found = self.deps.queue.store().get(JOB_SCHEDULE, id).await?;
        found.ok_or_else(not_found)
    }

    /// Runs a schedule's job now, whatever its rhythm says, and gives the id of its `_JobStatus`
    /// row. Errors: `ObjectNotFound`; `ScriptFailed` when there is no such job.
    pub async fn start_schedule(&self, id: &str) -> Result<String> {
        let record = self.schedule(id).await?;
        self.check_name(job_name(&record).unwrap_or_default())?;
        let run_id = object_id(&*self.deps.rng, 10);
        let writes = self.begin_scheduled(&run_id, &record, "manual");
        self.deps.queue.write(writes).await?;
        Ok(run_id)
    }

    /// Pauses a schedule or lets it go on. Errors: `ObjectNotFound`.
    pub async fn pause_schedule(&self, id: &str, paused: bool) -> Result<()> {
        self.schedule(id).await?;
        let now = self.deps.queue.clock().now();
        let mut writes = set(id, ("paused", FieldType::Boolean), Value::Bool(paused), now);
        writes.push(schedule_changed(id, now));
        self.deps.queue.write(writes).await.map(drop)
    }

    async fn records(&self) -> Result<Vec<Record>> {
        let store = self.deps.queue.store();
        store.refresh().await?;
        if store.catalogue().collection(JOB_SCHEDULE).is_none() {
            return Ok(Vec::new());
        }
        let query = Query::all(JOB_SCHEDULE).limit(SCHEDULES_MAX);
        Ok(store.find(&query, ReadOptions::default()).await?.records)
    }

    /// All schedules with their next ticks.
    pub async fn schedules(&self) -> Result<Vec<ScheduleView>> {
        let now = self.deps.queue.clock().now();
        let view = |record: Record| {
            let plan = match job_name(&record) {
                Some(_) => Plan::read(&record),
                None => Err(Error::new(Reason::InvalidValue, "`jobName` is missing.")),
            };
            let next = plan.as_ref().ok().and_then(|plan| plan.next(now));
            ScheduleView {
                next: next.filter(|_| !is_paused(&record)),
                error: plan.err().map(|error| error.message().to_owned()),
                record,
            }
        };
        Ok(self.records().await?.into_iter().map(view).collect())
    }

    /// Puts the next tick of every schedule that has none, for those that were made without
    /// [`schedule_changed`], by an import for instance.
    pub async fn sync(&self) -> Result<()> {
        let now = self.deps.queue.clock().now();
        let records = self.records().await?;
        let writes: Vec<_> = records.iter().flat_map(|r| planned(r, now)).collect();
        if writes.is_empty() {
            return Ok(());
        }
        self.deps.queue.write(writes).await.map(drop)
    }

    /// The same, until the store could do it.
    pub async fn sync_soon(&self) {
        while let Err(error) = self.sync().await {
            tracing::warn!(?error, "schedules can't be read");
            tokio::time::sleep(SYNC_AGAIN).await;
        }
    }
}
