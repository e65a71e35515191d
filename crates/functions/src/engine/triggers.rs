//! Triggers, as `data` and `identity` call them.

use super::{Functions, Inner, users};
use crate::hook::Hook;
use crate::invocation::{Reply, What};
use crate::rows;
use crate::validator::{Subject, Validator};
use basalt_base::{BoxFuture, Map, Result, Value};
use basalt_data::{
    Call, Event, EventKind, FieldChange, Found, Hooks, NewObject, ObjectQuery, Verdict,
};
use basalt_flow::{JOB_SCHEDULE, schedule_changed};
use basalt_store::{Record, Write};
use std::sync::Arc;

impl Hooks for Functions {
    fn wants(&self, kind: EventKind, collection: &str) -> bool {
        self.inner.registry.load().has(kind, collection)
            || (collection == rows::COLLECTION
                && matches!(kind, EventKind::AfterSave | EventKind::AfterDelete))
    }

    fn before<'a>(&'a self, call: &'a Call, event: Event) -> BoxFuture<'a, Result<Verdict>> {
        Box::pin(self.inner.before(call, event))
    }

    fn promises(&self, kind: EventKind, collection: &str) -> bool {
        self.inner.registry.load().promises(kind, collection)
            || (kind == EventKind::AfterSave && collection == JOB_SCHEDULE)
    }

    fn promise<'a>(&'a self, call: &'a Call, event: Event) -> BoxFuture<'a, Result<Vec<Write>>> {
        if &*event.collection == JOB_SCHEDULE {
            // Its next tick must not depend on this server's life.
            let changed = schedule_changed(&event.object.id, self.inner.deps.clock.now());
            return Box::pin(async move { Ok(vec![changed]) });
        }
        Box::pin(self.inner.promise(call, event))
    }

    fn after<'a>(&'a self, call: &'a Call, event: Event) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if &*event.collection == rows::COLLECTION {
                return self.reload_or_tell().await;
            }
            self.inner.after(call, event).await;
        })
    }

    fn purged<'a>(&'a self, collection: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if Self::lives_by(collection) {
                self.reload_or_tell().await;
            }
        })
    }

    fn before_find<'a>(
        &'a self,
        call: &'a Call,
        query: &'a mut ObjectQuery,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.inner.before_query(call, EventKind::BeforeFind, query))
    }

    fn before_subscribe<'a>(
        &'a self,
        call: &'a Call,
        query: &'a mut ObjectQuery,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(
            self.inner
                .before_query(call, EventKind::BeforeSubscribe, query),
        )
    }

    fn after_find<'a>(&'a self, call: &'a Call, found: Found<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.inner.after_find(call, found))
    }
}

impl Functions {
    async fn reload_or_tell(&self) {
        if let Err(error) = self.reload().await {
            tracing::error!(?error, "the hooks can't be read again");
        }
    }
}

impl Inner {
    pub(super) fn trigger(&self, kind: EventKind, collection: &str) -> Option<Arc<Hook>> {
        let registry = self.registry.load();
        registry.trigger(kind, collection).cloned()
    }

    async fn before(&self, call: &Call, mut event: Event) -> Result<Verdict> {
        let Some(hook) = self.trigger(event.kind, &event.collection) else {
            return Ok(Verdict::default());
        };
        let user = self.user(call).await?;
        let outcome = self.decide(&hook, call, &mut event, user.as_ref()).await;
        let input = shown_record(&event.object);
        match &outcome {
            Ok((_, result)) => {
                let result = result.as_ref().unwrap_or(&input);
                self.log_trigger(
                    call,
                    event.kind,
                    &event.collection,
                    &input,
                    Ok(Some(result)),
                );
            }
            Err(error) => {
                self.log_trigger(call, event.kind, &event.collection, &input, Err(error));
            }
        }
        outcome.map(|(verdict, _)| verdict)
    }

    /// Validates and runs; what came out, and how the log shows it.
    async fn decide(
        &self,
        hook: &Hook,
        call: &Call,
        event: &mut Event,
        user: Option<&Record>,
    ) -> Result<(Verdict, Option<Value>)> {
        let mut amended = false;
        if let Some(validator) = &hook.validator {
            amended = validate_event(validator, call, event, user)?;
            if skips(validator, call) {
                return Ok((Verdict::default(), None));
            }
        }
        let what = What::Object(event);
        let (reply, context) = self.run(hook, call, what, user, &event.context).await?;
        let object = match reply {
            Reply::Object(object)
                if matches!(event.kind, EventKind::BeforeSave | EventKind::AfterEvent) =>
            {
                Some(object)
            }
            _ if amended && event.kind == EventKind::BeforeSave => Some(whole(&event.object)),
            _ => None,
        };
        let shown = object.as_ref().map(shown_object);
        let verdict = Verdict { object, context };
        Ok((verdict, shown))
    }

    async fn after(&self, call: &Call, mut event: Event) {
        let Some(hook) = self.trigger(event.kind, &event.collection) else {
            return;
        };
        let outcome = self.run_after(&hook, call, &mut event).await;
        let input = shown_record(&event.object);
        match outcome {
            Ok(()) => self.log_trigger(call, event.kind, &event.collection, &input, Ok(None)),
            Err(error) => {
                self.log_trigger(call, event.kind, &event.collection, &input, Err(&error));
            }
        }
    }

    async fn run_after(&self, hook: &Hook, call: &Call, event: &mut Event) -> Result<()> {
        let user = self.user(call).await?;
        if !Self::is_due(hook, call, event, user.as_ref())? {
            return Ok(());
        }
        let what = What::Object(event);
        let run = self.run(hook, call, what, user.as_ref(), &event.context);
        run.await.map(drop)
    }

    /// Whether an after-hook is to run, by its validator. Errors: what that refuses.
    pub(super) fn is_due(
        hook: &Hook,
        call: &Call,
        event: &mut Event,
        user: Option<&Record>,
    ) -> Result<bool> {
        let Some(validator) = &hook.validator else {
            return Ok(true);
        };
        validate_event(validator, call, event, user)?;
        Ok(!skips(validator, call))
    }

    async fn before_query(
        &self,
        call: &Call,
        kind: EventKind,
        query: &mut ObjectQuery,
    ) -> Result<()> {
        let collection = query.collection.clone();
        let Some(hook) = self.trigger(kind, &collection) else {
            return Ok(());
        };
        let input = query.asked.as_deref().cloned();
        let input = input.unwrap_or_else(|| Value::Map(Map::new()));
        let outcome = self.decide_query(&hook, call, kind, query).await;
        let shown = outcome.as_ref().map(|()| Some(&input));
        self.log_trigger(call, kind, &collection, &input, shown);
        outcome
    }

    async fn decide_query(
        &self,
        hook: &Hook,
        call: &Call,
        kind: EventKind,
        query: &mut ObjectQuery,
    ) -> Result<()> {
        let user = self.user(call).await?;
        if let Some(validator) = &hook.validator {
            let subject = users::subject(call, user.as_ref());
            validator.check(&subject, &mut Map::new())?;
            if skips(validator, call) {
                return Ok(());
            }
        }
        let what = match kind {
            EventKind::BeforeSubscribe => What::Subscription(query),
            _ => What::Query(query),
        };
        let reply = self.run(hook, call, what, user.as_ref(), &call.context);
        if let Reply::Query(replaced) = reply.await?.0 {
            *query = *replaced;
        }
        Ok(())
    }

    async fn after_find(&self, call: &Call, found: Found<'_>) -> Result<()> {
        let kind = EventKind::AfterFind;
        let Some(hook) = self.trigger(kind, found.collection) else {
            return Ok(());
        };
        let collection = found.collection.clone();
        let count = i64::try_from(found.records.len()).unwrap_or(i64::MAX);
        let input = Map::from_iter([("objects".to_owned(), Value::Int(count))]);
        let input = Value::Map(input);
        let outcome = self.decide_found(&hook, call, found).await;
        let shown = outcome.as_ref().map(|()| None);
        self.log_trigger(call, kind, &collection, &input, shown);
        outcome
    }

    async fn decide_found(&self, hook: &Hook, call: &Call, found: Found<'_>) -> Result<()> {
        let user = self.user(call).await?;
        if let Some(validator) = &hook.validator {
            let subject = users::subject(call, user.as_ref());
            validator.check(&subject, &mut Map::new())?;
            if skips(validator, call) {
                return Ok(());
            }
        }
        let what = What::Found(&found);
        let reply = self.run(hook, call, what, user.as_ref(), &call.context);
        if let Reply::Objects(records) = reply.await?.0 {
            *found.records = records;
        }
        Ok(())
    }
}

fn skips(validator: &Validator, call: &Call) -> bool {
    validator.skip_with_master_key && call.principal.reads_everything()
}

/// Checks an event; whether defaults or constants changed its object.
fn validate_event(
    validator: &Validator,
    call: &Call,
    event: &mut Event,
    user: Option<&Record>,
) -> Result<bool> {
    let pairs = event.object.fields.iter();
    let asked: Map = pairs.map(|(n, v)| (n.to_string(), v.clone())).collect();
    let original = event.original.clone();
    let before = |name: &str| original.as_ref().and_then(|r| r.get(name).cloned());
    // Who signs up is its own user.
    let signs_up = &*event.collection == "_User" && event.original.is_none();
    let own = (user.is_none() && signs_up).then(|| event.object.clone());
    let subject = Subject {
        user: user.or(own.as_deref()).map(|user| user.fields.as_slice()),
        original: original.is_some().then_some(&before),
        is_object: true,
        ..users::subject(call, user)
    };
    let mut fields = asked.clone();
    validator.check(&subject, &mut fields)?;
    if fields == asked {
        return Ok(false);
    }
    let mut object = Record::clone(&event.object);
    let fields = fields.into_iter();
    object.fields = fields.map(|(n, v)| (n.as_str().into(), v)).collect();
    event.object = Arc::new(object);
    Ok(true)
}

/// The whole object, as a hook would answer it.
fn whole(record: &Record) -> NewObject {
    let fields = record.fields.iter();
    let changes = fields.map(|(name, value)| FieldChange::set(name, value.clone()));
    NewObject {
        changes: changes.collect(),
        acl: None,
    }
}

pub(super) fn shown_record(record: &Record) -> Value {
    let mut map = Map::new();
    if !record.id.is_empty() {
        map.insert("objectId".to_owned(), Value::from(&*record.id));
    }
    let fields = record.fields.iter();
    map.extend(fields.map(|(name, value)| (name.to_string(), value.clone())));
    Value::Map(map)
}

fn shown_object(object: &NewObject) -> Value {
    let changes = object.changes.iter().filter_map(|change| match change {
        FieldChange::Field(op) => match (&op.path.root, &op.op) {
            (basalt_store::FieldRef::Named(name), basalt_store::Op::Set(value)) => {
                Some((name.to_string(), value.clone()))
            }
            _ => None,
        },
        _ => None,
    });
    Value::Map(Map::from_iter([(
        "object".to_owned(),
        Value::Map(changes.collect()),
    )]))
}
