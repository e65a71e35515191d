//! The server's end of one worker.

pub(super) use basalt_sandbox::frame::Order;

use super::{Backend, Task};
use crate::log::{Level, Logs};
use basalt_base::{Clock, Map, Monotonic, Value};
use basalt_data::Call;
use basalt_sandbox::Jail;
use basalt_sandbox::frame::{Decoder, Outcome, Word};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::process::Child;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

/// How late a worker may be before it counts as hung.
const LATE_MAX: Duration = Duration::from_millis(700);
/// How often a busy worker is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// What a worker may need beside what its code holds, in bytes.
const BESIDE_BYTES: u64 = 64 * 1024 * 1024;
/// Requests of one run that are answered at once; further ones wait.
const ASKS_AT_ONCE: usize = 32;
/// Most bytes that wait for a worker to read them.
const UNSENT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most calls of a worker that wait for their answers, and most bytes of them. The worker itself
/// takes fewer from code; one that passes this was taken over.
const ASKED_MAX: usize = 20_000;
const ASKED_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most runs whose rest is looked after.
const OPEN_MAX: usize = 10_000;

/// How a run ended.
#[derive(Debug)]
pub(super) struct Done {
    pub outcome: Outcome,
    pub body: Vec<u8>,
    pub context: Vec<u8>,
    pub cpu_micros: u64,
    pub memory_bytes: u64,
}

/// A run in the worker.
struct Pending {
    answer: Option<oneshot::Sender<Done>>,
    call: Arc<Call>,
    until: Monotonic,
    asks: Arc<Semaphore>,
}

/// What a link needs to know.
pub(super) struct LinkDeps {
    pub clock: Arc<dyn Clock>,
    pub logs: Logs,
    pub backend: Arc<dyn Backend>,
    pub memory_bytes_max: u64,
    pub app: String,
}

pub(super) struct Link {
    deps: LinkDeps,
    socket: UnixStream,
    /// What the socket did not take at once.
    unsent: Mutex<Vec<u8>>,
    writable: Notify,
    pending: Mutex<HashMap<u64, Pending>>,
    busy: Notify,
    asked: AtomicUsize,
    asked_bytes: AtomicUsize,
    next: AtomicU64,
    child: Mutex<Option<Child>>,
    pid: u32,
    jail: OnceLock<Jail>,
    dead: AtomicBool,
    retired: AtomicBool,
    /// Retired, and nobody waits for it: it takes nothing any more.
    sealed: AtomicBool,
    ended: Notify,
}

impl Link {
    /// Looks after a worker that was just started. What it says of loading goes to `loading`.
    pub fn begin(
        deps: LinkDeps,
        child: Child,
        socket: UnixStream,
        loading: mpsc::UnboundedSender<Word>,
    ) -> Arc<Self> {
        let link = Arc::new(Self {
            deps,
            socket,
            unsent: Mutex::default(),
            writable: Notify::new(),
            pending: Mutex::default(),
            busy: Notify::new(),
            asked: AtomicUsize::new(0),
            asked_bytes: AtomicUsize::new(0),
            next: AtomicU64::new(1),
            pid: child.id(),
            child: Mutex::new(Some(child)),
            jail: OnceLock::new(),
            dead: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            sealed: AtomicBool::new(false),
            ended: Notify::new(),
        });
        tokio::spawn(Arc::clone(&link).read(loading));
        tokio::spawn(Arc::clone(&link).write());
        tokio::spawn(Arc::clone(&link).watch());
        link
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn jail(&self) -> Jail {
        self.jail.get().copied().unwrap_or_default()
    }

    pub fn set_jail(&self, jail: Jail) {
        let _ = self.jail.set(jail);
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// The calls of code that is being loaded are on behalf of this one.
    pub fn admit_loading(&self, call: Call, time_max: Duration) {
        self.admit(0, call, time_max, None);
    }

    /// Loading is over.
    pub fn loaded(&self) {
        self.pending.lock().remove(&0);
    }

    /// Whether the worker still takes it.
    fn admit(
        &self,
        id: u64,
        call: Call,
        time_max: Duration,
        answer: Option<oneshot::Sender<Done>>,
    ) -> bool {
        let pending = Pending {
            answer,
            call: Arc::new(call),
            until: self.deps.clock.monotonic().after(time_max),
            asks: Arc::new(Semaphore::new(ASKS_AT_ONCE)),
        };
        let mut all = self.pending.lock();
        // Asked while holding the lock: whoever ends the worker does it the other way around.
        if self.sealed.load(Ordering::Acquire) || self.is_dead() {
            return false;
        }
        all.insert(id, pending);
        drop(all);
        self.busy.notify_one();
        true
    }

    /// Begins a run; its number, and where its answer comes. `None` when the worker takes none any
    /// more; then it has not begun.
    pub fn invoke(
        &self,
        call: Call,
        task: &Task<'_>,
        time_max: Duration,
    ) -> Option<(u64, oneshot::Receiver<Done>)> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, receiver) = oneshot::channel();
        if !self.admit(id, call, time_max, Some(answer)) {
            return None;
        }
        self.send(&super::invoke(id, task, time_max));
        Some((id, receiver))
    }

    /// Sends an order, or keeps it until the worker reads on.
    pub fn send(&self, order: &Order) {
        let mut frame = Vec::with_capacity(256);
        order.write(&mut frame);
        let mut unsent = self.unsent.lock();
        if unsent.is_empty() {
            let written = self.socket.try_write(&frame).unwrap_or(0);
            if written == frame.len() {
                return;
            }
            frame.drain(..written);
        }
        unsent.extend_from_slice(&frame);
        let full = unsent.len() > UNSENT_BYTES_MAX;
        drop(unsent);
        self.writable.notify_one();
        if full {
            self.kill("it does not read");
        }
    }

    /// Writes what was not taken at once.
    async fn write(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.writable.notified() => {}
                () = self.ended.notified() => {
                    self.ended.notify_waiters();
                    return;
                }
            }
            loop {
                if self.is_dead() {
                    return;
                }
                if self.socket.writable().await.is_err() {
                    return;
                }
                let mut unsent = self.unsent.lock();
                if let Ok(written) = self.socket.try_write(&unsent) {
                    unsent.drain(..written);
                }
                if unsent.is_empty() {
                    *unsent = Vec::new();
                    break;
                }
            }
        }
    }

    /// Reads what the worker says until it ends.
    async fn read(self: Arc<Self>, loading: mpsc::UnboundedSender<Word>) {
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; 64 * 1024];
        let why = 'reading: loop {
            if self.socket.readable().await.is_err() {
                break "its socket failed";
            }
            match self.socket.try_read(&mut buffer) {
                Ok(0) => break "it ended",
                Ok(count) => decoder.push(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(_) => break "its socket failed",
            }
            loop {
                match decoder.word() {
                    Ok(Some(word)) => self.hear(word, &loading),
                    Ok(None) => break,
                    Err(_) => break 'reading "it does not speak the protocol",
                }
            }
        };
        self.kill(why);
    }

    fn hear(self: &Arc<Self>, word: Word, loading: &mpsc::UnboundedSender<Word>) {
        match word {
            Word::Done {
                id,
                outcome,
                body,
                context,
                cpu_micros,
                memory_bytes,
                open,
            } => {
                let mut pending = self.pending.lock();
                let answer = pending.get_mut(&id).and_then(|own| own.answer.take());
                if !open || pending.len() > OPEN_MAX {
                    pending.remove(&id);
                }
                drop(pending);
                if let Some(answer) = answer {
                    // Whoever asked may be gone.
                    let _ = answer.send(Done {
                        outcome,
                        body,
                        context,
                        cpu_micros,
                        memory_bytes,
                    });
                }
                self.end_if_retired();
            }
            Word::Call {
                call,
                id,
                what,
                body,
            } => self.ask(call, id, what, body),
            Word::Log { id, level, text } => self.log(id, &level, &text),
            Word::Late { .. } => {}
            Word::Ready { .. } | Word::Loaded { .. } | Word::Refused { .. } => {
                let _ = loading.send(word);
            }
        }
    }

    /// Has a call of the code answered.
    fn ask(self: &Arc<Self>, number: u64, id: u64, what: String, body: Vec<u8>) {
        let asked = self.asked.load(Ordering::Relaxed);
        let bytes = self.asked_bytes.load(Ordering::Relaxed) + body.len();
        if asked >= ASKED_MAX || bytes > ASKED_BYTES_MAX {
            return self.kill("it asks for too much at once");
        }
        let own = self
            .pending
            .lock()
            .get(&id)
            .map(|own| (Arc::clone(&own.call), Arc::clone(&own.asks)));
        let Some((call, asks)) = own else {
            let body = br#"{"code":141,"error":"This run is over."}"#.to_vec();
            return self.send(&Order::Answer {
                call: number,
                ok: false,
                body,
            });
        };
        let link = Arc::clone(self);
        let size = body.len();
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.asked_bytes.fetch_add(size, Ordering::Relaxed);
        tokio::spawn(async move {
            if let Ok(_turn) = asks.acquire_owned().await
                && !link.is_dead()
            {
                let answer = link.deps.backend.ask(&call, &what, &body).await;
                let (ok, body) = match answer {
                    Ok(body) => (true, body),
                    Err(body) => (false, body),
                };
                link.send(&Order::Answer {
                    call: number,
                    ok,
                    body,
                });
            }
            link.asked.fetch_sub(1, Ordering::Relaxed);
            link.asked_bytes.fetch_sub(size, Ordering::Relaxed);
        });
    }

    fn log(&self, id: u64, level: &str, text: &str) {
        let mut fields = Map::new();
        if let Some(own) = self.pending.lock().get(&id)
            && !own.call.request_id.is_empty()
        {
            fields.insert("requestId".to_owned(), Value::from(&*own.call.request_id));
        }
        let level = Level::of(level).unwrap_or(Level::Info);
        self.deps.logs.write(level, text, fields);
    }

    /// Nobody waits for a run any more.
    fn cancel(&self, id: u64) {
        if let Some(own) = self.pending.lock().get_mut(&id) {
            own.answer = None;
        }
        self.send(&Order::Cancel { id });
    }

    /// Kills a worker that hangs or takes too much, and forgets runs that are over.
    async fn watch(self: Arc<Self>) {
        let memory_max = self.deps.memory_bytes_max + BESIDE_BYTES;
        while !self.is_dead() {
            if self.pending.lock().is_empty() {
                tokio::select! {
                    () = self.busy.notified() => {}
                    () = self.ended.notified() => {
                        self.ended.notify_waiters();
                        return;
                    }
                }
            }
            tokio::time::sleep(LOOK).await;
            let now = self.deps.clock.monotonic();
            let hung = {
                let mut pending = self.pending.lock();
                let hung = pending
                    .values()
                    .any(|own| own.answer.is_some() && now.since(own.until) > LATE_MAX);
                pending.retain(|_, own| own.answer.is_some() || now < own.until);
                hung
            };
            if hung {
                self.kill("it hangs");
            }
            let resident = basalt_sandbox::usage_of(self.pid).map_or(0, |(bytes, _)| bytes);
            if resident > memory_max {
                self.kill("it takes too much memory");
            }
            self.end_if_retired();
        }
    }

    /// Lets it end when nobody waits for it any more.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.end_if_retired();
    }

    fn end_if_retired(&self) {
        if !self.retired.load(Ordering::Acquire) {
            return;
        }
        let pending = self.pending.lock();
        if pending.is_empty() {
            self.sealed.store(true, Ordering::Release);
            drop(pending);
            self.kill("another version took over");
        }
    }

    /// Ends the worker now; whoever waits for it is told.
    pub fn kill(&self, why: &'static str) {
        if self.dead.swap(true, Ordering::AcqRel) {
            return;
        }
        let child = self.child.lock().take();
        let (pid, app) = (self.pid, self.deps.app.clone());
        if let Some(mut child) = child {
            let _ = child.kill();
            // A killed process is there until it is waited for.
            std::thread::spawn(move || {
                let status = child.wait();
                tracing::info!(app, pid, why, ?status, "a worker has ended");
            });
        }
        self.pending.lock().clear();
        self.ended.notify_waiters();
        self.ended.notify_one();
        self.writable.notify_one();
        self.busy.notify_one();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.kill("nobody needs it");
    }
}

/// Cancels a run unless it is said to be over.
pub(super) struct Waiting<'l> {
    link: &'l Link,
    id: u64,
    over: bool,
}

impl<'l> Waiting<'l> {
    pub fn new(link: &'l Link, id: u64) -> Self {
        Self {
            link,
            id,
            over: false,
        }
    }

    pub fn over(mut self) {
        self.over = true;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.link.cancel(self.id);
        }
    }
}
