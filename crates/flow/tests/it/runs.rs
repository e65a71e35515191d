//! Runs of jobs and ticks of schedules on stopped time: days pass at once.

use crate::memory::{Memory, StoppedClock};
use basalt_base::{BoxFuture, Map, OsRng, Reason, Value};
use basalt_flow::{
    JOB_SCHEDULE, JOB_STATUS, JobCode, JobRun, Jobs, JobsDeps, Queue, StartJob, Workers,
    WorkersDeps, schedule_changed,
};
use basalt_store::{
    Acl, Action, AppStore, FieldDef, FieldType, Precondition, RecordWrite, SchemaChange, Write,
    WriteBatch, codec,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;

const HOUR: Duration = Duration::from_hours(1);

#[derive(Default)]
struct Code {
    jobs: OnceLock<Jobs>,
    /// Runs begun, by name.
    begun: Mutex<HashMap<String, u32>>,
    /// Runs of one name at the same moment, and the most there were.
    now: Mutex<(u32, u32)>,
}

impl JobCode for Code {
    fn names(&self) -> Vec<String> {
        [
            "alone",
            "cancels-itself",
            "removes-itself",
            "stuck",
            "works",
        ]
        .map(str::to_owned)
        .into()
    }

    fn one_at_a_time(&self, name: &str) -> bool {
        name == "alone"
    }

    fn run(&self, run: JobRun) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(async move {
            *self.begun.lock().entry(run.name.to_string()).or_default() += 1;
            let jobs = self.jobs.get().unwrap();
            match &*run.name {
                "cancels-itself" => jobs.cancel(&run.id).await.unwrap(),
                "removes-itself" => {
                    let gone = Write::Record(RecordWrite {
                        collection: JOB_STATUS.into(),
                        id: (*run.id).into(),
                        precondition: Precondition::Exists,
                        action: Action::Delete,
                        at: jobs.queue().clock().now(),
                    });
                    jobs.queue().write(vec![gone]).await.unwrap();
                }
                "stuck" => std::future::pending().await,
                _ => {
                    {
                        let mut now = self.now.lock();
                        now.0 += 1;
                        now.1 = now.1.max(now.0);
                    }
                    tokio::time::sleep(Duration::from_mins(1)).await;
                    self.now.lock().0 -= 1;
                }
            }
            Ok(None)
        })
    }
}

struct Scene {
    store: Arc<Memory>,
    code: Arc<Code>,
    jobs: Jobs,
    workers: Workers,
}

fn scene() -> Scene {
    let store = Memory::new();
    let code = Arc::<Code>::default();
    let queue = Queue::new(
        Arc::clone(&store) as Arc<dyn AppStore>,
        Arc::new(StoppedClock::start()),
    );
    let jobs = Jobs::new(JobsDeps {
        queue: queue.clone(),
        rng: Arc::new(OsRng),
        code: Arc::clone(&code) as Arc<dyn JobCode>,
    });
    code.jobs.set(jobs.clone()).ok().unwrap();
    let deps = WorkersDeps {
        queue,
        rng: Arc::new(OsRng),
        slots: Arc::new(Semaphore::new(8)),
        concurrency: 8,
        poll: None,
        reclaims: false,
    };
    Scene {
        store,
        code,
        workers: Workers::start(deps, jobs.handlers()),
        jobs,
    }
}

impl Scene {
    async fn start(&self, name: &str) -> String {
        let job = StartJob {
            name: name.into(),
            params: Map::new(),
            source: "api",
            schedule: None,
            depth: 0,
        };
        self.jobs.start(job).await.unwrap()
    }

    fn status(&self, id: &str) -> String {
        let row = self.store.row(JOB_STATUS, id).unwrap();
        row.get("status").unwrap().as_str().unwrap().to_owned()
    }

    fn begun(&self, name: &str) -> u32 {
        self.code.begun.lock().get(name).copied().unwrap_or(0)
    }

    async fn write(&self, writes: Vec<Write>) {
        let batches = vec![WriteBatch::of(writes)];
        let done = self.store.write(batches).await.unwrap();
        for done in done {
            done.unwrap();
        }
    }

    /// Makes or changes a schedule as the engine above does.
    async fn schedule(&self, id: &str, fields: &str) {
        let replaces = self.store.row(JOB_SCHEDULE, id).is_some();
        self.write(schedule_writes(id, fields, replaces, &self.jobs))
            .await;
    }
}

/// What makes a schedule, or puts it in the place of the one that is there.
pub fn schedule_writes(id: &str, fields: &str, replaces: bool, jobs: &Jobs) -> Vec<Write> {
    let Value::Map(map) = codec::decode(fields).unwrap() else {
        panic!("fields are a map");
    };
    let now = jobs.queue().clock().now();
    let mut writes = vec![Write::Schema(SchemaChange::EnsureCollection {
        name: JOB_SCHEDULE.into(),
        rules: Map::new(),
    })];
    for (name, value) in &map {
        writes.push(Write::Schema(SchemaChange::EnsureField {
            collection: JOB_SCHEDULE.into(),
            field: FieldDef::new(&**name, FieldType::of(value).unwrap()),
        }));
    }
    let write = |precondition, action| {
        Write::Record(RecordWrite {
            collection: JOB_SCHEDULE.into(),
            id: id.into(),
            precondition,
            action,
            at: now,
        })
    };
    if replaces {
        writes.push(write(Precondition::Exists, Action::Delete));
    }
    let make = Action::Create {
        fields: map.into_iter().map(|(k, v)| (k.into(), v)).collect(),
        acl: Acl::default(),
    };
    writes.push(write(Precondition::Absent, make));
    writes.push(schedule_changed(id, now));
    writes
}

#[tokio::test(start_paused = true)]
async fn what_was_cancelled_stays_so() {
    let scene = scene();
    let id = scene.start("cancels-itself").await;
    tokio::time::sleep(HOUR).await;
    assert_eq!(scene.status(&id), "cancelled", "its end came later");
    assert_eq!(scene.begun("cancels-itself"), 1);
    assert!(scene.store.tasks().is_empty());
    let over = scene.jobs.cancel(&id).await.unwrap_err();
    assert_eq!(over.reason(), Reason::ObjectNotFound);
    scene.workers.stop(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_row_is_removed_is_not_repeated() {
    let scene = scene();
    let id = scene.start("removes-itself").await;
    tokio::time::sleep(HOUR).await;
    assert!(scene.store.row(JOB_STATUS, &id).is_none());
    assert_eq!(scene.begun("removes-itself"), 1);
    assert!(scene.store.tasks().is_empty());
    scene.workers.stop(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_past_its_deadline_has_failed() {
    let scene = scene();
    let id = scene.start("stuck").await;
    tokio::time::sleep(23 * HOUR).await;
    assert_eq!(scene.status(&id), "running");
    tokio::time::sleep(24 * HOUR).await;
    assert_eq!(scene.status(&id), "failed");
    assert_eq!(scene.begun("stuck"), 1, "and is not run again");
    assert!(scene.store.tasks().is_empty());
    scene.workers.stop(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn runs_wait_for_each_other_where_asked() {
    let scene = scene();
    for _ in 0..3 {
        scene.start("alone").await;
    }
    tokio::time::sleep(HOUR).await;
    assert_eq!((scene.begun("alone"), scene.code.now.lock().1), (3, 1));
    for _ in 0..3 {
        scene.start("works").await;
    }
    tokio::time::sleep(HOUR).await;
    assert_eq!((scene.begun("works"), scene.code.now.lock().1), (3, 3));
    scene.workers.stop(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn schedules_follow_their_changes() {
    let scene = scene();
    let hourly = r#"{"jobName":"works","cron":"0 * * * *"}"#;
    scene.schedule("s", hourly).await;
    tokio::time::sleep(10 * HOUR).await;
    assert_eq!(scene.begun("works"), 10);

    scene.jobs.pause_schedule("s", true).await.unwrap();
    tokio::time::sleep(10 * HOUR).await;
    assert_eq!(scene.begun("works"), 10, "paused");
    assert_eq!(scene.jobs.schedules().await.unwrap()[0].next, None);
    let run = scene.jobs.start_schedule("s").await.unwrap();
    tokio::time::sleep(HOUR).await;
    assert_eq!(scene.begun("works"), 11, "by hand it runs all the same");
    assert_eq!(scene.status(&run), "succeeded");

    scene.jobs.pause_schedule("s", false).await.unwrap();
    assert!(scene.jobs.schedules().await.unwrap()[0].next.is_some());
    tokio::time::sleep(10 * HOUR).await;
    assert_eq!(scene.begun("works"), 21);
    let daily = r#"{"jobName":"works","cron":"0 12 * * *"}"#;
    scene.schedule("s", daily).await;
    tokio::time::sleep(48 * HOUR).await;
    assert_eq!(scene.begun("works"), 23);

    let history = scene.jobs.runs(Some("s"), 100).await.unwrap();
    assert_eq!(history.len(), 23);
    assert!(scene.jobs.runs(Some("other"), 9).await.unwrap().is_empty());
    let unknown = scene.jobs.start_schedule("x").await.unwrap_err();
    assert_eq!(unknown.reason(), Reason::ObjectNotFound);
    scene
        .schedule("odd", r#"{"jobName":"nobody","cron":"0 12 * * *"}"#)
        .await;
    let odd = scene.jobs.start_schedule("odd").await.unwrap_err();
    assert_eq!(odd.reason(), Reason::ScriptFailed);
    scene.workers.stop(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn a_schedule_paused_over_its_first_tick_goes_on_with_the_next() {
    let scene = scene();
    let start = scene.jobs.queue().clock().now().plus(2 * HOUR);
    let fields = format!(
        r#"{{"jobName":"works","repeatMinutes":60,"startAfter":"{}"}}"#,
        jiff::Timestamp::from_millisecond(start.millis()).unwrap()
    );
    scene.schedule("s", &fields).await;
    scene.jobs.pause_schedule("s", true).await.unwrap();
    tokio::time::sleep(5 * HOUR).await;
    assert_eq!(scene.begun("works"), 0);
    scene.jobs.pause_schedule("s", false).await.unwrap();
    tokio::time::sleep(10 * HOUR).await;
    assert_eq!(scene.begun("works"), 10);
    scene.workers.stop(HOUR).await;
}
