//! The engine of one app: hooks as `data` calls them, functions as clients do.

mod code;
mod durable;
mod run;
mod triggers;
mod users;

pub use durable::{DELIVERIES_QUEUE, EVENT_HEADER};

use crate::admission::Admission;
use crate::hook::{Hook, NewHook, On};
use crate::invocation::{Reply, What, Wire};
use crate::log::Logs;
use crate::rate::{RateLimits, RateRequest, RateRule};
use crate::registry::Registry;
use crate::{Outside, errors, rows};
use arc_swap::{ArcSwap, ArcSwapOption};
use basalt_base::{AppId, Clock, Map, Reason, Result, Rng, Secret, Value};
use basalt_data::Call;
use basalt_store::AppStore;
use std::sync::Arc;
use std::time::Duration;

/// What the engine needs from outside.
#[derive(Clone)]
pub struct Deps {
    /// The app.
    pub app: AppId,
    /// Its store.
    pub store: Arc<dyn AppStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Makes the ids of events.
    pub rng: Arc<dyn Rng>,
    /// The protocol of webhooks.
    pub wire: Arc<dyn Wire>,
    /// The way to webhooks.
    pub outside: Outside,
    /// The app's logs.
    pub logs: Logs,
}

/// Settings of one app.
#[derive(Clone, Debug)]
pub struct Options {
    /// Proves to webhooks who calls.
    pub webhook_key: Option<Secret>,
    /// How long one call of a webhook may take, waiting for its turn included.
    pub call_time_max: Duration,
    /// Most webhooks of the app that run at once.
    pub calls_max: usize,
    /// How deep hooks may be within each other.
    pub depth_max: usize,
    /// How often paths may be asked for.
    pub rate_limits: Vec<RateRule>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            webhook_key: None,
            call_time_max: Duration::from_secs(15),
            calls_max: 64,
            depth_max: 16,
            rate_limits: Vec::new(),
        }
    }
}

/// Hooks and functions of one app. Cheap to clone.
#[derive(Clone)]
pub struct Functions {
    inner: Arc<Inner>,
}

struct Inner {
    deps: Deps,
    options: Options,
    /// Replaced as a whole when a hook is declared or removed, here or on another node.
    registry: ArcSwap<Registry>,
    /// The app's own code, if it has any.
    code: ArcSwapOption<code::Code>,
    /// Held while the registry is read again, so that an older state never replaces a newer one.
    loading: tokio::sync::Mutex<()>,
    admission: Admission,
    rates: RateLimits,
    /// The rules of the settings and of validators.
    rules: ArcSwap<Vec<RateRule>>,
}

impl Functions {
    /// The engine of an app with the hooks that its store holds.
    pub async fn open(deps: Deps, options: Options) -> Result<Self> {
        let functions = Self {
            inner: Arc::new(Inner {
                registry: ArcSwap::default(),
                code: ArcSwapOption::empty(),
                loading: tokio::sync::Mutex::default(),
                admission: Admission::new(options.calls_max),
                rates: RateLimits::new(Arc::clone(&deps.clock)),
                rules: ArcSwap::from_pointee(options.rate_limits.clone()),
                deps,
                options,
            }),
        };
        functions.reload().await?;
        Ok(functions)
    }

    /// Reads the hooks again: after a change here, and when another node made one.
    pub async fn reload(&self) -> Result<()> {
        let inner = &*self.inner;
        let _loading = inner.loading.lock().await;
        let mut hooks = rows::load(&*inner.deps.store, &*inner.deps.wire).await?;
        if hooks.iter().any(|hook| hook.durable) && !self.has_queue().await? {
            tracing::warn!(app = %inner.deps.app, "this store has no queue; durable hooks run once");
            for hook in &mut hooks {
                hook.durable = false;
            }
        }
        if let Some(code) = &*inner.code.load() {
            // Webhooks take the place of code of the same name.
            hooks.splice(0..0, code.hooks.iter().cloned());
        }
        let mut rules = inner.options.rate_limits.clone();
        rules.extend(hooks.iter().filter_map(Hook::rate_rule));
        inner.rules.store(Arc::new(rules));
        inner.registry.store(Arc::new(Registry::new(hooks)));
        Ok(())
    }

    /// Whether the store can keep what durable hooks are told.
    async fn has_queue(&self) -> Result<bool> {
        match self.inner.deps.store.queue(DELIVERIES_QUEUE).await {
            Ok(_) => Ok(true),
            Err(e) if e.reason() == Reason::CommandUnavailable => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Whether a change in this collection calls for [`Self::reload`].
    pub fn lives_by(collection: &str) -> bool {
        collection == rows::COLLECTION
    }

    /// Whether there is any hook or function.
    pub fn is_empty(&self) -> bool {
        self.inner.registry.load().is_empty()
    }

    /// The logs of the app.
    pub fn logs(&self) -> &Logs {
        &self.inner.deps.logs
    }

    /// All functions, by name.
    pub fn functions(&self) -> Vec<Arc<Hook>> {
        self.inner.registry.load().functions()
    }

    /// All triggers, by collection and kind.
    pub fn triggers(&self) -> Vec<Arc<Hook>> {
        self.inner.registry.load().triggers()
    }

    /// The hook that is declared for this.
    pub fn hook(&self, on: &On) -> Option<Arc<Hook>> {
        self.inner.registry.load().get(on).cloned()
    }

    /// Declares a hook, the first one for this or (`replace`) in the place of another one. Errors:
    /// `InvalidHook`, `DuplicateValue` when another one was declared at the same time.
    pub async fn declare(&self, hook: &NewHook, replace: bool) -> Result<()> {
        let inner = &*self.inner;
        hook.check()?;
        if let Some(validator) = &hook.validator {
            inner.deps.wire.validator(validator)?;
        }
        if hook.durable && !self.has_queue().await? {
            let text = "durable hooks need a store with a queue";
            return Err(errors::declaration(text));
        }
        let known = self.hook(&hook.on).filter(|_| replace);
        let known = known.as_ref().map(|hook| &*hook.id);
        let now = inner.deps.clock.now();
        rows::save(&*inner.deps.store, hook, known, now).await?;
        self.reload().await
    }

    /// Removes a hook; one that is not there is no error.
    pub async fn remove(&self, on: &On) -> Result<()> {
        let inner = &*self.inner;
        let Some(hook) = self.hook(on) else {
            return Ok(());
        };
        let now = inner.deps.clock.now();
        match rows::remove(&*inner.deps.store, &hook.id, now).await {
            Err(e) if e.reason() == Reason::ObjectNotFound => {}
            other => other?,
        }
        self.reload().await
    }

    /// Counts a request by the rules about it. Errors: `RequestLimit`.
    pub fn check_rate(&self, request: &RateRequest<'_>) -> Result<()> {
        let rules = self.inner.rules.load();
        if rules.is_empty() {
            return Ok(());
        }
        self.inner.rates.check(&rules, request)
    }

    /// Whether requests are counted at all.
    pub fn has_rate_limits(&self) -> bool {
        !self.inner.rules.load().is_empty()
    }

    /// Calls a function; its result, if it has one. Errors: `ScriptFailed` (also for one that does not exist),
    /// `ValidationFailed`, `Overloaded`.
    pub async fn call(&self, call: &Call, name: &str, params: Map) -> Result<Option<Value>> {
        self.run(call, name, params, None).await
    }

    /// Runs a function as a job, which is told the id of the run. Errors: as of [`Self::call`].
    pub async fn call_as_job(
        &self,
        call: &Call,
        name: &str,
        params: Map,
        run_id: &str,
    ) -> Result<Option<Value>> {
        self.run(call, name, params, Some(run_id)).await
    }

    async fn run(
        &self,
        call: &Call,
        name: &str,
        params: Map,
        run_id: Option<&str>,
    ) -> Result<Option<Value>> {
        let hook = self.inner.registry.load().function(name).cloned();
        let hook = hook.ok_or_else(|| errors::unknown_function(name))?;
        let user = self.inner.user(call).await?;
        let mut params = params;
        if let Some(validator) = &hook.validator {
            let subject = users::subject(call, user.as_ref());
            validator.check(&subject, &mut params)?;
        }
        let params = Value::Map(params);
        let what = match run_id {
            Some(id) => What::Job(name, &params, id),
            None => What::Function(name, &params),
        };
        let run = self
            .inner
            .run(&hook, call, what, user.as_ref(), &call.context);
        let result = run.await;
        self.inner.log_function(call, name, &params, &result);
        match result?.0 {
            Reply::Value(value) => Ok(Some(value)),
            _ => Ok(None),
        }
    }
}

impl Hook {
    /// The rule that its validator brings along, with its own path and methods.
    fn rate_rule(&self) -> Option<RateRule> {
        let mut rule = self.validator.as_ref()?.rate.clone()?;
        if rule.path.is_none() {
            let (path, methods) = self.counted()?;
            rule.path = crate::rate::Pattern::parse(&path).ok();
            if rule.methods == crate::Methods::All {
                rule.methods = methods;
            }
        }
        Some(rule)
    }
}
