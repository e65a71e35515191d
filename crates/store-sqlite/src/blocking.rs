//! A bounded pool of threads for work that would hold up the async ones. Needs no async runtime.

use basalt_base::{Error, Reason, Result};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

/// An idle thread ends after this long, so that a quiet server holds none.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// The pool. Threads start when work waits, up to a limit.
pub(crate) struct Blocking {
    jobs: Sender<Job>,
    waiting: Receiver<Job>,
    threads: Arc<AtomicUsize>,
    idle: Arc<AtomicUsize>,
    threads_max: usize,
}

impl Blocking {
    pub(crate) fn new(threads_max: usize, queue_max: usize) -> Self {
        let (jobs, waiting) = bounded(queue_max.max(1));
        Self {
            jobs,
            waiting,
            threads: Arc::default(),
            idle: Arc::default(),
            threads_max: threads_max.max(1),
        }
    }

    /// Runs the work on a thread and waits for it; `Overloaded` when too much waits already.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (done, result) = tokio::sync::oneshot::channel();
        self.submit(Box::new(move || {
            // The caller may have gone away; then nobody wants the result.
            let _ = done.send(work());
        }))?;
        result
            .await
            .unwrap_or_else(|_| Err(Error::internal("a worker thread of the store panicked")))
    }

    /// Runs the work on a thread without waiting for it.
    pub(crate) fn start(&self, work: impl FnOnce() + Send + 'static) -> Result<()> {
        self.submit(Box::new(work))
    }

    fn submit(&self, job: Job) -> Result<()> {
        match self.jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                return Err(
                    Error::new(Reason::Overloaded, "Too many long queries are waiting.")
                        .with_retry_after(Duration::from_secs(1)),
                );
            }
        }
        let enough = self.idle.load(Ordering::SeqCst) >= self.waiting.len();
        if !enough && self.threads.fetch_add(1, Ordering::SeqCst) < self.threads_max {
            return self.start_thread();
        }
        if !enough {
            self.threads.fetch_sub(1, Ordering::SeqCst);
        }
        Ok(())
    }

    fn start_thread(&self) -> Result<()> {
        let (waiting, threads, idle) = (
            self.waiting.clone(),
            Counted(self.threads.clone()),
            self.idle.clone(),
        );
        let spawned = std::thread::Builder::new()
            .name("store-read".to_owned())
            .spawn(move || {
                let _threads = threads;
                loop {
                    idle.fetch_add(1, Ordering::SeqCst);
                    let job = waiting.recv_timeout(IDLE_MAX);
                    idle.fetch_sub(1, Ordering::SeqCst);
                    let Ok(job) = job else { break };
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                }
            });
        match spawned {
            Ok(_) => Ok(()),
            // The job stays queued for the threads there are; without any, say so.
            Err(_) if self.threads.load(Ordering::SeqCst) > 0 => Ok(()),
            Err(error) => Err(crate::error::io(error)),
        }
    }
}

/// Takes the thread off the count however it ends, also when it never started.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
