//! Running the tasks of an app: leasing, attempts with deadlines, extensions, stopping.

use crate::{Dispatch, Handler, Outcome, Policy, Queue, TaskRun, Verdict};
use basalt_base::{Clock, Error, Monotonic, Reason, Result, Rng};
use basalt_store::{Receipt, Task, TaskDone, TaskWrite, Write, WriteBatch, Written};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

/// How long a cancelled handler may go on.
const CANCEL_GRACE: Duration = Duration::from_secs(1);
/// How often an ending is written before it is left to the lease to run out.
const ENDING_TRIES: u32 = 6;

/// The shortest sleep of workers.
const LEAST_PAUSE: Duration = Duration::from_millis(1);
/// When to ask again how the queues stand after the store could not say.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The longest sleep where nobody has to be asked: wake-ups do not get lost there.
const NO_POLL: Duration = Duration::from_hours(24 * 365);

/// What workers need.
#[derive(Clone)]
pub struct WorkersDeps {
    /// The app's queues.
    pub queue: Queue,
    /// Draws the pauses.
    pub rng: Arc<dyn Rng>,
    /// Attempts that may run at once in all apps of this process; given out in turn.
    pub slots: Arc<Semaphore>,
    /// Attempts that may run at once in this app.
    pub concurrency: usize,
    /// How often to look for what other nodes put, in case nobody tells; `None` where there are no
    /// others. Workers without anything to do cost nothing then.
    pub poll: Option<Duration>,
    /// Whether nobody else has worked on these queues since whoever did is gone: what they had
    /// leased is begun again at once, not when its lease has run out.
    pub reclaims: bool,
}

/// Counts of one queue since the workers started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkersStats {
    /// Tasks that were completed.
    pub done: u64,
    /// Attempts that failed and are tried again.
    pub failed: u64,
    /// Tasks that were given up.
    pub dead: u64,
    /// Attempts whose lease somebody else had taken when they ended.
    pub stale: u64,
}

/// A place in the line for a slot.
type Turn = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// What asking for tasks came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// None were due, or there was no room.
    NotAsked,
    /// There were none, or the store could not say.
    Nothing,
    /// At least one runs now.
    Some,
}

type Handlers = BTreeMap<Arc<str>, (Policy, Arc<dyn Handler>)>;

/// Running workers of one app.
pub struct Workers {
    stop: watch::Sender<Option<Duration>>,
    runner: JoinHandle<()>,
    stats: Arc<Mutex<BTreeMap<Arc<str>, WorkersStats>>>,
}

impl Workers {
    /// Starts them; call within a tokio runtime.
    pub fn start(
        deps: WorkersDeps,
        handlers: impl IntoIterator<Item = (Arc<str>, Policy, Arc<dyn Handler>)>,
    ) -> Self {
        let handlers: Handlers = handlers.into_iter().map(|(n, p, h)| (n, (p, h))).collect();
        let (stop, stopped) = watch::channel(None);
        let stats = Arc::default();
        let runner = Runner::new(deps, handlers, Arc::clone(&stats));
        let runner = tokio::spawn(runner.run(stopped));
        Self {
            stop,
            runner,
            stats,
        }
    }

    /// Stops: nothing more is leased; what runs may finish within `grace`, the rest goes back to
    /// its queue without a counted attempt. Gives the last counts.
    pub async fn stop(self, grace: Duration) -> BTreeMap<Arc<str>, WorkersStats> {
        self.stop.send_replace(Some(grace));
        if self.runner.await.is_err() {
            tracing::error!("the workers of an app panicked");
        }
        self.stats.lock().clone()
    }

    /// A way to make a stop that goes on end sooner.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// Counts by queue.
    pub fn stats(&self) -> BTreeMap<Arc<str>, WorkersStats> {
        self.stats.lock().clone()
    }
}

/// Tells workers to stop, once or again with less patience.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<Option<Duration>>);

impl Stopper {
    /// What runs may go on for `grace` from now on.
    pub fn stop(&self, grace: Duration) {
        self.0.send_replace(Some(grace));
    }

    /// Whether the workers still run.
    pub fn is_of_use(&self) -> bool {
        self.0.receiver_count() > 0
    }
}

/// What attempts share.
struct Shared {
    queue: Queue,
    rng: Arc<dyn Rng>,
    clock: Arc<dyn Clock>,
    stats: Arc<Mutex<BTreeMap<Arc<str>, WorkersStats>>>,
}

struct Runner {
    shared: Arc<Shared>,
    slots: Arc<Semaphore>,
    handlers: Handlers,
    dispatch: Dispatch,
    poll: Option<Duration>,
    reclaims: bool,
    /// When to ask how the queues stand; `None` for never again.
    look: Option<Monotonic>,
    /// A slot that was waited for.
    slot: Option<OwnedSemaphorePermit>,
    /// Attempts under way, each with its way to be cancelled.
    running: HashMap<Receipt, watch::Sender<bool>>,
    ended: (
        mpsc::UnboundedSender<Receipt>,
        mpsc::UnboundedReceiver<Receipt>,
    ),
}

impl Runner {
    fn new(
        deps: WorkersDeps,
        handlers: Handlers,
        stats: Arc<Mutex<BTreeMap<Arc<str>, WorkersStats>>>,
    ) -> Self {
        let policies = handlers
            .iter()
            .map(|(name, (policy, _))| (name.clone(), *policy));
        let poll = deps.poll.unwrap_or(NO_POLL);
        let dispatch = Dispatch::new(policies, deps.concurrency, poll);
        let clock = Arc::clone(deps.queue.clock());
        let look = Some(clock.monotonic());
        let shared = Shared {
            queue: deps.queue,
            rng: deps.rng,
            clock,
            stats,
        };
        Self {
            shared: Arc::new(shared),
            slots: deps.slots,
            handlers,
            dispatch,
            poll: deps.poll,
            reclaims: deps.reclaims,
            look,
            slot: None,
            running: HashMap::new(),
            // Bounded by the attempts under way.
            ended: mpsc::unbounded_channel(),
        }
    }

    async fn run(mut self, mut stop: watch::Receiver<Option<Duration>>) {
        if self.reclaims {
            self.reclaim().await;
        }
        // Kept until it is this app's turn: who leaves the line goes to its end.
        let mut turn: Option<Turn> = None;
        loop {
            if stop.borrow().is_some() {
                break;
            }
            self.look().await;
            let taken = self.take().await;
            let now = self.shared.clock.now();
            let wishes = self.dispatch.wish(now) > 0;
            let pause = if !wishes {
                turn = None;
                self.dispatch.sleep(now)
            } else if taken == Taken::Nothing {
                // There was nothing after all: not at once again.
                LEAST_PAUSE
            } else if self.slots.available_permits() > 0 {
                continue;
            } else {
                turn.get_or_insert_with(|| Box::pin(Arc::clone(&self.slots).acquire_owned()));
                self.dispatch.sleep_without_room(now)
            };
            let pause = self.look.map_or(pause, |at| {
                pause.min(at.since(self.shared.clock.monotonic()))
            });
            let pause = pause.max(LEAST_PAUSE);
            let wake = Arc::clone(self.shared.queue.wake());
            tokio::select! {
                () = wake.changed() => {}
                receipt = self.ended.1.recv() => self.forget(receipt),
                slot = wait(&mut turn) => {
                    turn = None;
                    self.slot = slot;
                }
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => {}
            }
        }
        drop(turn);
        self.slot = None;
        self.drain(stop).await;
    }

    /// Takes over what a program that died had leased.
    async fn reclaim(&self) {
        for queue in self.handlers.keys() {
            match self.shared.queue.reclaim(queue).await {
                Ok(0) => {}
                Ok(tasks) => tracing::info!(%queue, tasks, "work that was cut off begins again"),
                // Their leases run out.
                Err(error) => tracing::warn!(%queue, ?error, "a queue can't be read"),
            }
        }
    }

    /// Asks the store how the queues stand, when it is time to.
    async fn look(&mut self) {
        let now = self.shared.clock.monotonic();
        if self.look.is_none_or(|at| now < at) {
            return;
        }
        match self.shared.queue.stands().await {
            Ok(stands) => {
                self.dispatch.stands(&stands);
                self.look = self.poll.map(|poll| now.after(poll));
            }
            Err(error) => {
                tracing::warn!(?error, "the queues can't be read");
                self.look = Some(now.after(LOOK_AGAIN));
            }
        }
    }

    /// Hears the news, extends leases, leases what is due and starts it.
    async fn take(&mut self) -> Taken {
        for (queue, due) in self.shared.queue.wake().take() {
            self.dispatch.due(&queue, due);
        }
        self.extend().await;
        let now = self.shared.clock.now();
        let wish = self.dispatch.wish(now);
        let mut permits: Vec<_> = self.slot.take().into_iter().collect();
        while permits.len() < wish
            && let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned()
        {
            permits.push(permit);
        }
        let wants = self.dispatch.wants(now, permits.len());
        if wants.is_empty() {
            return Taken::NotAsked;
        }
        let before = self.running.len();
        let batches = wants.iter().cloned();
        let batches = batches
            .map(|want| WriteBatch::of(vec![Write::Task(want)]))
            .collect();
        let answers = match self.shared.queue.store().write(batches).await {
            Ok(answers) => answers,
            Err(error) => {
                tracing::warn!(?error, "tasks can't be leased");
                for want in &wants {
                    self.refused(want);
                }
                return Taken::Nothing;
            }
        };
        for (want, answer) in wants.into_iter().zip(answers) {
            self.leased(want, answer, &mut permits).await;
        }
        if self.running.len() > before {
            Taken::Some
        } else {
            Taken::Nothing
        }
    }

    fn refused(&mut self, want: &TaskWrite) {
        if let TaskWrite::Lease { queue, .. } = want {
            self.dispatch.refused(queue, self.shared.clock.now());
        }
    }

    async fn leased(
        &mut self,
        want: TaskWrite,
        answer: Result<Vec<Written>>,
        permits: &mut Vec<OwnedSemaphorePermit>,
    ) {
        let TaskWrite::Lease { queue, count, .. } = &want else {
            return;
        };
        let done = match answer {
            Ok(mut done) => done.pop(),
            Err(error) => {
                tracing::warn!(?error, %queue, "tasks can't be leased");
                None
            }
        };
        let Some(Written::Task(TaskDone::Leased { tasks, buried })) = done else {
            return self.refused(&want);
        };
        if !buried.is_empty() {
            let mut stats = self.shared.stats.lock();
            stats.entry(queue.clone()).or_default().dead += buried.len() as u64;
        }
        let mut stand = Ok(None);
        if tasks.len() < *count as usize {
            stand = self.shared.queue.store().queue(queue).await.map(Some);
        }
        match stand {
            Ok(stand) => {
                let next = stand.and_then(|stand| stand.next_due);
                self.dispatch.leased(queue, *count, &tasks, next);
            }
            Err(error) => {
                tracing::warn!(?error, %queue, "a queue can't be read");
                let now = self.shared.clock.now();
                self.dispatch.leased(queue, *count, &tasks, Some(now));
                self.dispatch.refused(queue, now);
            }
        }
        for task in tasks {
            // As many were asked for as there are permits.
            if let Some(permit) = permits.pop() {
                self.begin(task, permit);
            }
        }
    }

    fn begin(&mut self, task: Task, permit: OwnedSemaphorePermit) {
        let receipt = task.receipt();
        let Some((policy, handler)) = self.handlers.get(&task.queue) else {
            return;
        };
        let (cancel, cancelled) = watch::channel(false);
        self.running.insert(receipt, cancel);
        let task = Arc::new(task);
        let run = TaskRun { task, cancelled };
        let attempt = attempt(Arc::clone(&self.shared), *policy, Arc::clone(handler), run);
        let ended = self.ended.0.clone();
        tokio::spawn(async move {
            attempt.await;
            drop(permit);
            // The runner outlives its attempts.
            let _ = ended.send(receipt);
        });
    }

    fn forget(&mut self, receipt: Option<Receipt>) {
        if let Some(receipt) = receipt {
            self.dispatch.forget(receipt);
            self.running.remove(&receipt);
        }
    }

    async fn extend(&mut self) {
        let extensions = self.dispatch.extensions(self.shared.clock.now());
        if extensions.is_empty() {
            return;
        }
        let batches = extensions.iter();
        let batches = batches.map(|(_, write)| WriteBatch::of(vec![Write::Task(write.clone())]));
        let answers = match self.shared.queue.store().write(batches.collect()).await {
            Ok(answers) => answers,
            Err(error) => {
                tracing::warn!(?error, "leases can't be extended");
                let now = self.shared.clock.now();
                for (receipt, _) in &extensions {
                    self.dispatch.not_extended(*receipt, now);
                }
                return;
            }
        };
        for ((receipt, _), answer) in extensions.iter().zip(answers) {
            match answer {
                Ok(_) => {}
                Err(error) if error.reason() == Reason::StaleReceipt => {
                    if let Some(cancel) = self.running.get(receipt) {
                        cancel.send_replace(true);
                    }
                }
                Err(error) => {
                    tracing::warn!(?error, "a lease can't be extended");
                    let now = self.shared.clock.now();
                    self.dispatch.not_extended(*receipt, now);
                }
            }
        }
    }

    /// Lets attempts finish, and gives back what does not.
    async fn drain(&mut self, mut stop: watch::Receiver<Option<Duration>>) {
        let begun = self.shared.clock.monotonic();
        let grace = stop.borrow_and_update().unwrap_or_default();
        let mut end = begun.after(grace);
        let mut told = false;
        while !self.running.is_empty() {
            let now = self.shared.clock.monotonic();
            let rest = end.since(now);
            if rest.is_zero() && !told {
                told = true;
                for cancel in self.running.values() {
                    cancel.send_replace(true);
                }
            }
            let pause = if told {
                CANCEL_GRACE
            } else {
                let halves = self.dispatch.sleep_without_room(self.shared.clock.now());
                rest.min(halves).max(LEAST_PAUSE)
            };
            tokio::select! {
                receipt = self.ended.1.recv() => self.forget(receipt),
                Ok(()) = stop.changed() => {
                    let grace = stop.borrow_and_update().unwrap_or_default();
                    end = end.min(self.shared.clock.monotonic().after(grace));
                }
                () = tokio::time::sleep(pause) => self.extend().await,
            }
        }
    }
}

/// Waits until it is this app's turn to have a slot.
async fn wait(turn: &mut Option<Turn>) -> Option<OwnedSemaphorePermit> {
    match turn {
        Some(turn) => turn.await.ok(),
        None => std::future::pending().await,
    }
}

/// One attempt from its start to the written ending.
async fn attempt(shared: Arc<Shared>, policy: Policy, handler: Arc<dyn Handler>, run: TaskRun) {
    let task = Arc::clone(&run.task);
    let mut watcher = run.clone();
    let mut handling = tokio::spawn(async move { handler.run(run).await });
    let deadline = tokio::time::sleep(policy.deadline);
    let outcome = tokio::select! {
        ended = &mut handling => of_handler(ended, &task),
        () = deadline => {
            handling.abort();
            Outcome::Failed("The handler ran past its deadline.".to_owned())
        }
        () = watcher.cancelled() => {
            let ended = tokio::time::timeout(CANCEL_GRACE, &mut handling).await;
            handling.abort();
            match ended {
                Ok(ended) => of_handler(ended, &task),
                Err(_) => Outcome::Later(Duration::ZERO),
            }
        }
    };
    end(&shared, &policy, &task, outcome).await;
}

fn of_handler(ended: Result<Outcome, tokio::task::JoinError>, task: &Task) -> Outcome {
    ended.unwrap_or_else(|error| {
        tracing::error!(queue = %task.queue, task = task.id.0, %error, "a handler panicked");
        Outcome::Failed("The handler panicked.".to_owned())
    })
}

/// Writes how an attempt ended. A store in trouble is asked again: the receipt sees to it that
/// nothing happens twice.
async fn end(shared: &Shared, policy: &Policy, task: &Task, outcome: Outcome) {
    let verdict = |outcome| {
        let now = shared.clock.now();
        Verdict::of(task, outcome, policy.backoff, now, &*shared.rng)
    };
    let failed = matches!(outcome, Outcome::Failed(_));
    let done = matches!(outcome, Outcome::Done(_));
    let mut writing = verdict(outcome);
    let mut counted = WorkersStats {
        done: u64::from(done),
        failed: u64::from(failed && !writing.dead),
        dead: u64::from(writing.dead),
        stale: 0,
    };
    for tried in 0..ENDING_TRIES {
        let Err(error) = shared.queue.write(writing.writes.clone()).await else {
            return count(shared, task, counted);
        };
        match error.reason() {
            Reason::StaleReceipt => {
                counted = WorkersStats {
                    // After an unknown outcome this is what success looks like.
                    stale: u64::from(tried == 0),
                    ..WorkersStats::default()
                };
                return count(shared, task, counted);
            }
            Reason::Overloaded | Reason::StoreUnavailable | Reason::OutcomeUnknown => {
                let pause = Duration::from_millis(50 << tried);
                tokio::time::sleep(pause).await;
            }
            _ => {
                writing = verdict(refused(&error));
                counted = WorkersStats {
                    failed: u64::from(!writing.dead),
                    dead: u64::from(writing.dead),
                    ..WorkersStats::default()
                };
            }
        }
    }
    tracing::error!(queue = %task.queue, task = task.id.0, "the end of a task can't be written");
}

fn refused(error: &Error) -> Outcome {
    Outcome::Failed(format!("Its effects were refused: {}", error.message()))
}

fn count(shared: &Shared, task: &Task, by: WorkersStats) {
    let mut stats = shared.stats.lock();
    let sums = stats.entry(task.queue.clone()).or_default();
    sums.done += by.done;
    sums.failed += by.failed;
    sums.dead += by.dead;
    sums.stale += by.stale;
}
