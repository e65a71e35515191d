//! Workers on SQLite.

use basalt_base::{BoxFuture, OsRng, SystemClock};
use basalt_flow::{Backoff, Handler, Outcome, Policy, Queue, TaskRun, Workers, WorkersDeps};
use basalt_store::{AppStore, Store, StoreId, TaskPut};
use basalt_store_sqlite::{Options, SqliteStore};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

pub struct Bench {
    pub queue: Queue,
    _store: Arc<SqliteStore>,
    _dir: tempfile::TempDir,
}

pub async fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), Options::default()).unwrap();
    let app: Arc<dyn AppStore> = store.open_app(StoreId(1)).await.unwrap();
    Bench {
        queue: Queue::new(app, Arc::new(SystemClock)),
        _store: store,
        _dir: dir,
    }
}

impl Bench {
    pub fn deps(&self) -> WorkersDeps {
        WorkersDeps {
            queue: self.queue.clone(),
            rng: Arc::new(OsRng),
            slots: Arc::new(Semaphore::new(8)),
            concurrency: 8,
            poll: None,
            reclaims: false,
        }
    }

    pub async fn put(&self, queue: &str, payload: &str) {
        let at = self.queue.clock().now();
        self.queue
            .put(TaskPut::now(queue, payload.as_bytes(), at))
            .await
            .unwrap();
    }

    /// Waits until nothing but dead tasks is left.
    pub async fn quiet(&self) {
        let wait = async {
            while self
                .queue
                .stands()
                .await
                .unwrap()
                .iter()
                .any(|s| s.depth() > 0)
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), wait)
            .await
            .expect("all tasks end");
    }
}

fn policy() -> Policy {
    Policy {
        backoff: Backoff {
            first: Duration::from_millis(1),
            max: Duration::from_millis(2),
        },
        ..Policy::default()
    }
}

type Behave = fn(&str, u32) -> Outcome;

struct Scripted {
    behave: Behave,
    seen: Mutex<Vec<String>>,
}

impl Handler for Scripted {
    fn run(&self, run: TaskRun) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let payload = String::from_utf8(run.task.payload.to_vec()).unwrap();
            self.seen.lock().push(payload.clone());
            (self.behave)(&payload, run.task.attempts)
        })
    }
}

fn scripted(behave: Behave) -> Arc<Scripted> {
    Arc::new(Scripted {
        behave,
        seen: Mutex::default(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_put_is_handled() {
    let b = bench().await;
    b.put("q", "before").await;
    let handler = scripted(|_, _| Outcome::Done(Vec::new()));
    let lane = ("q".into(), policy(), handler.clone() as Arc<dyn Handler>);
    let workers = Workers::start(b.deps(), [lane]);
    for n in 0..100 {
        b.put("q", &n.to_string()).await;
    }
    b.quiet().await;
    assert_eq!(handler.seen.lock().len(), 101);
    let stats = workers.stop(Duration::from_secs(5)).await;
    assert_eq!(stats["q"].done, 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_and_panics_are_tried_again() {
    let b = bench().await;
    let handler = scripted(|payload, attempt| match (payload, attempt) {
        ("fails", 1 | 2) => Outcome::Failed("not yet".to_owned()),
        ("panics", 1) => panic!("as it should"),
        ("dies", _) => Outcome::Dead("for good".to_owned()),
        _ => Outcome::Done(Vec::new()),
    });
    let lane = ("q".into(), policy(), handler.clone() as Arc<dyn Handler>);
    let workers = Workers::start(b.deps(), [lane]);
    for payload in ["fails", "panics", "dies"] {
        b.put("q", payload).await;
    }
    b.quiet().await;
    let stats = workers.stop(Duration::from_secs(5)).await["q"];
    assert_eq!((stats.done, stats.failed, stats.dead), (2, 3, 1));
}

struct Stuck;

impl Handler for Stuck {
    fn run(&self, _: TaskRun) -> BoxFuture<'_, Outcome> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_gives_tasks_back() {
    let b = bench().await;
    let workers = Workers::start(b.deps(), [("q".into(), policy(), Arc::new(Stuck) as _)]);
    b.put("q", "x").await;
    let leased = async {
        while b.queue.store().queue("q").await.unwrap().leased == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), leased)
        .await
        .unwrap();
    workers.stop(Duration::ZERO).await;
    let stand = b.queue.store().queue("q").await.unwrap();
    assert_eq!((stand.waiting, stand.leased), (1, 0));
    let page = basalt_store::TaskPage {
        queue: "q".into(),
        dead: false,
        after: None,
        limit: 9,
    };
    let tasks = b.queue.peek(&page).await.unwrap();
    assert_eq!(tasks[0].attempts, 0, "an interruption does not count");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_poll_is_woken_by_a_commit() {
    let b = bench().await;
    let queue: Arc<str> = "q".into();
    let minute = Duration::from_mins(1);
    let (received, ()) = tokio::join!(b.queue.receive(&queue, 10, minute, minute), async {
        b.put("q", "x").await;
    });
    let tasks = received.unwrap();
    assert_eq!(tasks.len(), 1);
    let effects = vec![];
    b.queue.complete(tasks[0].receipt(), effects).await.unwrap();
    let none = b
        .queue
        .receive(&queue, 10, minute, Duration::ZERO)
        .await
        .unwrap();
    assert!(none.is_empty());
}
