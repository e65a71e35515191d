//! What workers do when they can't: nothing to do, no room, a store in trouble. On stopped time, so
//! that an hour costs nothing and every ask is counted.

use crate::memory::{Fault, Memory, StoppedClock};
use basalt_base::{BoxFuture, Clock, OsRng};
use basalt_flow::{Handler, Outcome, Policy, Queue, TaskRun, Workers, WorkersDeps};
use basalt_store::{AppStore, TaskPut, TaskWrite, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

struct Scene {
    store: Arc<Memory>,
    queue: Queue,
    slots: Arc<Semaphore>,
}

fn scene(clock: StoppedClock, slots: &Arc<Semaphore>) -> Scene {
    let store = Memory::new();
    let app = Arc::clone(&store) as Arc<dyn AppStore>;
    Scene {
        queue: Queue::new(app, Arc::new(clock)),
        store,
        slots: Arc::clone(slots),
    }
}

impl Scene {
    fn start(&self, poll: Option<Duration>, handler: Arc<dyn Handler>) -> Workers {
        let deps = WorkersDeps {
            queue: self.queue.clone(),
            rng: Arc::new(OsRng),
            slots: Arc::clone(&self.slots),
            concurrency: 8,
            poll,
            reclaims: true,
        };
        Workers::start(deps, [("q".into(), Policy::default(), handler)])
    }

    async fn put(&self) {
        let at = self.queue.clock().now();
        self.queue.put(TaskPut::now("q", *b"x", at)).await.unwrap();
    }
}

/// Takes a while for each task and counts them.
struct Slow {
    takes: Duration,
    done: AtomicUsize,
}

impl Slow {
    fn of(takes: Duration) -> Arc<Self> {
        Arc::new(Self {
            takes,
            done: AtomicUsize::new(0),
        })
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }
}

impl Handler for Slow {
    fn run(&self, _: TaskRun) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            tokio::time::sleep(self.takes).await;
            self.done.fetch_add(1, Ordering::SeqCst);
            Outcome::Done(Vec::new())
        })
    }
}

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test(start_paused = true)]
async fn idle_workers_ask_nobody() {
    let scene = scene(StoppedClock::start(), &Arc::new(Semaphore::new(8)));
    let handler = Slow::of(Duration::ZERO);
    let workers = scene.start(None, handler.clone());
    tokio::time::sleep(HOUR).await;
    assert_eq!(scene.store.asked(), (2, 0), "at the start alone");
    scene.put().await;
    tokio::time::sleep(HOUR).await;
    assert_eq!(handler.done(), 1, "it was told");
    let (looks, leases) = scene.store.asked();
    assert!(looks <= 5 && leases <= 3, "{looks} looks, {leases} leases");
    workers.stop(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn a_look_that_failed_is_repeated() {
    // Nobody is told of this task: it lay there before.
    let clock = StoppedClock::start();
    let scene = scene(clock, &Arc::new(Semaphore::new(8)));
    scene.put().await;
    scene.queue.wake().take();
    let handler = Slow::of(Duration::ZERO);
    let workers = scene.start(Some(Duration::from_secs(5)), handler.clone());
    tokio::time::sleep(HOUR).await;
    assert_eq!(handler.done(), 1);
    let (looks, _) = scene.store.asked();
    assert!((700..800).contains(&looks), "every 5 seconds: {looks}");
    workers.stop(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn apps_without_a_slot_wait_for_their_turn() {
    let clock = StoppedClock::start();
    let slots = Arc::new(Semaphore::new(1));
    let long = Slow::of(Duration::from_mins(1));
    let apps: Vec<_> = (0..4).map(|_| scene(clock, &slots)).collect();
    let mut workers = Vec::new();
    for app in &apps {
        for _ in 0..5 {
            app.put().await;
        }
        workers.push(app.start(None, long.clone()));
    }
    tokio::time::sleep(Duration::from_mins(18)).await;
    let left: Vec<_> = apps.iter().map(|app| app.store.tasks().len()).collect();
    assert!(long.done() >= 17, "no slot is lost: {}", long.done());
    assert!(
        left.iter().all(|left| *left <= 2),
        "apps take turns: {left:?}"
    );
    for app in &apps {
        let (looks, leases) = app.store.asked();
        // One for each task, the first look, and what extensions and ends bring.
        assert!(looks + leases <= 40, "{looks} looks, {leases} leases");
    }
    tokio::time::sleep(HOUR).await;
    assert_eq!(long.done(), 20);
    for workers in workers {
        workers.stop(HOUR).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_leases_is_left_alone_for_a_while() {
    let scene = scene(StoppedClock::start(), &Arc::new(Semaphore::new(8)));
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let leases = |write: &Write| matches!(write, Write::Task(TaskWrite::Lease { .. }));
    scene.store.with_faults(move |batch| {
        if !batch.writes.iter().any(leases) {
            return Fault::None;
        }
        counted.fetch_add(1, Ordering::SeqCst);
        Fault::Refused
    });
    let handler = Slow::of(Duration::ZERO);
    let workers = scene.start(None, handler.clone());
    scene.put().await;
    tokio::time::sleep(Duration::from_mins(2)).await;
    let times = asked.load(Ordering::SeqCst);
    assert!(
        (8..40).contains(&times),
        "asked {times} times in two minutes"
    );
    scene.store.without_faults();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(handler.done(), 1);
    workers.stop(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_can_lose_its_patience() {
    let clock = StoppedClock::start();
    let scene = scene(clock, &Arc::new(Semaphore::new(8)));
    let workers = scene.start(None, Slow::of(24 * HOUR));
    scene.put().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stopper = workers.stopper();
    let begun = clock.monotonic();
    let stopping = tokio::spawn(workers.stop(HOUR));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(!stopping.is_finished());
    stopper.stop(Duration::from_secs(1));
    stopping.await.unwrap();
    let took = clock.monotonic().since(begun);
    assert!(took < Duration::from_mins(2), "{took:?}");
    let tasks = scene.store.tasks();
    assert_eq!((tasks.len(), tasks[0].attempts), (1, 0), "given back");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_heard_of_is_an_end() {
    let scene = scene(StoppedClock::start(), &Arc::new(Semaphore::new(8)));
    let mut lost = 0;
    scene.store.with_faults(move |batch| {
        let ends = |write: &Write| matches!(write, Write::Task(TaskWrite::Complete(_)));
        lost += usize::from(batch.writes.iter().any(ends));
        if lost == 1 {
            return Fault::Unheard;
        }
        Fault::None
    });
    let handler = Slow::of(Duration::ZERO);
    let workers = scene.start(None, handler.clone());
    scene.put().await;
    tokio::time::sleep(HOUR).await;
    assert_eq!(handler.done(), 1);
    assert!(scene.store.tasks().is_empty());
    workers.stop(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_cut_off_begins_again_at_once() {
    let clock = StoppedClock::start();
    let scene = scene(clock, &Arc::new(Semaphore::new(8)));
    for _ in 0..3 {
        scene.put().await;
    }
    let day = 24 * HOUR;
    let leased = scene.queue.lease(&"q".into(), 2, day).await.unwrap();
    assert_eq!(leased.len(), 2);
    let handler = Slow::of(Duration::ZERO);
    let workers = scene.start(None, handler.clone());
    tokio::time::sleep(HOUR).await;
    assert_eq!(handler.done(), 3);
    let late = scene.queue.complete(leased[0].receipt(), Vec::new()).await;
    assert!(late.is_err(), "its receipt is void");
    workers.stop(HOUR).await;
}
