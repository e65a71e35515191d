//! The catalogue: which collections, fields and indexes an app has.
//!
//! Physical names are made from the ids here (`t12`, `c7`), never from names that people chose.

use basalt_base::{Map, Value};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The id of a collection within an app; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollectionId(pub u32);

/// The id of a field within an app; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u32);

/// The type of a field. Displays in the words that the client SDKs compare literally
/// (`Pointer<Post>`), since those reach the caller in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Int64 or double.
    Number,
    /// Text.
    String,
    /// True or false.
    Boolean,
    /// A point in time with millisecond precision.
    Date,
    /// A nested map.
    Object,
    /// A list.
    Array,
    /// A position on the earth.
    GeoPoint,
    /// A file.
    File,
    /// Bytes.
    Bytes,
    /// A polygon.
    Polygon,
    /// A reference to an object of that collection.
    Reference(Arc<str>),
    /// Many references to objects of that collection, kept in a join collection; has no column.
    Relation(Arc<str>),
}

impl FieldType {
    /// The type's word, without the target collection.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Number => "Number",
            Self::String => "String",
            Self::Boolean => "Boolean",
            Self::Date => "Date",
            Self::Object => "Object",
            Self::Array => "Array",
            Self::GeoPoint => "GeoPoint",
            Self::File => "File",
            Self::Bytes => "Bytes",
            Self::Polygon => "Polygon",
            Self::Reference(_) => "Pointer",
            Self::Relation(_) => "Relation",
        }
    }

    /// The collection that a reference or relation points to.
    pub fn target(&self) -> Option<&Arc<str>> {
        match self {
            Self::Reference(target) | Self::Relation(target) => Some(target),
            _ => None,
        }
    }

    /// The type that a value would give a new field; `None` for null and for values that no field
    /// type holds.
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null | Value::Decimal(_) => return None,
            Value::Bool(_) => Self::Boolean,
            Value::Int(_) | Value::Double(_) => Self::Number,
            Value::String(_) => Self::String,
            Value::Bytes(_) => Self::Bytes,
            Value::Timestamp(_) => Self::Date,
            Value::Geo(_) => Self::GeoPoint,
            Value::Polygon(_) => Self::Polygon,
            Value::Reference(r) => Self::Reference(r.collection.as_str().into()),
            Value::File(_) => Self::File,
            Value::Array(_) => Self::Array,
            Value::Map(_) => Self::Object,
        })
    }

    /// Whether a field of this type can hold the value. Null fits everywhere but in relations.
    pub fn accepts(&self, value: &Value) -> bool {
        match value {
            Value::Null => !matches!(self, Self::Relation(_)),
            _ => Self::of(value).as_ref() == Some(self),
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target() {
            Some(target) => write!(f, "{}<{target}>", self.word()),
            None => f.write_str(self.word()),
        }
    }
}

/// A field as asked for: what a schema change carries.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldDef {
    /// The field's name, already validated.
    pub name: Arc<str>,
    /// Its type.
    pub ty: FieldType,
    /// Whether an object without a value is refused.
    pub required: bool,
    /// The value given on create when there is none.
    pub default: Option<Value>,
}

impl FieldDef {
    /// An optional field without a default.
    pub fn new(name: impl Into<Arc<str>>, ty: FieldType) -> Self {
        Self {
            name: name.into(),
            ty,
            required: false,
            default: None,
        }
    }
}

/// A field of a collection as it stands in the catalogue.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its id; names the physical column.
    pub id: FieldId,
    /// Its definition.
    pub def: FieldDef,
}

/// What an index is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// Equality, ranges and order.
    Ordered,
    /// The same, and no two objects may share the values (missing values don't count).
    Unique,
    /// Distance and containment on one geo point field.
    Geo,
}

/// One column of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexColumn {
    /// The field.
    pub field: crate::FieldRef,
    /// Whether the order is descending.
    pub descending: bool,
}

/// An index of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexDef {
    /// Its name, unique within the collection.
    pub name: Arc<str>,
    /// What it is made for.
    pub kind: IndexKind,
    /// Its columns, in order.
    pub columns: Vec<IndexColumn>,
}

/// A collection (Parse: class) as it stands in the catalogue.
#[derive(Clone, Debug)]
pub struct Collection {
    /// Its id; names the physical table.
    pub id: CollectionId,
    /// Its name.
    pub name: Arc<str>,
    /// Its fields in order of creation, dropped ones left out.
    pub fields: Vec<Field>,
    /// Its declared indexes.
    pub indexes: Vec<IndexDef>,
    /// What the data engine keeps with it (permissions and more); opaque to stores.
    pub rules: Map,
    /// Changes with every change of this collection's definition.
    pub version: u64,
}

impl Collection {
    /// The field of that name. Linear: collections have tens of fields, and this beats hashing.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| &*f.def.name == name)
    }
}

/// All collections of an app at one moment. Immutable; a schema change publishes a new one.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Grows by one with every schema change.
    pub version: u64,
    /// The collections by name.
    pub collections: HashMap<Arc<str>, Arc<Collection>>,
}

impl Catalogue {
    /// The collection of that name.
    pub fn collection(&self, name: &str) -> Option<&Arc<Collection>> {
        self.collections.get(name)
    }
}
