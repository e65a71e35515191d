//! Code that users deployed, in a jailed worker process of its app.
//!
//! One worker runs one version of an app's code. A new version is loaded in a worker of its own,
//! and takes over when it has declared what it has; the old one ends when nobody waits for it any
//! more. A worker that crashes or hangs costs the runs that are in it, and is started again with
//! the next one, later and later if it goes on like that.

mod declared;
mod link;
mod meter;
mod start;

pub use declared::Declared;
pub use meter::{Run, Sums};
pub use start::WORKER;

use crate::admission::Admission;
use crate::errors;
use crate::log::Logs;
use basalt_base::{AppId, BoxFuture, Clock, Monotonic, Result};
use basalt_data::Call;
use basalt_sandbox::frame::{Bundle, Outcome};
use basalt_sandbox::{Jail, Level, Program};
use link::{Link, Order};
use meter::Meter;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// What code asks the server for, beyond computing; answered by the composition root, with the
/// same permissions as any other door.
pub trait Backend: Send + Sync {
    /// Answers with JSON; an error is JSON too. `what` is `rest`, `fetch` or `progress`.
    fn ask<'a>(
        &'a self,
        call: &'a Call,
        what: &'a str,
        body: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, Vec<u8>>>;
}

/// What isolates need from outside.
#[derive(Clone)]
pub struct IsolateDeps {
    /// The app.
    pub app: AppId,
    /// What workers are started from.
    pub program: Program,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The app's logs.
    pub logs: Logs,
    /// What code asks.
    pub backend: Arc<dyn Backend>,
}

/// Limits of the code of one app.
#[derive(Clone, Debug)]
pub struct IsolateOptions {
    /// How long a function or trigger may take.
    pub time_max: Duration,
    /// How long code may run without a pause.
    pub slice_max: Duration,
    /// Most bytes that code may hold.
    pub memory_bytes_max: usize,
    /// Most runs at once that no other run has caused.
    pub calls_max: usize,
    /// What must at least stand between code and the machine.
    pub isolation_min: Level,
}

impl Default for IsolateOptions {
    fn default() -> Self {
        Self {
            time_max: Duration::from_secs(30),
            slice_max: Duration::from_secs(5),
            memory_bytes_max: 128 * 1024 * 1024,
            calls_max: 256,
            isolation_min: Level::Filter,
        }
    }
}

/// The code of one app. Cheap to clone.
#[derive(Clone)]
pub struct Isolates {
    inner: Arc<Inner>,
}

struct Inner {
    deps: IsolateDeps,
    options: IsolateOptions,
    admission: Admission,
    meter: Meter,
    state: tokio::sync::Mutex<State>,
    /// The worker that runs now, for those who need not start one.
    current: Mutex<Option<Arc<Link>>>,
}

#[derive(Default)]
struct State {
    bundle: Option<Arc<Bundle>>,
    /// How often in a row a worker ended soon after its start.
    failures: u32,
    started: Option<Monotonic>,
}

/// A version that is loaded and not yet in force.
pub struct Prepared {
    link: Arc<Link>,
    bundle: Arc<Bundle>,
    /// What it declares.
    pub declared: Declared,
}

/// One run: what is called and what it is told.
pub(crate) struct Task<'a> {
    pub kind: &'a str,
    pub name: &'a str,
    pub request: Vec<u8>,
    /// `None`: as long as the options say.
    pub time_max: Option<Duration>,
}

/// What a run answered.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The answer: `{"success": …}`, or `{"error": …}` with the code that it has.
    pub body: Vec<u8>,
    pub code: Option<i32>,
    /// The context, if it was changed.
    pub context: Vec<u8>,
}

/// How often a run looks for another worker when its own takes it no more.
const RETRIES: usize = 3;
/// A worker that lived this long was started well.
const SETTLED: Duration = Duration::from_secs(10);
/// The longest pause before a worker is started again.
const PAUSE_MAX: Duration = Duration::from_secs(10);

impl Isolates {
    /// For one app; nothing is started yet.
    pub fn new(deps: IsolateDeps, options: IsolateOptions) -> Self {
        let inner = Inner {
            admission: Admission::new(options.calls_max),
            meter: Meter::default(),
            state: tokio::sync::Mutex::default(),
            current: Mutex::default(),
            deps,
            options,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Loads a version beside the one in force. Errors: why it can't be loaded, with file, line
    /// and column as far as they are known.
    pub async fn prepare(&self, mut bundle: Bundle) -> Result<Prepared, String> {
        let options = &self.inner.options;
        bundle.memory_bytes_max = options.memory_bytes_max as u64;
        bundle.slice_millis_max = millis(options.slice_max);
        let bundle = Arc::new(bundle);
        let (link, declared) = self.inner.start(&bundle).await?;
        let declared = Declared::read(&declared)?;
        Ok(Prepared {
            link,
            bundle,
            declared,
        })
    }

    /// Puts a version in force. Runs of the one before finish where they are.
    pub async fn commit(&self, prepared: Prepared) {
        let mut state = self.inner.state.lock().await;
        state.bundle = Some(prepared.bundle);
        state.failures = 0;
        state.started = Some(self.inner.deps.clock.monotonic());
        let old = self.inner.current.lock().replace(prepared.link);
        if let Some(old) = old {
            old.retire();
        }
    }

    /// What was used, by function: name and sums, sorted.
    pub fn sums(&self) -> Vec<(String, Sums)> {
        self.inner.meter.sums()
    }

    /// The last runs, newest last.
    pub fn runs(&self) -> Vec<Run> {
        self.inner.meter.runs()
    }

    /// What the worker has achieved against the machine; `None` when none runs.
    pub fn jail(&self) -> Option<Jail> {
        let current = self.inner.current.lock();
        current.as_ref().map(|link| link.jail())
    }

    /// The process of the worker, if one runs.
    pub fn pid(&self) -> Option<u32> {
        let current = self.inner.current.lock();
        current
            .as_ref()
            .filter(|link| !link.is_dead())
            .map(|link| link.pid())
    }

    /// Ends the worker.
    pub fn close(&self) {
        if let Some(link) = self.inner.current.lock().take() {
            link.kill("closed");
        }
    }

    pub(crate) async fn run(&self, call: &Call, task: Task<'_>) -> Result<Answered> {
        let inner = &*self.inner;
        let asked = inner.deps.clock.monotonic();
        // Runs that a run has caused hold no place: theirs is held already.
        let _turn = match call.depth {
            0 => Some(inner.admission.enter().await?),
            _ => None,
        };
        let title = match task.kind {
            "function" => task.name.to_owned(),
            "job" => format!("job:{}", task.name),
            kind => format!("{kind}:{}", task.name),
        };
        let first = inner.link().await;
        let begun = inner.deps.clock.monotonic();
        let mut run = Run {
            name: title,
            queue: begun.since(asked),
            ..Run::default()
        };
        let result = match first {
            Ok(link) => self.on(link, call, task, &mut run).await,
            Err(error) => Err(error),
        };
        run.time = inner.deps.clock.monotonic().since(begun);
        run.failed = !matches!(&result, Ok(answered) if answered.code.is_none());
        if let Err(error) = &result {
            run.outcome = error.reason().name();
        } else if run.failed {
            run.outcome = "error";
        }
        inner.meter.count(run);
        result
    }

    async fn on(
        &self,
        mut link: Arc<Link>,
        call: &Call,
        task: Task<'_>,
        run: &mut Run,
    ) -> Result<Answered> {
        let time_max = task.time_max.unwrap_or(self.inner.options.time_max);
        let mut inside = call.clone();
        inside.depth += 1;
        run.bytes_in = task.request.len();
        // Another version may take over, or the worker end, while this one was on its way there.
        let mut begun = link.invoke(inside.clone(), &task, time_max);
        for _ in 0..RETRIES {
            if begun.is_some() {
                break;
            }
            link = self.inner.link().await?;
            begun = link.invoke(inside.clone(), &task, time_max);
        }
        let (id, answer) = begun.ok_or_else(errors::code_crashed)?;
        // Whoever stops waiting has it cancelled.
        let waiting = link::Waiting::new(&link, id);
        let Ok(answer) = tokio::time::timeout(time_max, answer).await else {
            return Err(errors::code_slow());
        };
        waiting.over();
        let Ok(done) = answer else {
            return Err(errors::code_crashed());
        };
        run.cpu_micros = done.cpu_micros;
        run.memory_bytes = done.memory_bytes;
        run.bytes_out = done.body.len();
        match done.outcome {
            Outcome::Success => Ok(Answered {
                body: done.body,
                code: None,
                context: done.context,
            }),
            Outcome::Error => Ok(declared::error(&done.body)),
            Outcome::Interrupted => Err(errors::code_stopped()),
            Outcome::OutOfMemory => Err(errors::code_memory()),
        }
    }
}

impl Inner {
    /// The worker of the version in force, started if there is none.
    async fn link(&self) -> Result<Arc<Link>> {
        if let Some(link) = &*self.current.lock()
            && !link.is_dead()
        {
            return Ok(Arc::clone(link));
        }
        let mut state = self.state.lock().await;
        if let Some(link) = &*self.current.lock()
            && !link.is_dead()
        {
            return Ok(Arc::clone(link));
        }
        let bundle = state.bundle.clone().ok_or_else(errors::code_crashed)?;
        let now = self.deps.clock.monotonic();
        let lived = state.started.map(|started| now.since(started));
        if lived.is_some_and(|lived| lived >= SETTLED) {
            state.failures = 0;
        }
        let pause = Duration::from_millis(50 << state.failures.min(10)).min(PAUSE_MAX);
        if state.failures > 1 && lived.is_some_and(|lived| lived < pause) {
            return Err(errors::code_paused());
        }
        state.failures += 1;
        state.started = Some(now);
        let started = self.start(&bundle).await;
        let (link, _) = started.map_err(|message| {
            tracing::error!(app = %self.deps.app, message, "the worker of an app can't be started");
            errors::code_crashed()
        })?;
        *self.current.lock() = Some(Arc::clone(&link));
        Ok(link)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(link) = self.current.get_mut().take() {
            link.kill("closed");
        }
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

fn invoke(id: u64, task: &Task<'_>, time_max: Duration) -> Order {
    Order::Invoke {
        id,
        millis_max: millis(time_max),
        kind: task.kind.to_owned(),
        name: task.name.to_owned(),
        request: task.request.clone(),
    }
}
