//! After-hooks that must not be lost. What they will be told becomes a task of the app's queue in
//! the transaction that writes the object, and is delivered until the webhook says that it is done.

use super::triggers::shown_record;
use super::{Functions, Inner};
use crate::invocation::{Invocation, What};
use crate::{depth, errors, names};
use basalt_base::{AppId, BoxFuture, Error, Map, Reason, Result, Timestamp, Value, token_hex};
use basalt_data::{Call, Event, EventKind, Principal, Rank};
use basalt_flow::{Handler, Outcome, Policy, TaskRun};
use basalt_store::{
    Acl, Record, Task, TaskPut, TaskWrite, Write, codec,
    task::{TASK_KEY_BYTES_MAX, TASK_PAYLOAD_BYTES_MAX},
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// The queue of what durable hooks are told.
pub const DELIVERIES_QUEUE: &str = "basalt.hooks";
/// The header with an event's id: the same at each attempt.
pub const EVENT_HEADER: &str = "x-basalt-event-id";

/// Attempts until an event is given up: with pauses of up to five minutes, about a day.
const ATTEMPTS_MAX: u32 = 600;
/// Bytes of randomness in an event's id.
const EVENT_ID_BYTES: usize = 12;
/// How long to wait when there is no turn for the webhook.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// What an attempt takes at most beside the call.
const SLACK: Duration = Duration::from_secs(15);

/// What a task holds: who is told, and the body of the request.
struct Delivery {
    event_id: String,
    kind: EventKind,
    collection: Arc<str>,
    object: Box<str>,
    user: Option<Arc<str>>,
    request_id: Arc<str>,
    depth: usize,
    body: Bytes,
}

impl Inner {
    /// The task of an event; nothing when its hook shall not run.
    pub(super) async fn promise(&self, call: &Call, mut event: Event) -> Result<Vec<Write>> {
        let made = self.delivery(call, &mut event).await;
        match made {
            Ok(None) => Ok(Vec::new()),
            Ok(Some(delivery)) => self.task(&delivery).map(|task| vec![task]),
            // As with any after-hook, what its validator refuses does not stop the write.
            Err(error) if is_of_hook(&error) => {
                let input = shown_record(&event.object);
                self.log_trigger(call, event.kind, &event.collection, &input, Err(&error));
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    async fn delivery(&self, call: &Call, event: &mut Event) -> Result<Option<Delivery>> {
        let Some(hook) = self.trigger(event.kind, &event.collection) else {
            return Ok(None);
        };
        let user = self.user(call).await?;
        if !Self::is_due(&hook, call, event, user.as_ref())? {
            return Ok(None);
        }
        let depth = call.depth + 1;
        if depth > self.options.depth_max {
            return Err(errors::too_deep(self.options.depth_max));
        }
        // Nothing that signs somebody in lies in a queue.
        let shown = Call {
            session_token: None,
            ..call.clone()
        };
        let context = depth::with_depth(&event.context, depth);
        let invocation = Invocation {
            app: &self.deps.app,
            what: What::Object(event),
            call: &shown,
            user: user.as_ref(),
            context: &context,
        };
        let body = Bytes::from(self.deps.wire.request(&invocation)?);
        Ok(Some(Delivery {
            event_id: token_hex(&*self.deps.rng, EVENT_ID_BYTES),
            kind: event.kind,
            collection: event.collection.clone(),
            object: event.object.id.clone(),
            user: call.principal.user.clone(),
            request_id: call.request_id.clone(),
            depth,
            body,
        }))
    }

    fn task(&self, delivery: &Delivery) -> Result<Write> {
        let payload = delivery.payload();
        if payload.len() > TASK_PAYLOAD_BYTES_MAX {
            let text = "What a durable hook is told of a write is at most 1 MiB.";
            return Err(Error::new(Reason::ObjectTooLarge, text));
        }
        let now = self.deps.clock.now();
        Ok(Write::Task(TaskWrite::Put(TaskPut {
            group: Some(delivery.group()),
            attempts_max: ATTEMPTS_MAX,
            ..TaskPut::now(DELIVERIES_QUEUE, payload, now)
        })))
    }

    async fn deliver(&self, delivery: &Delivery, hook: &crate::Hook) -> Result<()> {
        let event = delivery.event();
        let call = delivery.call(&self.deps.app);
        let invocation = Invocation {
            app: &self.deps.app,
            what: What::Object(&event),
            call: &call,
            user: None,
            context: &event.context,
        };
        let body = delivery.body.clone();
        let event_id = Some(&*delivery.event_id);
        let sent = self.send(hook, &call, body, delivery.depth, event_id);
        let outcome = match sent.await {
            Ok(answer) => self.settle(&invocation, &answer).map(drop),
            Err(error) => Err(error),
        };
        let mut input = Map::new();
        input.insert("objectId".to_owned(), Value::from(&*delivery.object));
        input.insert("eventId".to_owned(), Value::from(&*delivery.event_id));
        let told = outcome.as_ref().map(|()| None);
        let input = Value::Map(input);
        self.log_trigger(&call, delivery.kind, &delivery.collection, &input, told);
        outcome
    }
}

/// Whether it is the hook that does not want to run, and not the server that can't.
fn is_of_hook(error: &Error) -> bool {
    matches!(
        error.reason(),
        Reason::ScriptFailed | Reason::ValidationFailed
    )
}

impl Delivery {
    /// One line of names and values, then the body.
    fn payload(&self) -> Arc<[u8]> {
        let depth = i64::try_from(self.depth).unwrap_or(i64::MAX);
        let mut head = Map::new();
        for (name, text) in [
            ("event", &*self.event_id),
            ("trigger", names::trigger_name(self.kind)),
            ("class", &*self.collection),
            ("object", &*self.object),
            ("request", &*self.request_id),
        ] {
            head.insert(name.to_owned(), Value::from(text));
        }
        if let Some(user) = &self.user {
            head.insert("user".to_owned(), Value::from(&**user));
        }
        head.insert("depth".to_owned(), Value::Int(depth));
        let mut payload = codec::encode_to_string(&Value::Map(head)).into_bytes();
        payload.push(b'\n');
        payload.extend_from_slice(&self.body);
        payload.into()
    }

    fn parse(payload: &[u8]) -> Option<Self> {
        let end = payload.iter().position(|byte| *byte == b'\n')?;
        let (head, body) = payload.split_at(end);
        let head = codec::decode(std::str::from_utf8(head).ok()?).ok()?;
        let head = head.as_map()?;
        let text = |name: &str| head.get(name).and_then(Value::as_str);
        let depth = match head.get("depth") {
            Some(Value::Int(depth)) => usize::try_from(*depth).ok()?,
            _ => return None,
        };
        Some(Self {
            event_id: text("event")?.to_owned(),
            kind: names::trigger(text("trigger")?)?,
            collection: text("class")?.into(),
            object: text("object")?.into(),
            user: text("user").map(Into::into),
            request_id: text("request")?.into(),
            depth,
            body: Bytes::copy_from_slice(body.get(1..)?),
        })
    }

    /// Events of one object are told in their order.
    fn group(&self) -> Box<str> {
        let group = format!("{}:{}", self.collection, self.object);
        if group.len() <= TASK_KEY_BYTES_MAX && !group.contains('\0') {
            return group.into();
        }
        hex::encode(Sha256::digest(group.as_bytes())).into()
    }

    /// Who caused it, as far as logs say.
    fn call(&self, app: &AppId) -> Call {
        let mut principal = Principal::ranked(app.clone(), Rank::Master);
        principal.user.clone_from(&self.user);
        Call {
            request_id: self.request_id.clone(),
            ..Call::by(principal)
        }
    }

    /// The event as far as an answer is read by it.
    fn event(&self) -> Event {
        let object = Record {
            id: self.object.clone(),
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
            rev: 0,
            acl: Acl::default(),
            fields: Vec::new(),
        };
        Event {
            kind: self.kind,
            collection: self.collection.clone(),
            schema: None,
            original: None,
            object: Arc::new(object),
            context: Map::new(),
        }
    }
}

/// Delivers what durable hooks are told.
struct Deliveries(Functions);

impl Functions {
    /// What runs the tasks of durable hooks, for [`basalt_flow::Workers`].
    pub fn deliveries(&self) -> (Arc<str>, Policy, Arc<dyn Handler>) {
        let policy = Policy {
            deadline: self.inner.options.call_time_max + SLACK,
            ..Policy::default()
        };
        let handler = Arc::new(Deliveries(self.clone()));
        (DELIVERIES_QUEUE.into(), policy, handler)
    }
}

impl Deliveries {
    async fn attempt(&self, task: &Task) -> Outcome {
        let Some(delivery) = Delivery::parse(&task.payload) else {
            return Outcome::Dead("The task is nothing that a hook could be told.".to_owned());
        };
        let inner = &self.0.inner;
        let find = || inner.trigger(delivery.kind, &delivery.collection);
        let mut hook = find();
        if hook.is_none() {
            // Another node may have declared it a moment ago.
            if let Err(error) = self.0.reload().await {
                tracing::warn!(?error, "the hooks can't be read");
                return Outcome::Later(BUSY_PAUSE);
            }
            hook = find();
        }
        let Some(hook) = hook else {
            return Outcome::Dead("The trigger is not declared any more.".to_owned());
        };
        match inner.deliver(&delivery, &hook).await {
            Ok(()) => Outcome::Done(Vec::new()),
            Err(error) if error.reason() == Reason::Overloaded => Outcome::Later(BUSY_PAUSE),
            Err(error) => Outcome::Failed(error.message().to_owned()),
        }
    }
}

impl Handler for Deliveries {
    fn run(&self, run: TaskRun) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { self.attempt(&run.task).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(collection: &str, object: &str) -> Delivery {
        Delivery {
            event_id: "e1".to_owned(),
            kind: EventKind::AfterDelete,
            collection: collection.into(),
            object: object.into(),
            user: Some("u1".into()),
            request_id: "line\nbreak".into(),
            depth: 3,
            body: Bytes::from_static(b"{\"a\":\n1}"),
        }
    }

    #[test]
    fn a_payload_is_read_back() {
        let one = delivery("Post", "x");
        let two = Delivery::parse(&one.payload()).unwrap();
        assert_eq!(two.payload(), one.payload());
        assert_eq!((two.body, two.depth), (one.body, 3));
        for broken in [&b""[..], b"{}", b"{}\n", b"\n{}"] {
            assert!(Delivery::parse(broken).is_none());
        }
    }

    #[test]
    fn a_group_is_an_object() {
        assert_eq!(&*delivery("Post", "x").group(), "Post:x");
        let long = "x".repeat(TASK_KEY_BYTES_MAX);
        let (one, two) = (delivery("A", &long).group(), delivery("B", &long).group());
        assert!(one != two && one.len() <= TASK_KEY_BYTES_MAX);
    }
}
