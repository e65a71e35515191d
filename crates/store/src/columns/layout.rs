//! Which columns the fields of a collection have.

use crate::{Collection, FieldId, FieldType};
use std::fmt::Write;
use std::sync::Arc;

/// The columns that every table has, in the order in which they are read.
pub const HEAD: &str = "_id, _created, _updated, _rev, _rperm, _wperm, _x";
/// How many those are.
pub const HEAD_LEN: usize = 7;

/// How a column holds values. What it is declared as is the dialect's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Whole numbers and doubles.
    Number,
    /// A text.
    Text,
    /// True or false.
    Boolean,
    /// Milliseconds since 1970.
    Date,
    /// The storage JSON of an object, a list or a polygon.
    Json,
    /// Two columns, latitude and longitude in degrees.
    Geo,
    /// A text: the name, or name, U+001F and URL.
    File,
    /// Bytes.
    Bytes,
    /// A text: the id of an object of that collection.
    Reference(Arc<str>),
    /// No column (relations).
    Nothing,
}

impl Shape {
    /// The shape for values of a type.
    pub fn of(ty: &FieldType) -> Self {
        match ty {
            FieldType::Number => Self::Number,
            FieldType::String => Self::Text,
            FieldType::Boolean => Self::Boolean,
            FieldType::Date => Self::Date,
            FieldType::Object | FieldType::Array | FieldType::Polygon => Self::Json,
            FieldType::GeoPoint => Self::Geo,
            FieldType::File => Self::File,
            FieldType::Bytes => Self::Bytes,
            FieldType::Reference(target) => Self::Reference(target.clone()),
            FieldType::Relation(_) => Self::Nothing,
        }
    }
}

/// A field's place in the table.
#[derive(Clone, Debug)]
pub struct Column {
    /// The field's name.
    pub name: Arc<str>,
    /// The field's id, which names the column.
    pub id: FieldId,
    /// The field's type.
    pub ty: FieldType,
    /// How the column holds its values.
    pub shape: Shape,
}

impl Column {
    /// The columns of a collection, in the order of its fields.
    pub fn all(collection: &Collection) -> Vec<Self> {
        let fields = collection.fields.iter();
        let columns = fields.map(|field| Self {
            name: field.def.name.clone(),
            id: field.id,
            ty: field.def.ty.clone(),
            shape: Shape::of(&field.def.ty),
        });
        columns.collect()
    }

    /// The name of the column, or of the first of two without its suffix.
    pub fn physical(&self) -> String {
        format!("c{}", self.id.0)
    }

    /// Appends the expressions that read the field, each after a comma.
    pub fn push_read(&self, out: &mut String) {
        let id = self.id.0;
        let _ = match self.shape {
            Shape::Nothing => Ok(()),
            Shape::Geo => write!(out, ", c{id}_lat, c{id}_lng"),
            _ => write!(out, ", c{id}"),
        };
    }
}
