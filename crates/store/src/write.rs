//! Writes: preconditions, operations and schema changes.
//!
//! A [`WriteBatch`] is atomic. The writer checks every precondition against the current row and
//! applies operations in Rust ([`crate::apply`]), so every store agrees on the result.

use crate::{Acl, Fence, FieldDef, FieldRef, Filter, IndexDef, Path, Record, TaskDone, TaskWrite};
use basalt_base::{Map, Timestamp, Value};
use std::sync::Arc;

/// An operation on a field or on something nested within it.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Sets the value (null included).
    Set(Value),
    /// Sets the value only when the write creates the object.
    SetOnInsert(Value),
    /// Removes the value.
    Unset,
    /// Adds a number; a missing value counts as 0. Whole numbers stay exact until int64 overflows.
    Increment(Value),
    /// Appends to a list; a missing one counts as empty.
    Append(Vec<Value>),
    /// Appends those that the list does not hold yet. References are equal by id.
    AddUnique(Vec<Value>),
    /// Removes every occurrence of these.
    Remove(Vec<Value>),
}

/// An operation and where it applies. The root is always a named field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldOp {
    /// Where.
    pub path: Path,
    /// What.
    pub op: Op,
}

impl FieldOp {
    /// Whether it can be applied where the collection has no such field: setting a whole field to
    /// null, which is kept under the field's name, and removing that again.
    pub fn needs_no_field(&self) -> bool {
        let null = matches!(
            self.op,
            Op::Unset | Op::Set(Value::Null) | Op::SetOnInsert(Value::Null)
        );
        let named = matches!(&self.path.root, FieldRef::Named(name) if keeps_null(name));
        null && named && self.path.rest.is_empty()
    }
}

/// Whether null can be kept under a name that is no field's: letters, digits and `_`.
pub fn keeps_null(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What must hold of the current row, checked by the writer in the same transaction.
#[derive(Clone, Debug)]
pub enum Precondition {
    /// Nothing.
    None,
    /// There is no such object; else [`basalt_base::Reason::DuplicateValue`].
    Absent,
    /// There is one; else [`basalt_base::Reason::ObjectNotFound`].
    Exists,
    /// It is at this revision; else [`basalt_base::Reason::PreconditionFailed`].
    Revision(u64),
    /// It exists and the filter matches it; else [`basalt_base::Reason::ObjectNotFound`].
    Matches(Filter),
}

/// What to do with one object.
#[derive(Clone, Debug)]
pub enum Action {
    /// Makes the object; with `Precondition::None` an existing one is refused like with `Absent`.
    Create {
        /// Named fields and their values.
        fields: Vec<(Arc<str>, Value)>,
        /// Its permissions.
        acl: Acl,
    },
    /// Makes the object as it was somewhere else: like `Create`, but with the time at which it was
    /// created there. The write's own time becomes `updated_at`.
    Restore {
        /// When it was created; truncated to ms.
        created_at: Timestamp,
        /// Named fields and their values.
        fields: Vec<(Arc<str>, Value)>,
        /// Its permissions.
        acl: Acl,
    },
    /// Applies operations in order; with `upsert` a missing object is made from them.
    Update {
        /// The operations.
        ops: Vec<FieldOp>,
        /// New permissions, or `None` to keep them.
        acl: Option<Acl>,
        /// Whether a missing object is made; otherwise it is `ObjectNotFound`.
        upsert: bool,
    },
    /// Deletes the object; a missing one is `ObjectNotFound`.
    Delete,
}

/// A write of one object.
#[derive(Clone, Debug)]
pub struct RecordWrite {
    /// The collection's name; it must exist (see [`SchemaChange::EnsureCollection`]).
    pub collection: Arc<str>,
    /// The object's id.
    pub id: Box<str>,
    /// What must hold.
    pub precondition: Precondition,
    /// What to do.
    pub action: Action,
    /// The time of the write: `updated_at`, and `created_at` of a new object; truncated to ms.
    pub at: Timestamp,
}

/// A change of the catalogue. The `Ensure…` ones are no-ops when the thing is there already, so
/// that concurrent first writes agree.
#[derive(Clone, Debug)]
pub enum SchemaChange {
    /// Makes the collection with these rules unless it exists.
    EnsureCollection {
        /// Its name.
        name: Arc<str>,
        /// The rules of a new one.
        rules: Map,
    },
    /// Makes the collection; an existing one is refused with `SchemaRefused`.
    CreateCollection {
        /// Its name.
        name: Arc<str>,
        /// Its rules.
        rules: Map,
    },
    /// Adds the field unless one of the same name and type exists; another type is refused with
    /// `SchemaMismatch` and the message
    /// `schema mismatch for C.f; expected OLD but got NEW`.
    EnsureField {
        /// The collection.
        collection: Arc<str>,
        /// The field.
        field: FieldDef,
    },
    /// Changes `required` and `default` of a field.
    AlterField {
        /// The collection.
        collection: Arc<str>,
        /// The field; its type must be the present one.
        field: FieldDef,
    },
    /// Drops a field and its values; unknown ones are refused with `SchemaRefused`.
    DropField {
        /// The collection.
        collection: Arc<str>,
        /// The field's name.
        name: Arc<str>,
    },
    /// Drops a collection with its objects; unknown ones are `CollectionNotFound`.
    DropCollection {
        /// Its name.
        name: Arc<str>,
        /// Refuse with `SchemaRefused` unless it is empty.
        only_if_empty: bool,
    },
    /// Replaces the rules.
    SetRules {
        /// The collection.
        collection: Arc<str>,
        /// The new rules.
        rules: Map,
    },
    /// Adds an index; an equal one is a no-op, another one of that name is refused with
    /// `SchemaRefused`, duplicates under a unique one with `DuplicateValue`.
    CreateIndex {
        /// The collection.
        collection: Arc<str>,
        /// The index.
        index: IndexDef,
    },
    /// Drops an index; an unknown one is refused with `SchemaRefused`.
    DropIndex {
        /// The collection.
        collection: Arc<str>,
        /// The index's name.
        name: Arc<str>,
    },
}

impl SchemaChange {
    /// The collection that is changed, and a word for how; for logs.
    pub fn subject(&self) -> (&str, &'static str) {
        match self {
            Self::EnsureCollection { name, .. } => (name, "ensure collection"),
            Self::CreateCollection { name, .. } => (name, "create collection"),
            Self::EnsureField { collection, .. } => (collection, "ensure field"),
            Self::AlterField { collection, .. } => (collection, "alter field"),
            Self::DropField { collection, .. } => (collection, "drop field"),
            Self::DropCollection { name, .. } => (name, "drop collection"),
            Self::SetRules { collection, .. } => (collection, "set rules"),
            Self::CreateIndex { collection, .. } => (collection, "create index"),
            Self::DropIndex { collection, .. } => (collection, "drop index"),
        }
    }
}

/// One step of a batch. Open: documents join it later.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Write {
    /// A write of one object.
    Record(RecordWrite),
    /// Deletes the objects that match, at most `limit`, in order of creation.
    DeleteMatching {
        /// The collection; an unknown one has no objects.
        collection: Arc<str>,
        /// Which.
        filter: Filter,
        /// How many at most.
        limit: u64,
    },
    /// A change of the catalogue.
    Schema(SchemaChange),
    /// A step of the queue; it has no row in the change log.
    Task(TaskWrite),
}

/// Something read earlier that must still hold when the batch is applied.
#[derive(Clone, Debug)]
pub struct ReadCheck {
    /// The collection.
    pub collection: Arc<str>,
    /// The object's id.
    pub id: Box<str>,
    /// Its revision then, or `None` when it was absent.
    pub rev: Option<u64>,
}

/// The source of a [`basalt_base::Reason::DuplicateValue`] error when a unique index refused the
/// write; without it, the object's id was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateKey {
    /// The collection.
    pub collection: Arc<str>,
    /// The name of the index.
    pub index: Arc<str>,
}

impl DuplicateKey {
    /// What a unique index found, if that is why the write was refused.
    pub fn of(error: &basalt_base::Error) -> Option<&Self> {
        std::error::Error::source(error)?.downcast_ref()
    }
}

impl std::fmt::Display for DuplicateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unique index {} of {}", self.index, self.collection)
    }
}

impl std::error::Error for DuplicateKey {}

/// Writes that are applied together or not at all.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    /// The lease under which this is written; refused with `LeaseLost` when it is not held any more.
    pub fence: Option<Fence>,
    /// Refused with `TransactionConflict` when one does not hold.
    pub checks: Vec<ReadCheck>,
    /// The steps, applied in order; later ones see earlier ones.
    pub writes: Vec<Write>,
}

impl WriteBatch {
    /// A batch of these steps.
    pub fn of(writes: Vec<Write>) -> Self {
        Self {
            fence: None,
            checks: Vec::new(),
            writes,
        }
    }

    /// The same batch, written under a lease.
    pub fn fenced(self, fence: Fence) -> Self {
        Self {
            fence: Some(fence),
            ..self
        }
    }
}

/// What a step did.
#[derive(Clone, Debug)]
pub enum Written {
    /// A write of one object: its states before and after.
    Record {
        /// Before, if it existed.
        before: Option<Arc<Record>>,
        /// After, unless it was deleted.
        after: Option<Arc<Record>>,
    },
    /// How many objects a `DeleteMatching` deleted.
    Deleted(u64),
    /// A change of the catalogue was made or was a no-op.
    Schema,
    /// A step of the queue.
    Task(TaskDone),
}
