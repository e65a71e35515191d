//! Bounded pools of threads for work that would hold up the async ones. Need no async runtime.

use basalt_base::{Error, Reason, Result};
use parking_lot::{Condvar, Mutex};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

/// An idle thread ends after this long, so that a quiet server holds none.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// On whose behalf work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Party(pub(crate) usize);

/// A pool. Threads start when work waits, up to a limit. The parties share them: whoever has the
/// least under way is served next, and one that has nothing under way waits for nobody's long work:
/// it gets a thread beyond the limit, as long as there are fewer than [`BEYOND`] times as many.
pub(crate) struct Blocking {
    hall: Arc<Hall>,
}

/// How many times the limit there may be threads, with those for parties that had none.
const BEYOND: usize = 4;

struct Hall {
    inside: Mutex<Inside>,
    called: Condvar,
    name: &'static str,
    threads_max: usize,
    queue_max: usize,
    idle_max: Duration,
}

#[derive(Default)]
struct Inside {
    /// What waits, and how much of each party's is under way; parties without either are not here.
    parties: HashMap<Party, Line>,
    /// The parties that wait for something, the one that was served last at the end.
    turns: VecDeque<Party>,
    waiting: usize,
    threads: usize,
    idle: usize,
}

#[derive(Default)]
struct Line {
    jobs: VecDeque<Job>,
    running: usize,
}

impl Blocking {
    pub(crate) fn new(name: &'static str, threads_max: usize, queue_max: usize) -> Self {
        Self::with_idle(name, threads_max, queue_max, IDLE_MAX)
    }

    fn with_idle(
        name: &'static str,
        threads_max: usize,
        queue_max: usize,
        idle_max: Duration,
    ) -> Self {
        Self {
            hall: Arc::new(Hall {
                inside: Mutex::default(),
                called: Condvar::new(),
                name,
                threads_max: threads_max.max(1),
                queue_max: queue_max.max(1),
                idle_max,
            }),
        }
    }

    /// Runs the work on a thread and waits for it; `Overloaded` when too much waits already.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        party: Party,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (done, result) = tokio::sync::oneshot::channel();
        let job = move || {
            // The caller may have gone away; then nobody wants the result.
            let _ = done.send(work());
        };
        self.start(party, job)?;
        result
            .await
            .unwrap_or_else(|_| Err(Error::internal("a worker thread of the store panicked")))
    }

    /// Runs the work on a thread without waiting for it.
    pub(crate) fn start(&self, party: Party, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let mut inside = self.hall.inside.lock();
        if !inside.push(party, Box::new(work), self.hall.queue_max) {
            let message = "Too many long queries are waiting.";
            return Err(
                Error::new(Reason::Overloaded, message).with_retry_after(Duration::from_secs(1))
            );
        }
        if inside.idle >= inside.waiting {
            self.hall.called.notify_one();
            return Ok(());
        }
        let most = match inside.parties.get(&party) {
            Some(line) if line.running == 0 && line.jobs.len() == 1 => {
                BEYOND * self.hall.threads_max
            }
            _ => self.hall.threads_max,
        };
        if inside.threads >= most {
            return Ok(());
        }
        inside.threads += 1;
        drop(inside);
        self.start_thread(party)
    }

    fn start_thread(&self, party: Party) -> Result<()> {
        let hall = self.hall.clone();
        let spawned = std::thread::Builder::new()
            .name(self.hall.name.to_owned())
            .spawn(move || hall.work());
        let Err(error) = spawned else { return Ok(()) };
        let mut inside = self.hall.inside.lock();
        inside.threads -= 1;
        // The job stays queued for the threads there are; without any, say so.
        if inside.threads > 0 {
            return Ok(());
        }
        inside.withdraw(party);
        Err(crate::error::io(error))
    }
}

impl Hall {
    fn work(&self) {
        let mut inside = self.inside.lock();
        loop {
            if let Some((party, job)) = inside.take(self.threads_max) {
                parking_lot::MutexGuard::unlocked(&mut inside, || {
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                });
                inside.done(party);
                continue;
            }
            if inside.threads > self.threads_max {
                break;
            }
            inside.idle += 1;
            let waited = self.called.wait_for(&mut inside, self.idle_max);
            inside.idle -= 1;
            // Looked at under the same lock under which work is handed in: none is left behind.
            if waited.timed_out() && inside.waiting == 0 {
                break;
            }
        }
        inside.threads -= 1;
    }
}

impl Inside {
    /// Queues a job unless there is too much. A party that waits for nothing yet is let in beyond
    /// the limit, so that one party can't fill the queue for all.
    fn push(&mut self, party: Party, job: Job, queue_max: usize) -> bool {
        let waits = self.parties.get(&party).is_some_and(|l| !l.jobs.is_empty());
        let most = if waits { queue_max } else { 2 * queue_max };
        if self.waiting >= most {
            return false;
        }
        if !waits {
            self.turns.push_back(party);
        }
        self.parties.entry(party).or_default().jobs.push_back(job);
        self.waiting += 1;
        true
    }

    /// The next job: of those who have the least under way, the one whose turn it is. A thread beyond
    /// the limit works for those only who have nothing under way.
    fn take(&mut self, threads_max: usize) -> Option<(Party, Job)> {
        let running = |party: &Party| self.parties.get(party).map_or(0, |line| line.running);
        let (at, least) = self
            .turns
            .iter()
            .map(running)
            .enumerate()
            .min_by_key(|(_, running)| *running)?;
        if least > 0 && self.threads > threads_max {
            return None;
        }
        let party = self.turns.remove(at)?;
        let line = self.parties.get_mut(&party)?;
        let job = line.jobs.pop_front()?;
        line.running += 1;
        if !line.jobs.is_empty() {
            self.turns.push_back(party);
        }
        self.waiting -= 1;
        Some((party, job))
    }

    fn done(&mut self, party: Party) {
        if let Some(line) = self.parties.get_mut(&party) {
            line.running -= 1;
            if line.running == 0 && line.jobs.is_empty() {
                self.parties.remove(&party);
            }
        }
    }

    /// Takes back what the party handed in last.
    fn withdraw(&mut self, party: Party) {
        let Some(line) = self.parties.get_mut(&party) else {
            return;
        };
        if line.jobs.pop_back().is_none() {
            return;
        }
        self.waiting -= 1;
        if line.jobs.is_empty() {
            self.turns.retain(|waiting| *waiting != party);
            if line.running == 0 {
                self.parties.remove(&party);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const WAIT: Duration = Duration::from_secs(30);

    /// A job that says when it starts and lasts until its sender is dropped.
    fn long(told: &Sender<usize>, number: usize) -> (Sender<()>, impl FnOnce() + Send + use<>) {
        let (hold, held) = channel::<()>();
        let told = told.clone();
        (hold, move || {
            told.send(number).unwrap();
            let _ = held.recv();
        })
    }

    fn next(started: &Receiver<usize>) -> usize {
        started.recv_timeout(WAIT).unwrap()
    }

    #[test]
    fn one_party_does_not_keep_the_others_waiting() {
        let pool = Blocking::new("test", 2, 4);
        let (told, started) = channel();
        let mut holds = Vec::new();
        for number in 0..6 {
            let (hold, job) = long(&told, number);
            pool.start(Party(1), job).unwrap();
            holds.push(hold);
            if number < 2 {
                assert_eq!(next(&started), number);
            }
        }
        // The queue is full for this one, and all threads are its own.
        let refused = pool.start(Party(1), || {}).unwrap_err();
        assert_eq!(refused.reason(), Reason::Overloaded);
        for number in 10..13 {
            let (hold, job) = long(&told, number);
            pool.start(Party(number), job).unwrap();
            assert_eq!(next(&started), number);
            holds.push(hold);
        }
        assert_eq!(pool.hall.inside.lock().threads, 5);
        // The threads beyond the limit end with their work.
        holds.clear();
        let rest: Vec<usize> = (2..6).map(|_| next(&started)).collect();
        assert_eq!(rest, [2, 3, 4, 5]);
        let (told, started) = channel();
        pool.start(Party(1), move || told.send(0).unwrap()).unwrap();
        assert_eq!(next(&started), 0);
    }

    #[test]
    fn the_one_with_the_least_under_way_is_next() {
        let mut inside = Inside::default();
        let mut push = |party: usize| assert!(inside.push(Party(party), Box::new(|| {}), 100));
        for party in [1, 1, 1, 1, 2, 2, 3] {
            push(party);
        }
        let order: Vec<usize> =
            std::iter::from_fn(|| inside.take(100).map(|(party, _)| party.0)).collect();
        assert_eq!(order, [1, 2, 3, 1, 2, 1, 1]);
        for party in order {
            inside.done(Party(party));
        }
        assert!(inside.parties.is_empty() && inside.turns.is_empty() && inside.waiting == 0);
    }

    #[test]
    fn no_job_is_left_behind_by_threads_that_end() {
        let pool = Blocking::with_idle("test", 2, 4, Duration::ZERO);
        let (told, done) = channel();
        for number in 0..2_000 {
            let told = told.clone();
            pool.start(Party(number % 3), move || told.send(number).unwrap())
                .unwrap();
            assert_eq!(next(&done), number);
        }
    }

    #[test]
    fn a_panic_costs_its_own_job_only() {
        let pool = Blocking::new("test", 1, 4);
        let (told, done) = channel();
        pool.start(Party(1), || panic!("as it should")).unwrap();
        pool.start(Party(1), move || told.send(1).unwrap()).unwrap();
        assert_eq!(next(&done), 1);
    }
}
