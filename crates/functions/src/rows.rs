//! Hooks as rows of a system collection, so that backups hold them and other nodes hear of them.

use crate::{Hook, NewHook, On, Wire, names};
use basalt_base::{Map, Result, Timestamp, Value};
use basalt_store::{
    Acl, Action, AppStore, FieldDef, FieldOp, FieldType, Op, Path, Precondition, Query,
    ReadOptions, Record, RecordWrite, SchemaChange, Write, WriteBatch,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Where hooks are: who follows the changes of an app has its hooks read again when one is about
/// this collection ([`crate::Functions::reload`]).
pub const COLLECTION: &str = "_Hooks";
/// Most hooks of one app.
const HOOKS_MAX: u64 = 10_000;

const FUNCTION: &str = "functionName";
const CLASS: &str = "className";
const TRIGGER: &str = "triggerName";
const URL: &str = "url";
const VALIDATOR: &str = "validator";
const DURABLE: &str = "durable";
const ONE_AT_A_TIME: &str = "oneAtATime";

const FIELDS: &[(&str, FieldType)] = &[
    (FUNCTION, FieldType::String),
    (CLASS, FieldType::String),
    (TRIGGER, FieldType::String),
    (URL, FieldType::String),
    (VALIDATOR, FieldType::Object),
    (DURABLE, FieldType::Boolean),
    (ONE_AT_A_TIME, FieldType::Boolean),
];

/// All hooks of an app. A row that makes no sense is left out and logged.
pub(crate) async fn load(store: &dyn AppStore, wire: &dyn Wire) -> Result<Vec<Hook>> {
    if store.catalogue().collection(COLLECTION).is_none() {
        return Ok(Vec::new());
    }
    let query = Query::all(COLLECTION).limit(HOOKS_MAX);
    let found = store.find(&query, ReadOptions::default()).await?;
    let hooks = found.records.iter().filter_map(|record| {
        let hook = of_record(record, wire);
        if hook.is_none() {
            tracing::warn!(row = &*record.id, "a row of the hooks is no hook");
        }
        hook
    });
    Ok(hooks.collect())
}

fn of_record(record: &Record, wire: &dyn Wire) -> Option<Hook> {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let on = match (text(FUNCTION), text(CLASS), text(TRIGGER)) {
        (Some(name), _, _) => On::Function(name.into()),
        (None, Some(class), Some(trigger)) => On::Trigger(names::trigger(trigger)?, class.into()),
        _ => return None,
    };
    let declared_validator = record
        .get(VALIDATOR)
        .filter(|v| **v != Value::Null)
        .cloned();
    let validator = match &declared_validator {
        Some(declared) => Some(wire.validator(declared).ok()?),
        None => None,
    };
    let says = |name: &str| record.get(name).and_then(Value::as_bool).unwrap_or(false);
    Some(Hook {
        on,
        url: text(URL)?.into(),
        declared_validator,
        validator,
        durable: says(DURABLE),
        one_at_a_time: says(ONE_AT_A_TIME),
        in_code: false,
        id: record.id.clone(),
    })
}

/// The id that a new row gets: the same for the same declaration, so that of two at once one fails.
fn id_of(on: &On) -> Box<str> {
    let text = match on {
        On::Function(name) => format!("f:{name}"),
        On::Trigger(kind, collection) => {
            format!("t:{}:{collection}", names::trigger_name(*kind))
        }
    };
    let digest = Sha256::digest(text.as_bytes());
    hex::encode(&digest[..12]).into()
}

/// Writes a hook: a new one, or in the place of the row `known`.
pub(crate) async fn save(
    store: &dyn AppStore,
    hook: &NewHook,
    known: Option<&str>,
    at: Timestamp,
) -> Result<()> {
    let mut writes = schema(store);
    let fields = fields(hook);
    let (id, precondition, action) = match known {
        None => (
            id_of(&hook.on),
            Precondition::Absent,
            Action::Create {
                fields,
                acl: Acl::default(),
            },
        ),
        Some(id) => (
            id.into(),
            Precondition::Exists,
            Action::Update {
                ops: fields.into_iter().map(set).collect(),
                acl: None,
                upsert: false,
            },
        ),
    };
    writes.push(Write::Record(RecordWrite {
        collection: COLLECTION.into(),
        id,
        precondition,
        action,
        at,
    }));
    apply(store, writes).await
}

fn set((name, value): (Arc<str>, Value)) -> FieldOp {
    FieldOp {
        path: Path::field(name),
        op: Op::Set(value),
    }
}

fn fields(hook: &NewHook) -> Vec<(Arc<str>, Value)> {
    let mut fields: Vec<(Arc<str>, Value)> = match &hook.on {
        On::Function(name) => vec![(FUNCTION.into(), Value::from(&**name))],
        On::Trigger(kind, class) => vec![
            (CLASS.into(), Value::from(&**class)),
            (TRIGGER.into(), Value::from(names::trigger_name(*kind))),
        ],
    };
    fields.push((URL.into(), Value::from(hook.url.as_str())));
    let validator = hook.validator.clone().unwrap_or(Value::Null);
    fields.push((VALIDATOR.into(), validator));
    fields.push((DURABLE.into(), Value::Bool(hook.durable)));
    fields.push((ONE_AT_A_TIME.into(), Value::Bool(hook.one_at_a_time)));
    fields
}

/// Removes a row.
pub(crate) async fn remove(store: &dyn AppStore, id: &str, at: Timestamp) -> Result<()> {
    let write = Write::Record(RecordWrite {
        collection: COLLECTION.into(),
        id: id.into(),
        precondition: Precondition::Exists,
        action: Action::Delete,
        at,
    });
    apply(store, vec![write]).await
}

/// What the collection still lacks.
fn schema(store: &dyn AppStore) -> Vec<Write> {
    let catalogue = store.catalogue();
    let present = catalogue.collection(COLLECTION);
    let mut steps = Vec::new();
    if present.is_none() {
        steps.push(SchemaChange::EnsureCollection {
            name: COLLECTION.into(),
            rules: Map::new(),
        });
    }
    for (name, ty) in FIELDS {
        if present.is_none_or(|c| c.field(name).is_none()) {
            steps.push(SchemaChange::EnsureField {
                collection: COLLECTION.into(),
                field: FieldDef::new(*name, ty.clone()),
            });
        }
    }
    steps.into_iter().map(Write::Schema).collect()
}

async fn apply(store: &dyn AppStore, writes: Vec<Write>) -> Result<()> {
    for done in store.write(vec![WriteBatch::of(writes)]).await? {
        done?;
    }
    Ok(())
}
