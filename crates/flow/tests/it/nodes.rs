//! Several nodes with the production workers, jobs and schedules on one store, under a clock that
//! jumps: nodes die, commits are refused or nobody hears of them, runs are cancelled.
//!
//! A seed decides what happens when. The order in which futures that are ready at the same moment
//! run is tokio's: a seed that fails may need a few tries to fail again.
//! `SEED=123 cargo nextest run -p basalt-flow one_seed_of_nodes`.

use crate::memory::{Fault, Memory, StoppedClock};
use crate::runs::schedule_writes;
use basalt_base::{BoxFuture, Map, SeededRng, Value};
use basalt_flow::{
    JOB_SCHEDULE, JOB_STATUS, JobCode, JobRun, Jobs, JobsDeps, Queue, StartJob, Workers,
    WorkersDeps,
};
use basalt_store::conformance::dice::Dice;
use basalt_store::{AppStore, WriteBatch};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

const SEEDS: u64 = 240;
const STEPS: usize = 40;
const MINUTE: Duration = Duration::from_mins(1);

/// What the code of all nodes saw.
#[derive(Default)]
struct Seen {
    /// Runs that began after their row said that they are over.
    late: Vec<String>,
    /// Runs of the job that wants to be alone, by run: whether its node lives.
    alone: BTreeMap<Arc<str>, Arc<Memory>>,
    /// The moments at which two of them ran.
    crowded: u32,
}

struct Code {
    store: Arc<Memory>,
    seen: Arc<Mutex<Seen>>,
    dice: Mutex<Dice>,
}

impl JobCode for Code {
    fn names(&self) -> Vec<String> {
        ["alone", "fails", "works"].map(str::to_owned).into()
    }

    fn one_at_a_time(&self, name: &str) -> bool {
        name == "alone"
    }

    fn run(&self, run: JobRun) -> BoxFuture<'_, Result<Option<String>, String>> {
        let status = self.store.row(JOB_STATUS, &run.id);
        let status = status.and_then(|row| Some(row.get("status")?.as_str()?.to_owned()));
        let is_alone = &*run.name == "alone";
        {
            let mut seen = self.seen.lock();
            if status.as_deref() != Some("running") {
                seen.late.push(format!("{}: {status:?}", run.id));
            }
            if is_alone {
                seen.alone.insert(run.id.clone(), Arc::clone(&self.store));
                let live = seen.alone.values().filter(|node| !node.is_dead()).count();
                seen.crowded += u32::from(live > 1);
            }
        }
        let takes = *self.dice.lock().pick(&[1, 300, 5_000, 50_000]);
        let guard = Leaves {
            seen: Arc::clone(&self.seen),
            id: run.id.clone(),
        };
        Box::pin(async move {
            let _guard = guard;
            tokio::time::sleep(Duration::from_millis(takes)).await;
            if self.store.is_dead() {
                std::future::pending::<()>().await;
            }
            if &*run.name == "fails" {
                return Err("as it should".to_owned());
            }
            Ok(None)
        })
    }
}

/// Takes a run off the list when it ends or is dropped.
struct Leaves {
    seen: Arc<Mutex<Seen>>,
    id: Arc<str>,
}

impl Drop for Leaves {
    fn drop(&mut self) {
        self.seen.lock().alone.remove(&self.id);
    }
}

struct Node {
    store: Arc<Memory>,
    jobs: Jobs,
    workers: Workers,
}

struct World {
    seed: u64,
    dice: Dice,
    clock: StoppedClock,
    store: Arc<Memory>,
    seen: Arc<Mutex<Seen>>,
    nodes: Vec<Node>,
    /// Nodes that died; nobody hears of them again.
    graves: Vec<Node>,
    /// Runs that were acknowledged, with their jobs.
    started: BTreeMap<String, &'static str>,
    cancelled: BTreeSet<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            seed,
            dice: Dice::new(seed),
            clock: StoppedClock::start(),
            store: Memory::new(),
            seen: Arc::default(),
            nodes: Vec::new(),
            graves: Vec::new(),
            started: BTreeMap::new(),
            cancelled: BTreeSet::new(),
        };
        for _ in 0..2 {
            let node = world.node();
            world.nodes.push(node);
        }
        world
    }

    fn node(&self) -> Node {
        let store = self.store.node();
        let number = (self.nodes.len() + self.graves.len()) as u64;
        let rng = Arc::new(SeededRng::new(self.seed * 1_000 + number));
        let app = Arc::clone(&store) as Arc<dyn AppStore>;
        let queue = Queue::new(app, Arc::new(self.clock));
        let code = Code {
            store: Arc::clone(&store),
            seen: Arc::clone(&self.seen),
            dice: Mutex::new(Dice::new(self.seed ^ (number << 32))),
        };
        let jobs = Jobs::new(JobsDeps {
            queue: queue.clone(),
            rng: Arc::clone(&rng) as _,
            code: Arc::new(code),
        });
        let deps = WorkersDeps {
            queue,
            rng,
            slots: Arc::new(Semaphore::new(3)),
            concurrency: 3,
            poll: Some(Duration::from_secs(5)),
            reclaims: false,
        };
        Node {
            store,
            workers: Workers::start(deps, jobs.handlers()),
            jobs,
        }
    }

    fn fail(&self, what: &str) -> ! {
        panic!("seed {}: {what}", self.seed)
    }

    async fn step(&mut self) {
        let at = self.dice.below(self.nodes.len());
        match self.dice.below(8) {
            0..3 => {
                let name = *self.dice.pick(&["alone", "fails", "works"]);
                let job = StartJob {
                    name: name.into(),
                    params: Map::new(),
                    source: "api",
                    schedule: None,
                    depth: 0,
                };
                if let Ok(id) = self.nodes[at].jobs.start(job).await {
                    self.started.insert(id, name);
                }
            }
            3 => {
                let ids: Vec<_> = self.started.keys().cloned().collect();
                if !ids.is_empty() {
                    let id = self.dice.pick(&ids);
                    if self.nodes[at].jobs.cancel(id).await.is_ok() {
                        self.cancelled.insert(id.clone());
                    }
                }
            }
            4 => {
                let fresh = self.node();
                let gone = std::mem::replace(&mut self.nodes[at], fresh);
                gone.store.kill();
                self.graves.push(gone);
            }
            _ => {}
        }
        let jump = *self.dice.pick(&[0, 1, 50, 2_000, 40_000]);
        tokio::time::sleep(Duration::from_millis(jump)).await;
    }

    fn troubled(&self) {
        let dice = Dice::new(!self.seed);
        self.store
            .with_faults(move |_: &WriteBatch| match dice.below(12) {
                0 => Fault::Refused,
                1 => Fault::Unheard,
                _ => Fault::None,
            });
    }

    /// Peace: everything has to come to its end.
    async fn settle(&mut self) {
        self.store.without_faults();
        self.nodes[0].jobs.pause_schedule("s", true).await.unwrap();
        for _ in 0..240 {
            if self.store.tasks().is_empty() {
                return;
            }
            tokio::time::sleep(MINUTE).await;
        }
        self.fail(&format!("something is stuck: {:?}", self.store.tasks()));
    }

    fn check(&self, minutes: u64) {
        let seen = self.seen.lock();
        if !seen.late.is_empty() {
            self.fail(&format!("begun after its end: {:?}", seen.late));
        }
        if seen.crowded > 0 {
            self.fail("two ran at once that want to be alone");
        }
        let mut ticks = 0;
        for row in self.store.rows(JOB_STATUS) {
            let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
            let (status, message) = (text("status"), text("message"));
            ticks += u64::from(text("source") == "schedule");
            let wanted = if self.cancelled.contains(&*row.id) {
                "cancelled"
            } else if text("jobName") == "fails" {
                "failed"
            } else {
                "succeeded"
            };
            let interrupted = message == "The job was interrupted too often.";
            let unheard_cancel = status == "cancelled";
            if status != wanted && !interrupted && !unheard_cancel {
                self.fail(&format!("{} is {status}, {message:?}", row.id));
            }
        }
        for id in self.started.keys() {
            if self.store.row(JOB_STATUS, id).is_none() {
                self.fail(&format!("run {id} is lost"));
            }
        }
        if ticks > minutes + 1 {
            self.fail(&format!("{ticks} ticks in {minutes} minutes"));
        }
        let ran = self.store.row(JOB_SCHEDULE, "s").unwrap();
        if minutes >= 5 && ran.get("lastRun").is_none() {
            self.fail("the schedule never ran");
        }
    }
}

fn run(seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed);
        let begun = tokio::time::Instant::now();
        let every_minute = r#"{"jobName":"works","cron":"* * * * *"}"#;
        let made = schedule_writes("s", every_minute, false, &world.nodes[0].jobs);
        let made = world.nodes[0].store.write(vec![WriteBatch::of(made)]).await;
        made.unwrap()
            .into_iter()
            .for_each(|done| drop(done.unwrap()));
        world.troubled();
        for _ in 0..STEPS {
            world.step().await;
        }
        let minutes = begun.elapsed().as_secs() / 60;
        world.settle().await;
        world.check(minutes);
        for node in world.nodes.drain(..) {
            node.workers.stop(MINUTE).await;
        }
    });
}

/// The seeds, in parts that run side by side.
macro_rules! seeds {
    ($($name:ident $part:literal)*) => {$(
        #[test]
        fn $name() {
            for seed in ($part..SEEDS).step_by(2) {
                run(seed);
            }
        }
    )*};
}

seeds! {
    nodes_keep_the_promises_1 0
    nodes_keep_the_promises_2 1
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a person names the seed to run again"
)]
fn one_seed_of_nodes() {
    let seed = std::env::var("SEED").ok();
    run(seed.and_then(|text| text.parse().ok()).unwrap_or(1));
}
