//! Code of the app itself: putting a version in force, and running it.

use super::run::Ran;
use super::{Functions, Inner};
use crate::hook::{Hook, On};
use crate::invocation::{Invocation, What};
use crate::isolate::{Answered, Declared, Isolates, Prepared, Task};
use crate::{errors, names};
use basalt_base::{Map, Result};
use basalt_data::Call;
use std::sync::Arc;
use std::time::Duration;

/// How long a job may take; the queue gives it the same.
const JOB_TIME_MAX: Duration = Duration::from_hours(24);

/// A version of an app's code that is in force.
pub(super) struct Code {
    isolates: Isolates,
    pub hooks: Vec<Hook>,
    jobs: Vec<String>,
}

impl Functions {
    /// Puts a loaded version in force, with everything that it declares. Errors: why what it
    /// declares can't be; nothing has changed then.
    pub async fn put_code(&self, isolates: &Isolates, prepared: Prepared) -> Result<(), String> {
        let hooks = self.hooks_of(&prepared.declared)?;
        let jobs = prepared.declared.jobs.clone();
        isolates.commit(prepared).await;
        self.inner.code.store(Some(Arc::new(Code {
            isolates: isolates.clone(),
            hooks,
            jobs,
        })));
        self.reload().await.map_err(|error| error.to_string())
    }

    /// The isolates of the app, if it has code.
    pub fn isolates(&self) -> Option<Isolates> {
        let code = self.inner.code.load();
        code.as_ref().map(|code| code.isolates.clone())
    }

    /// The jobs that the app's code declares, sorted.
    pub fn jobs(&self) -> Vec<String> {
        let code = self.inner.code.load();
        code.as_ref()
            .map(|code| code.jobs.clone())
            .unwrap_or_default()
    }

    /// Runs a job of the app's code; `None` when it has none of this name. Errors: what the code
    /// failed with.
    pub async fn run_job(
        &self,
        call: &Call,
        name: &str,
        id: &str,
        params: &Map,
    ) -> Option<Result<Option<String>>> {
        let code = self.inner.code.load_full()?;
        code.jobs.iter().find(|job| *job == name)?;
        let task = Task {
            kind: "job",
            name,
            request: self.inner.deps.wire.job_request(id, params),
            time_max: Some(JOB_TIME_MAX),
        };
        Some(match code.isolates.run(call, task).await {
            Ok(answered) => self.inner.job_message(call, answered),
            Err(error) => Err(error),
        })
    }

    fn hooks_of(&self, declared: &Declared) -> Result<Vec<Hook>, String> {
        let mut hooks = Vec::new();
        for (name, validator) in &declared.functions {
            hooks.push((On::Function(name.as_str().into()), validator));
        }
        for (kind, collection, validator) in &declared.triggers {
            let kind = names::trigger(kind).ok_or_else(|| format!("there is no trigger {kind}"))?;
            if let Some(refusal) = names::refusal(kind, collection) {
                return Err(refusal.to_owned());
            }
            hooks.push((On::Trigger(kind, collection.as_str().into()), validator));
        }
        let hooks = hooks.into_iter().map(|(on, validator)| {
            let declared_validator = validator.clone();
            let mut hook = Hook {
                on,
                url: "".into(),
                declared_validator,
                durable: false,
                one_at_a_time: false,
                in_code: true,
                validator: None,
                id: "".into(),
            };
            if let Some(validator) = validator {
                let read = self.inner.deps.wire.validator(validator);
                let refused = |error: basalt_base::Error| {
                    format!("the validator of {}: {}", hook.title(), error.message())
                };
                hook.validator = Some(read.map_err(refused)?);
            }
            Ok(hook)
        });
        hooks.collect()
    }
}

impl Inner {
    /// Runs a hook of the app's code.
    pub(super) async fn run_code(
        &self,
        hook: &Hook,
        invocation: &Invocation<'_>,
        request: Vec<u8>,
    ) -> Result<Ran> {
        let code = self.code.load_full().ok_or_else(errors::code_crashed)?;
        let (kind, name) = match &hook.on {
            On::Function(name) => ("function", name),
            On::Trigger(kind, collection) => (names::trigger_name(*kind), collection),
        };
        let task = Task {
            kind,
            name,
            request,
            time_max: None,
        };
        let answered = code.isolates.run(invocation.call, task).await?;
        let context = match &answered.context[..] {
            [] => None,
            bytes => self.deps.wire.context(bytes),
        };
        let reply = self.deps.wire.reply(invocation, &answered.body);
        match (reply, answered.code) {
            (Ok(reply), _) => Ok((reply, context)),
            (Err(error), Some(code)) => Err(error.with_code(code)),
            (Err(error), None) => Err(error),
        }
    }

    /// What a job of the code ended with.
    fn job_message(&self, call: &Call, answered: Answered) -> Result<Option<String>> {
        let (params, context) = (basalt_base::Value::Null, Map::new());
        let invocation = Invocation {
            app: &self.deps.app,
            what: What::Function("", &params),
            call,
            user: None,
            context: &context,
        };
        match self.deps.wire.reply(&invocation, &answered.body)? {
            crate::Reply::Value(basalt_base::Value::String(text)) => Ok(Some(text)),
            _ => Ok(None),
        }
    }
}
