//! Field types and index kinds as text in the catalogue tables.

use crate::codec::corrupt;
use crate::{FieldRef, FieldType, IndexKind};
use basalt_base::Result;

/// The type from its word and target; `StoreCorrupt` for a word that is none.
pub fn field_type(word: &str, target: Option<&str>) -> Result<FieldType> {
    Ok(match (word, target) {
        ("Number", _) => FieldType::Number,
        ("String", _) => FieldType::String,
        ("Boolean", _) => FieldType::Boolean,
        ("Date", _) => FieldType::Date,
        ("Object", _) => FieldType::Object,
        ("Array", _) => FieldType::Array,
        ("GeoPoint", _) => FieldType::GeoPoint,
        ("File", _) => FieldType::File,
        ("Bytes", _) => FieldType::Bytes,
        ("Polygon", _) => FieldType::Polygon,
        ("Pointer", Some(target)) => FieldType::Reference(target.into()),
        ("Relation", Some(target)) => FieldType::Relation(target.into()),
        _ => return Err(corrupt(&format!("a field of type {word}"))),
    })
}

/// The kind's word.
pub fn kind_word(kind: IndexKind) -> &'static str {
    match kind {
        IndexKind::Ordered => "ordered",
        IndexKind::Unique => "unique",
        IndexKind::Geo => "geo",
    }
}

/// The kind from its word; `StoreCorrupt` for a word that is none.
pub fn kind_of(word: &str) -> Result<IndexKind> {
    Ok(match word {
        "ordered" => IndexKind::Ordered,
        "unique" => IndexKind::Unique,
        "geo" => IndexKind::Geo,
        _ => return Err(corrupt(&format!("an index of kind {word}"))),
    })
}

/// The field's word: names of system fields start with `$`, which no field name does.
pub fn field_word(field: &FieldRef) -> &str {
    match field {
        FieldRef::Id => "$id",
        FieldRef::CreatedAt => "$created",
        FieldRef::UpdatedAt => "$updated",
        FieldRef::Named(name) => name,
    }
}

/// The field from its word.
pub fn field_of(word: &str) -> FieldRef {
    match word {
        "$id" => FieldRef::Id,
        "$created" => FieldRef::CreatedAt,
        "$updated" => FieldRef::UpdatedAt,
        name => FieldRef::Named(name.into()),
    }
}
