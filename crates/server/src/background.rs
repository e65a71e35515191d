//! The background work of open apps: their workers, jobs and schedules; and waking apps that are
//! closed when their work is due.

use crate::apps::AppTable;
use basalt_api_parse::{App, Apps};
use basalt_base::{AppId, BoxFuture, Clock, Rng, Timestamp, Value};
use basalt_data::{Call, Principal, Rank};
use basalt_flow::{JobCode, JobRun, Jobs, JobsDeps, Queue, Stopper, Workers, WorkersDeps};
use basalt_functions::{Functions, On};
use basalt_store::{AppStore, Reading};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};

/// Attempts that run at once in all apps.
const SLOTS: usize = 64;
/// Attempts that run at once in one app.
const APP_CONCURRENCY: usize = 32;
/// How often workers look for what nobody told them of.
const POLL: Duration = Duration::from_secs(5);
/// How often it is looked whether a closed app has work, where other nodes may put some.
const WAKE: Duration = Duration::from_secs(5);
/// The same where there are none: clocks jump.
const WAKE_ALONE: Duration = Duration::from_mins(1);
/// The shortest pause between two looks.
const WAKE_LEAST: Duration = Duration::from_millis(100);
/// How long the tasks of an app that is closed may go on, and those who still use it.
const CLOSE_GRACE: Duration = Duration::from_secs(30);
/// How often it is looked whether somebody still uses an app that is closed.
const CLOSE_POLL: Duration = Duration::from_millis(50);

/// What the background work of all apps shares.
#[derive(Clone)]
pub(crate) struct Shared {
    slots: Arc<Semaphore>,
    /// How often to look for what nobody told of.
    poll: Option<Duration>,
}

impl Shared {
    /// For a store that other nodes may write to, or not.
    pub(crate) fn new(is_shared: bool) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(SLOTS)),
            poll: is_shared.then_some(POLL),
        }
    }
}

/// The functions of an app as its jobs.
struct FunctionJobs {
    app: AppId,
    functions: Functions,
}

impl JobCode for FunctionJobs {
    fn names(&self) -> Vec<String> {
        let functions = self.functions.functions();
        let functions = functions.iter().filter(|hook| !hook.in_code);
        let names = functions.filter_map(|hook| match &hook.on {
            On::Function(name) => Some(name.to_string()),
            On::Trigger(..) => None,
        });
        let mut names: Vec<String> = names.chain(self.functions.jobs()).collect();
        names.sort();
        names
    }

    fn one_at_a_time(&self, name: &str) -> bool {
        let hook = self.functions.hook(&On::Function(name.into()));
        hook.is_some_and(|hook| hook.one_at_a_time)
    }

    fn run(&self, run: JobRun) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(async move {
            let principal = Principal::ranked(self.app.clone(), Rank::Master);
            let call = Call {
                request_id: run.id.clone(),
                depth: run.depth,
                ..Call::by(principal)
            };
            let code = self
                .functions
                .run_job(&call, &run.name, &run.id, &run.params);
            if let Some(ended) = code.await {
                return ended.map_err(|error| error.message().to_owned());
            }
            let called = self
                .functions
                .call_as_job(&call, &run.name, run.params, &run.id);
            match called.await {
                Ok(Some(Value::String(text))) => Ok(Some(text)),
                Ok(_) => Ok(None),
                Err(error) => Err(error.message().to_owned()),
            }
        })
    }
}

/// The jobs of an app, over its open store.
pub(crate) fn jobs(
    app: &AppId,
    store: &Arc<dyn AppStore>,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
    functions: &Functions,
) -> Jobs {
    let code = FunctionJobs {
        app: app.clone(),
        functions: functions.clone(),
    };
    Jobs::new(JobsDeps {
        queue: Queue::new(Arc::clone(store), Arc::clone(clock)),
        rng: Arc::clone(rng),
        code: Arc::new(code),
    })
}

/// The running background work of one app.
pub(crate) struct Background {
    jobs: Jobs,
    workers: Workers,
    syncing: JoinHandle<()>,
}

impl Background {
    /// Starts it; `first` says whether it is the first time in this process.
    pub(crate) fn start(app: &App, rng: &Arc<dyn Rng>, shared: &Shared, first: bool) -> Self {
        let jobs = &app.jobs;
        let deps = WorkersDeps {
            queue: jobs.queue().clone(),
            rng: Arc::clone(rng),
            slots: Arc::clone(&shared.slots),
            concurrency: APP_CONCURRENCY,
            poll: shared.poll,
            // Where nobody else can be, who had leases is dead.
            reclaims: first && shared.poll.is_none(),
        };
        let mut handlers = jobs.handlers();
        handlers.push(app.functions.deliveries());
        let workers = Workers::start(deps, handlers);
        let synced = jobs.clone();
        let syncing = tokio::spawn(async move { synced.sync_soon().await });
        Self {
            jobs: jobs.clone(),
            workers,
            syncing,
        }
    }

    /// A way to make a stop that goes on end sooner.
    pub(crate) fn stopper(&self) -> Stopper {
        self.workers.stopper()
    }

    /// Stops it: what runs may finish within `grace`, the rest goes back to its queue. Says when
    /// the app next has something to do.
    pub(crate) async fn stop(self, grace: Duration) -> Option<Timestamp> {
        self.syncing.abort();
        // Cancelled or done; its handle to the store is gone either way.
        let _ = self.syncing.await;
        self.workers.stop(grace).await;
        self.jobs.queue().next_due().await.ok().flatten()
    }

    /// Readings of its queues.
    pub(crate) fn readings(&self, app: &str, out: &mut Vec<Reading>) {
        for (queue, stats) in self.workers.stats() {
            for (name, value) in [
                ("basalt_queue_done_total", stats.done),
                ("basalt_queue_failed_total", stats.failed),
                ("basalt_queue_dead_total", stats.dead),
                ("basalt_queue_stale_total", stats.stale),
            ] {
                let labels = vec![("app", app.to_owned()), ("queue", queue.to_string())];
                let value = value as f64;
                out.push(Reading {
                    name,
                    labels,
                    value,
                });
            }
        }
    }
}

/// Readings of how the queues of an app stand.
pub(crate) async fn stands(app: &str, jobs: &Jobs, out: &mut Vec<Reading>) {
    let queue = jobs.queue();
    let Ok(stands) = queue.stands().await else {
        return;
    };
    let now = queue.clock().now();
    for stand in stands {
        let label = || vec![("app", app.to_owned()), ("queue", stand.queue.to_string())];
        for (state, count) in [
            ("waiting", stand.waiting),
            ("leased", stand.leased),
            ("held", stand.held),
            ("dead", stand.dead),
        ] {
            let mut labels = label();
            labels.push(("state", state.to_owned()));
            out.push(Reading {
                name: "basalt_queue_tasks",
                labels,
                value: count as f64,
            });
        }
        let late = stand.next_due.map_or(Duration::ZERO, |due| now.since(due));
        out.push(Reading {
            name: "basalt_queue_late_seconds",
            labels: label(),
            value: late.as_secs_f64(),
        });
    }
}

/// Stops the work of an app that is closed, and waits until nobody uses it any more; says whether
/// that is so. Whoever does may still put tasks.
pub(crate) async fn finish(
    work: Background,
    app: Arc<App>,
    mut stopping: watch::Receiver<bool>,
) -> bool {
    work.stop(CLOSE_GRACE).await;
    let unused = async {
        while Arc::strong_count(&app) > 1 {
            tokio::time::sleep(CLOSE_POLL).await;
        }
    };
    tokio::select! {
        unused = tokio::time::timeout(CLOSE_GRACE, unused) => unused.is_ok(),
        // The server stops: requests are over.
        _ = stopping.wait_for(|yes| *yes) => true,
    }
}

/// Apps that are being closed. The server waits for them when it stops: they hold the store.
pub(crate) struct Closing {
    tasks: Mutex<JoinSet<()>>,
    stoppers: Mutex<Vec<Stopper>>,
    stopping: watch::Sender<bool>,
}

impl Default for Closing {
    fn default() -> Self {
        Self {
            tasks: Mutex::default(),
            stoppers: Mutex::default(),
            stopping: watch::Sender::new(false),
        }
    }
}

impl Closing {
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    pub(crate) fn spawn(&self, stopper: Stopper, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        while let Some(ended) = tasks.try_join_next() {
            tell_panic(&ended);
        }
        let mut stoppers = self.stoppers.lock();
        stoppers.retain(Stopper::is_of_use);
        stoppers.push(stopper);
        tasks.spawn(task);
    }

    /// Waits until all are closed; what runs in them may go on for `grace`.
    pub(crate) async fn wait(&self, grace: Duration) {
        self.stopping.send_replace(true);
        for stopper in self.stoppers.lock().drain(..) {
            stopper.stop(grace);
        }
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        while let Some(ended) = tasks.join_next().await {
            tell_panic(&ended);
        }
    }
}

fn tell_panic(ended: &Result<(), JoinError>) {
    if ended.is_err() {
        tracing::error!("closing an app panicked");
    }
}

/// Opens apps whose work is due, until it is told to stop. First looks at those of which nobody
/// knows. Not to be aborted: an app may be half open on another thread.
pub(crate) async fn wake_apps(table: Arc<AppTable>, mut stop: watch::Receiver<bool>) {
    let mut peers = table.peers();
    let longest = peers.as_ref().map_or(WAKE_ALONE, |_| WAKE);
    let mut unknown = true;
    while !*stop.borrow() {
        if unknown && let Err(error) = table.note_unknown(&stop).await {
            tracing::warn!(?error, "the apps with due work can't be read");
        }
        let mut pause = longest;
        match table.due_apps().await {
            Ok((ids, next)) => {
                pause = pause.min(next.unwrap_or(longest));
                for id in ids {
                    if let Err(error) = table.app(&id).await {
                        tracing::warn!(app = id, ?error, "an app with due work can't be opened");
                        pause = pause.min(WAKE);
                    }
                }
            }
            Err(error) => {
                tracing::warn!(?error, "the apps with due work can't be read");
                pause = WAKE;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause.max(WAKE_LEAST)) => {}
            () = table.wakes.notified() => {}
            _ = stop.changed() => {}
        }
        // Nobody does the work of apps that only a node had open that is gone.
        let now = table.peers();
        let here = now.as_deref().unwrap_or_default();
        let known = peers.iter().flatten();
        unknown = known.into_iter().any(|id| !here.contains(id));
        peers = now;
    }
}
