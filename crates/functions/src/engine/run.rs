//! One run: depth, a turn, the call, the reply, the log.

use super::{EVENT_HEADER, Inner};
use crate::hook::{Hook, On};
use crate::invocation::{Invocation, Reply, What};
use crate::log::Level;
use crate::outside::{Answer, Failure};
use crate::rate::Methods;
use crate::{depth, errors, names, redact};
use basalt_base::{Error, Map, Result, Value};
use basalt_data::{Call, EventKind};
use basalt_store::Record;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};

/// What a run replied, and the context if it changed that.
pub(super) type Ran = (Reply, Option<Map>);

/// How much of what goes in and out a log line shows, in bytes.
const SHOWN_BYTES_MAX: usize = 1_000;

impl Inner {
    /// Runs the code of a hook.
    pub(super) async fn run(
        &self,
        hook: &Hook,
        call: &Call,
        what: What<'_>,
        user: Option<&Record>,
        context: &Map,
    ) -> Result<Ran> {
        let depth = call.depth + 1;
        if depth > self.options.depth_max {
            return Err(errors::too_deep(self.options.depth_max));
        }
        let context = depth::with_depth(context, depth);
        let invocation = Invocation {
            app: &self.deps.app,
            what,
            call,
            user,
            context: &context,
        };
        let body = self.deps.wire.request(&invocation)?;
        if hook.in_code {
            return self.run_code(hook, &invocation, body).await;
        }
        let body = Bytes::from(body);
        let answer = self.send(hook, call, body, depth, None).await?;
        self.settle(&invocation, &answer).map(|reply| (reply, None))
    }

    /// Calls a webhook when it is its turn. `event_id`: of an event that may come more than once.
    pub(super) async fn send(
        &self,
        hook: &Hook,
        call: &Call,
        body: Bytes,
        depth: usize,
        event_id: Option<&str>,
    ) -> Result<Answer> {
        let calling = async {
            let _turn = self.admission.enter().await?;
            let answer = self.post(hook, call, body, depth, event_id).await;
            answer.map_err(|failure| told(hook, call, failure))
        };
        let answer = tokio::time::timeout(self.options.call_time_max, calling).await;
        answer.unwrap_or_else(|_| Err(errors::too_slow()))
    }

    /// What an answer says.
    pub(super) fn settle(&self, invocation: &Invocation<'_>, answer: &Answer) -> Result<Reply> {
        if !answer.status.is_success() {
            // What it says is not for the caller, unless it says it in the protocol's words.
            let said = self.deps.wire.reply(invocation, &answer.body);
            let refused = said.err().filter(|e| e.details().is_some());
            return Err(refused.unwrap_or_else(errors::bad_status));
        }
        self.deps.wire.reply(invocation, &answer.body)
    }

    async fn post(
        &self,
        hook: &Hook,
        call: &Call,
        body: Bytes,
        depth: usize,
        event_id: Option<&str>,
    ) -> Result<Answer, Failure> {
        let depth = HeaderValue::from(depth);
        let mut headers = vec![(HeaderName::from_static(depth::DEPTH_HEADER), depth)];
        if let Ok(id) = HeaderValue::from_str(&call.request_id) {
            headers.push((HeaderName::from_static("x-request-id"), id));
        }
        if let Some(Ok(id)) = event_id.map(HeaderValue::from_str) {
            headers.push((HeaderName::from_static(EVENT_HEADER), id));
        }
        let key = self.options.webhook_key.as_ref().and_then(|key| {
            let mut value = HeaderValue::from_str(key.expose()).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_static(self.deps.wire.key_header()), value))
        });
        self.deps.outside.post(&hook.url, body, &headers, key).await
    }

    /// Logs a call of a function.
    pub(super) fn log_function(
        &self,
        call: &Call,
        name: &str,
        params: &Value,
        result: &Result<Ran>,
    ) {
        let user = user_of(call);
        let input = self.shown(params);
        let (level, message) = match result {
            Ok((reply, _)) => {
                let result = match reply {
                    Reply::Value(value) => self.shown(value),
                    _ => "undefined".to_owned(),
                };
                let message = format!(
                    "Ran cloud function {name} for user {user} with:\n  Input: {input}\n  Result: {result}"
                );
                (Level::Info, message)
            }
            Err(error) => {
                let message = format!(
                    "Failed running cloud function {name} for user {user} with:\n  Input: {input}\n  Error: {}",
                    shown_error(error)
                );
                (Level::Error, message)
            }
        };
        let mut fields = line_fields(call);
        fields.insert("functionName".to_owned(), Value::from(name));
        self.deps.logs.write(level, &message, fields);
    }

    /// Logs a run of a trigger.
    pub(super) fn log_trigger(
        &self,
        call: &Call,
        kind: EventKind,
        collection: &str,
        input: &Value,
        outcome: Result<Option<&Value>, &Error>,
    ) {
        let (user, trigger) = (user_of(call), names::trigger_name(kind));
        let input = self.shown(input);
        let (level, message) = match outcome {
            Ok(None) => (
                Level::Info,
                format!("{trigger} triggered for {collection} for user {user}:\n  Input: {input}"),
            ),
            Ok(Some(result)) => (
                Level::Info,
                format!(
                    "{trigger} triggered for {collection} for user {user}:\n  Input: {input}\n  Result: {}",
                    self.shown(result)
                ),
            ),
            Err(error) => (
                Level::Error,
                format!(
                    "{trigger} failed for {collection} for user {user}:\n  Input: {input}\n  Error: {}",
                    shown_error(error)
                ),
            ),
        };
        let mut fields = line_fields(call);
        fields.insert("className".to_owned(), Value::from(collection));
        fields.insert("triggerType".to_owned(), Value::from(trigger));
        self.deps.logs.write(level, &message, fields);
    }

    fn shown(&self, value: &Value) -> String {
        let mut text = self.deps.wire.shown(&redact::redacted(value));
        if redact::cut(&mut text, SHOWN_BYTES_MAX) {
            text.push_str("... (truncated)");
        }
        text
    }
}

fn user_of(call: &Call) -> &str {
    call.principal.user.as_deref().unwrap_or("undefined")
}

fn shown_error(error: &Error) -> String {
    let message = serde_json::Value::from(error.message());
    format!(
        "{{\"reason\":\"{}\",\"message\":{message}}}",
        error.reason().name()
    )
}

fn line_fields(call: &Call) -> Map {
    let mut fields = Map::new();
    fields.insert("requestId".to_owned(), Value::from(&*call.request_id));
    if let Some(user) = &call.principal.user {
        fields.insert("user".to_owned(), Value::from(&**user));
    }
    fields
}

/// What the caller is told of a failure; the server's log is told the rest.
fn told(hook: &Hook, call: &Call, failure: Failure) -> Error {
    tracing::info!(
        request_id = &*call.request_id,
        hook = hook.title(),
        %failure,
        "a webhook could not be called"
    );
    match failure {
        Failure::TooLarge => errors::too_large(),
        Failure::Address(_) | Failure::Redirect(_) | Failure::Connection(_) => {
            errors::unreachable()
        }
    }
}

impl Hook {
    /// The path and the methods by which it is called, for rate limits.
    pub(super) fn counted(&self) -> Option<(String, Methods)> {
        let of = |methods: &[&str]| Methods::Of(methods.iter().map(|m| (*m).into()).collect());
        let quote = |text: &str| text.chars().flat_map(quoted).collect::<String>();
        match &self.on {
            On::Function(name) => Some((format!("/functions/{}", quote(name)), of(&["POST"]))),
            On::Trigger(kind, collection) => {
                let base = match &**collection {
                    "_User" => "/users".to_owned(),
                    "_Session" => "/sessions".to_owned(),
                    "_Role" => "/roles".to_owned(),
                    "_Installation" => "/installations".to_owned(),
                    "@Config" => "/config".to_owned(),
                    "@File" => "/files".to_owned(),
                    name => format!("/classes/{}", quote(name)),
                };
                let below = format!("{base}{{/*path}}");
                Some(match kind {
                    EventKind::BeforeLogin | EventKind::AfterLogin => {
                        ("/login".to_owned(), of(&["POST", "GET"]))
                    }
                    EventKind::AfterLogout => ("/logout".to_owned(), of(&["POST"])),
                    EventKind::BeforePasswordResetRequest => {
                        ("/requestPasswordReset".to_owned(), of(&["POST"]))
                    }
                    EventKind::BeforeSave | EventKind::AfterSave => (below, of(&["POST", "PUT"])),
                    EventKind::BeforeDelete | EventKind::AfterDelete => (below, of(&["DELETE"])),
                    EventKind::BeforeFind | EventKind::AfterFind => (below, of(&["GET"])),
                    _ => return None,
                })
            }
        }
    }
}

fn quoted(c: char) -> impl Iterator<Item = char> {
    let special = ":*{}()[]+?!\\".contains(c);
    special
        .then_some('\\')
        .into_iter()
        .chain(std::iter::once(c))
}
