//! What goes in and out of the object calls.

use crate::Include;
use basalt_base::{Reference, Timestamp, Value};
use basalt_store::{Acl, Collection, FieldOp, Op, Record};
use std::collections::HashMap;
use std::sync::Arc;

/// A change to one field as asked; relations are not ops of the store.
#[derive(Clone, Debug)]
pub enum FieldChange {
    /// An operation on a field or a nested value.
    Field(FieldOp),
    /// Adds references to a relation field.
    AddRelation(Arc<str>, Vec<Reference>),
    /// Removes references from a relation field.
    RemoveRelation(Arc<str>, Vec<Reference>),
    /// Declares a relation field to this collection without adding to it.
    DeclareRelation(Arc<str>, Arc<str>),
}

/// A create as asked.
#[derive(Clone, Debug)]
pub struct Create {
    /// The collection; made on first use where the caller may.
    pub collection: Arc<str>,
    /// A custom id, where the options allow it.
    pub id: Option<String>,
    /// Values and operations.
    pub fields: Vec<FieldChange>,
    /// Permissions; `None` takes the defaults.
    pub acl: Option<Acl>,
    /// Custom times, honoured for the maintenance key (and master where Parse allows it).
    pub created_at: Option<Timestamp>,
    /// See `created_at`.
    pub updated_at: Option<Timestamp>,
}

/// The answer of a create.
#[derive(Clone, Debug)]
pub struct Created {
    /// The collection as it stands after the write.
    pub collection: Arc<Collection>,
    /// The object, field permissions of the caller applied.
    pub record: Record,
    /// Named fields that hooks or defaults set or changed, which the client does not know.
    pub changed: Vec<Arc<str>>,
    /// Values that only this answer carries (a new session token).
    pub answer: Vec<(Arc<str>, Value)>,
}

/// An update as asked.
#[derive(Clone, Debug)]
pub struct Update {
    /// The collection.
    pub collection: Arc<str>,
    /// The object.
    pub id: Box<str>,
    /// Operations in order.
    pub fields: Vec<FieldChange>,
    /// New permissions.
    pub acl: Option<Acl>,
    /// An additional condition that the object has to meet.
    pub filter: Option<crate::Where>,
}

/// The answer of an update.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The collection as it stands after the write.
    pub collection: Arc<Collection>,
    /// The object after the write, field permissions of the caller applied.
    pub record: Record,
    /// Named fields whose results the client can't know: atomic operations, hooks' changes.
    pub changed: Vec<Arc<str>>,
    /// Values that only this answer carries.
    pub answer: Vec<(Arc<str>, Value)>,
}

/// A delete as asked.
#[derive(Clone, Debug)]
pub struct Delete {
    /// The collection.
    pub collection: Arc<str>,
    /// The object.
    pub id: Box<str>,
}

/// One step of a transaction.
#[derive(Clone, Debug)]
pub enum BatchStep {
    /// Makes an object.
    Create(Create),
    /// Changes one.
    Update(Update),
    /// Deletes one.
    Delete(Delete),
}

/// What a step of a transaction did.
#[derive(Clone, Debug)]
pub enum BatchStepDone {
    /// An object was made.
    Created(Created),
    /// One was changed.
    Updated(Updated),
    /// One was deleted.
    Deleted,
}

/// An object that a reference was followed to.
#[derive(Clone, Debug)]
pub struct Included {
    /// Its collection.
    pub collection: Arc<Collection>,
    /// The object, field permissions of the caller applied.
    pub record: Record,
}

/// Objects found, with what they include.
#[derive(Clone, Debug, Default)]
pub struct ObjectPage {
    /// The collection; `None` when it does not exist.
    pub collection: Option<Arc<Collection>>,
    /// The objects in order, field permissions of the caller and `keys` applied.
    pub records: Vec<Record>,
    /// Which references the encoder replaces.
    pub include: Include,
    /// The objects to replace them by, by collection and id; absent ones can't be read or are gone.
    pub included: HashMap<Reference, Included>,
    /// How many match, when asked for.
    pub count: Option<u64>,
    /// The plan, when asked for.
    pub explain: Option<Value>,
    /// The name of the collection when the query was redirected.
    pub redirected_to: Option<Arc<str>>,
}

impl FieldChange {
    /// Sets a named field.
    pub fn set(name: &str, value: Value) -> Self {
        let path = basalt_store::Path::field(name);
        Self::Field(FieldOp {
            path,
            op: Op::Set(value),
        })
    }
}
