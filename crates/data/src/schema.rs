//! Schemas as adapters show and change them.

mod change;
mod check;
mod view;

pub(crate) use change::{create, delete, update};
pub(crate) use view::{get, list};

use crate::Rules;
use basalt_base::Value;
use basalt_store::{FieldDef, FieldType, IndexDef};
use std::sync::Arc;

/// A field as shown.
#[derive(Clone, Debug, PartialEq)]
pub struct SchemaField {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub ty: FieldType,
    /// Whether a value is required.
    pub required: bool,
    /// The value given when there is none.
    pub default: Option<Value>,
}

/// A collection's schema as shown, without the fields that every object has.
#[derive(Clone, Debug)]
pub struct SchemaView {
    /// The collection.
    pub name: Arc<str>,
    /// Its fields.
    pub fields: Vec<SchemaField>,
    /// Its indexes.
    pub indexes: Vec<IndexDef>,
    /// Its rules.
    pub rules: Arc<Rules>,
}

/// A change of one index.
#[derive(Clone, Debug)]
pub enum IndexChange {
    /// Adds it.
    Add(IndexDef),
    /// Drops it.
    Drop(Arc<str>),
}

/// A change of a schema, or a new one.
#[derive(Clone, Debug)]
pub struct SchemaChangeRequest {
    /// The collection.
    pub name: Arc<str>,
    /// Fields to add (or, with the same type, to alter `required` and `default` of).
    pub add_fields: Vec<FieldDef>,
    /// Fields to drop.
    pub drop_fields: Vec<Arc<str>>,
    /// Index changes.
    pub indexes: Vec<IndexChange>,
    /// New rules.
    pub rules: Option<Rules>,
    /// Whether the rules become those of a new collection, unless `rules` says others.
    pub default_rules: bool,
}
