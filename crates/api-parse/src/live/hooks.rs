//! Code around connections, subscriptions and events.

use basalt_base::{Result, Timestamp, Value};
use basalt_data::{Call, Event, EventKind, FieldChange, Hooks, NewObject};
use basalt_live::Happened;
use basalt_store::{Acl, FieldRef, Op, Record};
use std::sync::Arc;

/// The pseudo-class of connections.
pub const CONNECT: &str = "@Connect";

/// Runs before-connect; it may refuse. `clients` and `subscriptions` are those of the app on this
/// node.
pub async fn connect(
    hooks: &dyn Hooks,
    call: &Call,
    clients: usize,
    subscriptions: usize,
) -> Result<()> {
    if !hooks.wants(EventKind::BeforeConnect, CONNECT) {
        return Ok(());
    }
    let number = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let epoch = Timestamp::from_millis(0);
    let object = Record {
        id: "".into(),
        created_at: epoch,
        updated_at: epoch,
        rev: 0,
        acl: Acl::default(),
        fields: vec![
            ("clients".into(), number(clients)),
            ("subscriptions".into(), number(subscriptions)),
        ],
    };
    let event = Event {
        kind: EventKind::BeforeConnect,
        collection: CONNECT.into(),
        schema: None,
        original: None,
        object: Arc::new(object),
        context: call.context.clone(),
    };
    hooks.before(call, event).await.map(drop)
}

/// Runs the hook on an event, which may change its object or refuse it.
pub async fn event(hooks: &dyn Hooks, call: &Call, happened: &Happened) -> Result<Happened> {
    let mut event = Event {
        kind: EventKind::AfterEvent,
        collection: Arc::clone(&happened.collection),
        schema: happened.schema.clone(),
        original: happened.original.clone().map(Arc::new),
        object: Arc::new(happened.object.clone()),
        context: call.context.clone(),
    };
    let name = super::encode::name(happened.kind);
    event.context.insert("event".to_owned(), Value::from(name));
    let verdict = hooks.before(call, event).await?;
    let mut happened = happened.clone();
    if let Some(object) = verdict.object {
        happened.object = replaced(&happened.object, object);
    }
    Ok(happened)
}

/// The object as the hook wants it: nothing but what it gave, and what every object has.
fn replaced(record: &Record, object: NewObject) -> Record {
    let mut fields = Vec::with_capacity(object.changes.len());
    for change in object.changes {
        let FieldChange::Field(op) = change else {
            continue;
        };
        if let (FieldRef::Named(name), Op::Set(value)) = (op.path.root, op.op) {
            fields.push((name, value));
        }
    }
    Record {
        acl: object.acl.unwrap_or_else(|| record.acl.clone()),
        fields,
        ..record.clone()
    }
}
