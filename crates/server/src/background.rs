//! The background work of open apps: their workers, jobs and schedules; and waking apps that are
//! closed when their work is due.

use crate::apps::AppTable;
use basalt_api_parse::{App, Apps};
use basalt_base::{AppId, BoxFuture, Clock, Rng, Timestamp, Value};
use basalt_data::{Call, Principal, Rank};
use basalt_flow::{JobCode, JobRun, Jobs, JobsDeps, Queue, Workers, WorkersDeps};
use basalt_functions::{Functions, On};
use basalt_store::{AppStore, Reading};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// Attempts that run at once in all apps.
const SLOTS: usize = 64;
/// Attempts that run at once in one app.
const APP_CONCURRENCY: usize = 32;
/// How often workers look for what nobody told them of.
const POLL: Duration = Duration::from_secs(5);
/// How often schedules are looked at, if something was written meanwhile.
const SYNC: Duration = Duration::from_secs(2);
/// How often it is looked whether a closed app has work.
const WAKE: Duration = Duration::from_secs(5);

/// What the background work of all apps shares.
#[derive(Clone)]
pub(crate) struct Shared {
    slots: Arc<Semaphore>,
}

impl Default for Shared {
    fn default() -> Self {
        let slots = Arc::new(Semaphore::new(SLOTS));
        Self { slots }
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
        let names = functions.iter().filter_map(|hook| match &hook.on {
            On::Function(name) => Some(name.to_string()),
            On::Trigger(..) => None,
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    fn run(&self, run: JobRun) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(async move {
            let principal = Principal::ranked(self.app.clone(), Rank::Master);
            let call = Call {
                request_id: run.id.clone(),
                ..Call::by(principal)
            };
            match self.functions.call(&call, &run.name, run.params).await {
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
    /// Starts it.
    pub(crate) fn start(app: &App, rng: &Arc<dyn Rng>, shared: &Shared) -> Self {
        let jobs = &app.jobs;
        let deps = WorkersDeps {
            queue: jobs.queue().clone(),
            rng: Arc::clone(rng),
            slots: Arc::clone(&shared.slots),
            concurrency: APP_CONCURRENCY,
            poll: POLL,
        };
        let mut handlers = jobs.handlers();
        handlers.push(app.functions.deliveries());
        let workers = Workers::start(deps, handlers);
        let synced = jobs.clone();
        let syncing = tokio::spawn(async move { synced.keep_synced(SYNC).await });
        Self {
            jobs: jobs.clone(),
            workers,
            syncing,
        }
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

/// Opens apps whose work is due, until it is told to stop. First looks at every app: the hints may
/// be from before a crash. Not to be aborted: an app may be half open on another thread.
pub(crate) async fn wake_apps(table: Arc<AppTable>, mut stop: watch::Receiver<bool>) {
    for id in table.ids() {
        if *stop.borrow() {
            return;
        }
        if let Err(error) = table.note_due(&id).await {
            tracing::warn!(app = id, ?error, "the queues of an app can't be read");
        }
    }
    while !*stop.borrow() {
        match table.due_apps().await {
            Ok(ids) => {
                for id in ids {
                    if let Err(error) = table.app(&id).await {
                        tracing::warn!(app = id, ?error, "an app with due work can't be opened");
                    }
                }
            }
            Err(error) => tracing::warn!(?error, "the apps with due work can't be read"),
        }
        tokio::select! {
            () = tokio::time::sleep(WAKE) => {}
            _ = stop.changed() => {}
        }
    }
}
