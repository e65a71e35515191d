//! A simulator of several nodes on one store: the production [`Dispatch`] over the model of the
//! tasks, with a clock and chance of its own. Between any two steps a node may crash; answers and
//! wake-ups get lost, attempts last as long as they like, acknowledgements are sent twice.
//!
//! Every run is repeatable by its seed, which is printed when an invariant breaks:
//! `SEED=123 cargo nextest run -p basalt-flow one_seed`.

use basalt_base::{SeededRng, Timestamp};
use basalt_flow::{Backoff, Dispatch, Outcome, Policy, Verdict};
use basalt_store::conformance::dice::Dice;
use basalt_store::task::model::TaskModel;
use basalt_store::{
    Dedupe, Hold, Receipt, Task, TaskDone, TaskId, TaskPut, TaskState, TaskWrite, Write,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

const SEEDS: u64 = 10_000;
const QUEUES: [&str; 2] = ["a", "b"];
const POLL: Duration = Duration::from_secs(5);

fn policy() -> Policy {
    Policy {
        concurrency: 2,
        lease: Duration::from_secs(4),
        deadline: Duration::from_mins(1),
        backoff: Backoff {
            first: Duration::from_secs(1),
            max: Duration::from_secs(8),
        },
    }
}

/// An attempt under way on a node.
struct Attempt {
    task: Task,
    ends: Timestamp,
}

struct Node {
    dispatch: Dispatch,
    attempts: Vec<Attempt>,
    /// When it acts next by itself.
    wakes: Timestamp,
    looked: Timestamp,
}

/// What the outside world knows of a task.
#[derive(Default)]
struct Fate {
    handled: u32,
    completed: bool,
    dead: bool,
    group: Option<(Arc<str>, Box<str>)>,
    attempts_max: u32,
}

struct World {
    seed: u64,
    dice: Dice,
    rng: SeededRng,
    now: Timestamp,
    store: TaskModel,
    nodes: Vec<Node>,
    fates: BTreeMap<TaskId, Fate>,
    /// Fresh puts under a key of a schedule's tick.
    ticks: HashMap<String, u32>,
    /// The attempt that runs for a group, by its lease.
    old: Vec<Receipt>,
}

fn node(now: Timestamp) -> Node {
    let lanes = QUEUES.map(|name| (Arc::from(name), policy()));
    Node {
        dispatch: Dispatch::new(lanes, 3, POLL),
        attempts: Vec::new(),
        wakes: now,
        looked: Timestamp::from_millis(0),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let dice = Dice::new(seed);
        let nodes = (0..=dice.below(3)).map(|_| node(now)).collect();
        Self {
            seed,
            dice,
            rng: SeededRng::new(!seed),
            now,
            store: TaskModel::default(),
            nodes,
            fates: BTreeMap::new(),
            ticks: HashMap::new(),
            old: Vec::new(),
        }
    }

    fn fail(&self, what: &str) -> ! {
        panic!("seed {}: {what}", self.seed)
    }

    /// A batch; every node hears of it, or not.
    fn write(&mut self, steps: &[TaskWrite]) -> basalt_base::Result<Vec<TaskDone>> {
        let mut copy = self.store.clone();
        let done: basalt_base::Result<Vec<_>> = steps.iter().map(|s| copy.apply(s)).collect();
        let done = done?;
        let news = copy.news(&self.store);
        for node in &mut self.nodes {
            for (queue, due) in &news {
                if !self.dice.once_in(4) {
                    node.dispatch.due(queue, *due);
                    node.wakes = node.wakes.min(self.now);
                }
            }
        }
        self.store = copy;
        Ok(done)
    }

    fn put(&mut self) {
        let queue: Arc<str> = (*self.dice.pick(&QUEUES)).into();
        let mut put = TaskPut::now(queue.clone(), *b"work", self.now);
        put.visible_at = self
            .now
            .plus(Duration::from_millis(*self.dice.pick(&[0, 0, 700, 9_000])));
        put.priority = *self.dice.pick(&[0, 0, 9]);
        put.attempts_max = *self.dice.pick(&[0, 1, 3]);
        if self.dice.once_in(2) {
            put.group = Some((*self.dice.pick(&["g", "h"])).into());
        }
        let mut tick = None;
        if self.dice.once_in(3) {
            // Several nodes enqueue the same tick.
            let second = self.now.seconds() / 3;
            let key = format!("tick {second}");
            tick = Some(key.clone());
            put.queue = "a".into();
            put.dedupe = Some(Dedupe {
                key: key.into(),
                hold: Hold::Until(self.now.plus(Duration::from_hours(1))),
            });
        }
        let queue = put.queue.clone();
        let (group, attempts_max) = (put.group.clone(), put.attempts_max);
        match self.write(&[TaskWrite::Put(put)]) {
            Ok(done) => match &done[..] {
                [TaskDone::Put { id, fresh: true }] => {
                    let group = group.map(|group| (queue, group));
                    let fate = Fate {
                        group,
                        attempts_max,
                        ..Fate::default()
                    };
                    self.fates.insert(*id, fate);
                    if let Some(tick) = tick {
                        let times = self.ticks.entry(tick).or_default();
                        *times += 1;
                        if *times > 1 {
                            self.fail("a tick was enqueued twice");
                        }
                    }
                }
                [TaskDone::Put { fresh: false, .. }] if tick.is_some() => {}
                other => self.fail(&format!("a put gave {other:?}")),
            },
            Err(error) => self.fail(&format!("a put was refused: {error}")),
        }
    }

    /// A node does what it would do when it wakes.
    fn act(&mut self, at: usize, calm: bool) {
        let now = self.now;
        if now.since(self.nodes[at].looked) >= POLL {
            let stands = self.store.queues();
            self.nodes[at].looked = now;
            self.nodes[at].dispatch.stands(&stands);
        }
        for (receipt, write) in self.nodes[at].dispatch.extensions(now) {
            if self.write(&[write]).is_err() {
                self.nodes[at]
                    .attempts
                    .retain(|a| a.task.receipt() != receipt);
                self.nodes[at].dispatch.forget(receipt);
            }
        }
        for want in self.nodes[at].dispatch.wants(now, 3) {
            self.lease(at, want, calm);
        }
        while let Some(i) = self.nodes[at].attempts.iter().position(|a| a.ends <= now) {
            let attempt = self.nodes[at].attempts.swap_remove(i);
            self.end(at, &attempt.task, calm);
        }
        let pause = self.nodes[at]
            .dispatch
            .sleep(now)
            .max(Duration::from_millis(1));
        let own = self.nodes[at].attempts.iter().map(|a| a.ends);
        let own = own.min().unwrap_or(now.plus(POLL));
        self.nodes[at].wakes = own
            .min(now.plus(pause))
            .max(now.plus(Duration::from_millis(1)));
    }

    fn lease(&mut self, at: usize, want: TaskWrite, calm: bool) {
        let TaskWrite::Lease { queue, count, .. } = want.clone() else {
            self.fail("a wish that is no lease");
        };
        let Ok(mut done) = self.write(&[want]) else {
            self.fail("a lease was refused");
        };
        let Some(TaskDone::Leased { tasks, buried }) = done.pop() else {
            self.fail("a lease with a foreign answer");
        };
        for id in buried {
            self.fates.entry(id).or_default().dead = true;
        }
        for task in &tasks {
            self.check_lease(task);
        }
        if !calm && self.dice.once_in(12) {
            // The answer is lost with its node.
            self.nodes[at] = node(self.now);
            return;
        }
        let next = self.store.queue(&queue).next_due;
        self.nodes[at].dispatch.leased(&queue, count, &tasks, next);
        for task in tasks {
            let lasts = if calm {
                50
            } else {
                *self.dice.pick(&[1, 50, 900, 3_000, 9_000])
            };
            let ends = self.now.plus(Duration::from_millis(lasts));
            self.nodes[at].attempts.push(Attempt { task, ends });
        }
    }

    fn check_lease(&mut self, task: &Task) {
        let Some(fate) = self.fates.get(&task.id) else {
            self.fail("a task that nobody put");
        };
        if fate.completed {
            self.fail("a completed task was leased again");
        }
        if fate.attempts_max > 0 && task.attempts > fate.attempts_max {
            self.fail("more attempts than allowed");
        }
        if let Some(group) = fate.group.clone() {
            let earlier = self
                .fates
                .range(..task.id)
                .find(|(_, f)| f.group.as_ref() == Some(&group) && !f.completed && !f.dead);
            if let Some((id, _)) = earlier {
                self.fail(&format!("task {} overtook {id} of its group", task.id));
            }
            let beside = self.store.all().find(|t| {
                t.id != task.id
                    && t.state == TaskState::Leased
                    && Some((&t.queue, t.group.as_deref())) == Some((&group.0, Some(&*group.1)))
            });
            if beside.is_some() {
                self.fail("two of a group are leased");
            }
        }
        self.old.push(task.receipt());
    }

    /// An attempt ends and says so.
    fn end(&mut self, at: usize, task: &Task, calm: bool) {
        self.fates.entry(task.id).or_default().handled += 1;
        let outcome = match self.dice.below(if calm { 6 } else { 10 }) {
            6 | 7 => Outcome::Failed("no".to_owned()),
            8 => Outcome::Later(Duration::from_millis(300)),
            9 => Outcome::Dead("never".to_owned()),
            _ => Outcome::Done(Vec::new()),
        };
        let completes = matches!(outcome, Outcome::Done(_));
        let verdict = Verdict::of(task, outcome, policy().backoff, self.now, &self.rng);
        let steps: Vec<TaskWrite> = verdict.writes.into_iter().filter_map(of_task).collect();
        if !calm && self.dice.once_in(8) {
            // It dies before it can tell.
            self.nodes[at] = node(self.now);
            return;
        }
        let told = self.write(&steps).is_ok();
        if told {
            let fate = self.fates.entry(task.id).or_default();
            fate.completed |= completes;
            fate.dead |= verdict.dead;
        }
        if !calm && self.dice.once_in(6) && self.write(&steps).is_ok() {
            self.fail("a receipt was good for two endings");
        }
        if !calm && self.dice.once_in(10) {
            self.nodes[at] = node(self.now);
            return;
        }
        self.nodes[at].dispatch.forget(task.receipt());
    }

    /// Somebody uses an old receipt.
    fn meddle(&mut self) {
        let Some(receipt) = self.old.first().copied().filter(|_| self.old.len() > 3) else {
            return;
        };
        self.old.remove(0);
        let current = self
            .store
            .task(receipt.task)
            .is_some_and(|t| t.state == TaskState::Leased && t.lease == receipt.lease);
        if !current && self.write(&[TaskWrite::Complete(receipt)]).is_ok() {
            self.fail("a stale receipt was accepted");
        }
    }

    fn step(&mut self) {
        match self.dice.below(12) {
            0..4 => self.put(),
            4 => self.meddle(),
            5 if self.dice.once_in(3) => {
                let at = self.dice.below(self.nodes.len());
                self.nodes[at] = node(self.now);
            }
            _ => {}
        }
        let at = self.dice.below(self.nodes.len());
        self.act(at, false);
        let jump = *self.dice.pick(&[0, 1, 20, 400, 2_000]);
        self.now = self.now.plus(Duration::from_millis(jump));
    }

    /// Peace: everything has to come to its end.
    fn settle(&mut self) {
        for _ in 0..4_000 {
            if self.store.all().all(|t| t.state == TaskState::Dead) {
                return;
            }
            let next = self.nodes.iter().map(|n| n.wakes).min().unwrap_or(self.now);
            self.now = self.now.max(next);
            for at in 0..self.nodes.len() {
                if self.nodes[at].wakes <= self.now {
                    self.act(at, true);
                }
            }
        }
        self.fail("something is stuck");
    }

    fn check(&self) {
        let dead: BTreeSet<TaskId> = self.store.all().map(|t| t.id).collect();
        for (id, fate) in &self.fates {
            let ended = fate.completed || dead.contains(id);
            if !ended {
                self.fail(&format!("task {id} is lost"));
            }
            if fate.completed && (fate.handled == 0 || dead.contains(id)) {
                self.fail(&format!("task {id} was completed without being handled"));
            }
        }
    }
}

fn of_task(write: Write) -> Option<TaskWrite> {
    match write {
        Write::Task(step) => Some(step),
        _ => None,
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..40 {
        world.step();
    }
    world.settle();
    world.check();
}

/// Ten thousand seeds, in parts that run side by side.
macro_rules! seeds {
    ($($name:ident $part:literal)*) => {$(
        #[test]
        fn $name() {
            for seed in ($part..SEEDS).step_by(4) {
                run(seed);
            }
        }
    )*};
}

seeds! {
    seeds_keep_the_promises_1 0
    seeds_keep_the_promises_2 1
    seeds_keep_the_promises_3 2
    seeds_keep_the_promises_4 3
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a person names the seed to run again"
)]
fn one_seed() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    run(seed.unwrap_or(1));
}
