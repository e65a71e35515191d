//! One isolate: an engine with a context, the glue, and the code of one bundle.

use crate::glue;
use crate::memory::{Counting, Memory};
use crate::modules::Files;
use crate::shared::{Shared, cpu, now};
use basalt_sandbox::frame::{Bundle, Outcome, Word};
use rquickjs::context::EvalOptions;
use rquickjs::function::{Func, Opt};
use rquickjs::{
    ArrayBuffer, CatchResultExt, CaughtError, Context, Ctx, Function, Object, Persistent, Result,
    Runtime, TypedArray, Value,
};
use std::cell::Cell;
use std::rc::Rc;

/// Most bytes of the engine's stack.
const STACK_BYTES_MAX: usize = 1024 * 1024;
/// How long what is left of a slice that was stopped may still take, in microseconds of the
/// processor.
const REST_MICROS: u64 = 200_000;

/// An isolate with its bundle.
pub struct Isolate {
    // Declared before the runtime: they must be gone before it.
    invoke: Persistent<Function<'static>>,
    settle: Persistent<Function<'static>>,
    fire: Persistent<Function<'static>>,
    context: Context,
    runtime: Runtime,
    memory: Rc<Memory>,
    shared: Rc<Shared>,
    slice_millis: u32,
    /// Whether it could not be stopped.
    spent: Cell<bool>,
}

/// The isolate can't go on; the worker ends, and the server starts another one.
#[derive(Debug)]
pub struct Spent;

impl Isolate {
    /// An isolate that loads a bundle; [`Word::Loaded`] or [`Word::Refused`] say how that ended,
    /// now or later.
    pub fn load(bundle: Bundle, shared: Rc<Shared>) -> std::result::Result<Self, String> {
        let memory = Memory::new(bundle.memory_bytes_max as usize);
        let slice_millis = bundle.slice_millis_max;
        shared.put_files(bundle.files);
        let made = Self::make(&memory, &shared, slice_millis);
        let isolate = made.map_err(|error| error.to_string())?;
        let (entry, about) = (bundle.entry, bundle.about);
        isolate.enter(0, |ctx| {
            let load: Function = ctx.globals().get("__basaltLoad")?;
            ctx.globals().remove("__basaltLoad")?;
            let about = ctx.json_parse(about)?;
            load.call((entry, about))
        });
        Ok(isolate)
    }

    fn make(memory: &Rc<Memory>, shared: &Rc<Shared>, slice_millis: u32) -> Result<Self> {
        let runtime = Runtime::new_with_alloc(Counting(Rc::clone(memory)))?;
        runtime.set_max_stack_size(STACK_BYTES_MAX);
        let watched = Rc::clone(shared);
        runtime.set_interrupt_handler(Some(Box::new(move || {
            let over = watched.is_over();
            if over {
                watched.interrupted.set(true);
            }
            over
        })));
        let files = Files(Rc::clone(shared));
        runtime.set_loader(files.clone(), files);
        let context = Context::full(&runtime)?;
        shared.begin(0, slice_millis);
        let [invoke, settle, fire] = context.with(|ctx| {
            let host = host(&ctx, shared)?;
            let core: Function = part(&ctx, "core")?;
            let made: Object = core.call((host,))?;
            let load: Function = made.get("load")?;
            ctx.globals().set("__basaltLoad", load)?;
            let get = |name: &str| {
                let function: Function = made.get(name)?;
                Ok::<_, rquickjs::Error>(Persistent::save(&ctx, function))
            };
            Ok::<_, rquickjs::Error>([get("invoke")?, get("settle")?, get("fire")?])
        })?;
        Ok(Self {
            invoke,
            settle,
            fire,
            context,
            runtime,
            memory: Rc::clone(memory),
            shared: Rc::clone(shared),
            slice_millis,
            spent: Cell::new(false),
        })
    }

    /// Runs something. Errors: the isolate is spent.
    pub fn invoke(
        &self,
        id: u64,
        kind: &str,
        name: &str,
        request: Vec<u8>,
    ) -> std::result::Result<(), Spent> {
        self.enter(id, |ctx| {
            let invoke = self.invoke.clone().restore(&ctx)?;
            let request = ctx.json_parse(request)?;
            invoke.call((id as f64, kind, name, request))
        });
        self.check()
    }

    /// Hands over the answer to a call. Errors: the isolate is spent.
    pub fn settle(&self, call: u64, ok: bool, body: Vec<u8>) -> std::result::Result<(), Spent> {
        let Some(id) = self.shared.answered(call) else {
            return Ok(());
        };
        self.enter(id, |ctx| {
            let settle = self.settle.clone().restore(&ctx)?;
            let body = ctx.json_parse(body)?;
            settle.call((call as f64, ok, body))
        });
        self.check()
    }

    /// Lets calls be forgotten that nobody will answer.
    pub fn forget(&self, calls: Vec<u64>) {
        for call in calls {
            self.enter(0, |ctx| {
                let settle = self.settle.clone().restore(&ctx)?;
                settle.call((call as f64, Opt::<bool>(None)))
            });
        }
    }

    /// Fires a timer. Errors: the isolate is spent.
    pub fn fire(&self, id: u64, number: u64) -> std::result::Result<(), Spent> {
        self.enter(id, |ctx| {
            let fire = self.fire.clone().restore(&ctx)?;
            fire.call((number as f64,))
        });
        self.check()
    }

    /// Runs code on behalf of an invocation, and everything that is ready after it.
    fn enter(&self, id: u64, code: impl FnOnce(Ctx<'_>) -> Result<()>) {
        self.shared.begin(id, self.slice_millis);
        let failed = self.context.with(|ctx| {
            let outcome = code(ctx.clone()).catch(&ctx);
            outcome.err().map(|error| described(&error))
        });
        let spent = self.drain();
        if let Some(message) = failed.or(spent.then(String::new)) {
            self.fail(id, &message);
        } else if self.shared.interrupted.get() {
            self.fail(id, "");
        }
        self.shared.end(self.memory.used());
    }

    /// Runs what is ready. Whether it had to be stopped.
    fn drain(&self) -> bool {
        let mut stopped = None;
        loop {
            // A job that throws has told whoever waits for it.
            if let Ok(false) = self.runtime.execute_pending_job() {
                return stopped.is_some();
            }
            if !self.shared.is_over() {
                continue;
            }
            self.shared.interrupted.set(true);
            let time = cpu();
            if time > *stopped.get_or_insert(time) + REST_MICROS {
                // It makes more work whatever is stopped.
                self.fail(self.shared.current.get(), "");
                self.spent.set(true);
                return true;
            }
        }
    }

    /// An invocation, or loading, has failed in a way that the glue could not tell.
    fn fail(&self, id: u64, message: &str) {
        let interrupted = self.shared.interrupted.get();
        if id == 0 {
            let message = match message {
                _ if interrupted => "The code did not finish loading in time.",
                "" => "The code could not be loaded.",
                message => message,
            };
            self.shared.say(&Word::Refused {
                message: message.to_owned(),
            });
            return;
        }
        let outcome = if interrupted {
            Outcome::Interrupted
        } else if self.memory.is_exhausted() || message.contains("out of memory") {
            Outcome::OutOfMemory
        } else {
            Outcome::Error
        };
        let quoted: String = message
            .chars()
            .filter(|c| !c.is_control() && !matches!(c, '"' | '\\'))
            .take(500)
            .collect();
        let body = format!("{{\"code\":141,\"message\":\"{quoted}\"}}");
        self.shared.done(id, outcome, body.into_bytes(), Vec::new());
    }

    /// Whether this isolate can go on: its work could be stopped and its memory suffices.
    fn check(&self) -> std::result::Result<(), Spent> {
        if self.spent.get() {
            return Err(Spent);
        }
        if self.memory.take_refused() || self.memory.is_exhausted() {
            self.runtime.run_gc();
            if self.memory.is_exhausted() {
                return Err(Spent);
            }
        }
        Ok(())
    }
}

fn described(error: &CaughtError<'_>) -> String {
    match error {
        CaughtError::Exception(exception) => {
            let message = exception.message().unwrap_or_default();
            let stack = exception.stack().unwrap_or_default();
            let place = stack.lines().next().unwrap_or_default().trim();
            format!("{message} {place}").trim().to_owned()
        }
        CaughtError::Value(_) => "Something that is no error was thrown.".to_owned(),
        CaughtError::Error(error) => error.to_string(),
    }
}

/// Compiles and evaluates a part of the glue.
fn part<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Function<'js>> {
    let source = glue::part(name).ok_or_else(|| rquickjs::Error::new_loading(name))?;
    let mut options = EvalOptions::default();
    options.filename = Some(format!("basalt:{name}"));
    ctx.eval_with_options(source, options)
}

/// The functions by which the glue reaches the worker. None of them is ever visible to code.
fn host<'js>(ctx: &Ctx<'js>, shared: &Rc<Shared>) -> Result<Object<'js>> {
    let host = Object::new(ctx.clone())?;
    host.set(
        "part",
        Func::from(|ctx: Ctx<'js>, name: String| part(&ctx, &name)),
    )?;
    let own = Rc::clone(shared);
    host.set(
        "call",
        Func::from(move |what: String, body: String| {
            own.call(what, body.into_bytes())
                .map_or(0.0, |call| call as f64)
        }),
    )?;
    let own = Rc::clone(shared);
    host.set(
        "done",
        Func::from(move |id: f64, ok: bool, body: String, context: String| {
            let outcome = if ok { Outcome::Success } else { Outcome::Error };
            own.done(id as u64, outcome, body.into_bytes(), context.into_bytes());
        }),
    )?;
    let own = Rc::clone(shared);
    host.set(
        "loaded",
        Func::from(move |declared: String| {
            own.say(&Word::Loaded {
                declared: declared.into_bytes(),
            });
        }),
    )?;
    let own = Rc::clone(shared);
    host.set(
        "refused",
        Func::from(move |message: String| own.say(&Word::Refused { message })),
    )?;
    let own = Rc::clone(shared);
    host.set(
        "log",
        Func::from(move |level: String, text: String| own.log(&level, text)),
    )?;
    let own = Rc::clone(shared);
    host.set(
        "setTimer",
        Func::from(move |number: f64, millis: f64| own.set_timer(number as u64, millis)),
    )?;
    let own = Rc::clone(shared);
    host.set(
        "clearTimer",
        Func::from(move |number: f64| own.clear_timer(number as u64)),
    )?;
    let own = Rc::clone(shared);
    host.set("current", Func::from(move || own.current.get() as f64))?;
    host.set("now", Func::from(|| now() as f64 / 1_000.0))?;
    texts(ctx, &host, shared)?;
    Ok(host)
}

/// Files, texts, bytes and randomness.
fn texts<'js>(ctx: &Ctx<'js>, host: &Object<'js>, shared: &Rc<Shared>) -> Result<()> {
    let own = Rc::clone(shared);
    host.set(
        "file",
        Func::from(move |path: String| {
            let file = own.files.borrow().get(&path).cloned();
            file.map(|content| String::from_utf8_lossy(&content).into_owned())
        }),
    )?;
    host.set(
        "script",
        Func::from(|ctx: Ctx<'js>, source: String, name: String| {
            let mut options = EvalOptions::default();
            options.filename = Some(name);
            options.strict = false;
            ctx.eval_with_options::<Value, _>(source, options)
        }),
    )?;
    host.set(
        "import",
        Func::from(|ctx: Ctx<'js>, name: String| rquickjs::Module::import(&ctx, name)),
    )?;
    host.set(
        "encode",
        Func::from(|ctx: Ctx<'js>, text: String| TypedArray::<u8>::new(ctx, text.into_bytes())),
    )?;
    host.set(
        "decode",
        Func::from(|bytes: TypedArray<'js, u8>| text_of(&bytes)),
    )?;
    host.set(
        "random",
        Func::from(|ctx: Ctx<'js>, count: usize| {
            let mut bytes = vec![0; count.min(65_536)];
            let flags = rustix::rand::GetRandomFlags::empty();
            let filled = rustix::rand::getrandom(bytes.as_mut_slice(), flags);
            // Half-random bytes would be worse than none.
            if filled.ok() != Some(bytes.len()) {
                return Err(rquickjs::Exception::throw_internal(&ctx, "no randomness"));
            }
            ArrayBuffer::new(ctx, bytes)
        }),
    )?;
    let _ = ctx;
    Ok(())
}

#[expect(unsafe_code, reason = "reading the bytes of a typed array")]
fn text_of(bytes: &TypedArray<'_, u8>) -> String {
    // SAFETY: no code runs, and nothing else reaches the buffer, until the text is made.
    let bytes = unsafe { bytes.as_bytes() }.unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}
