//! The definition of a collection.

use crate::canonical;
use crate::values::{flag, holds_nul, list, sub_map, text};
use basalt_base::{Map, Value};
use basalt_store::{
    Collection, FieldDef, FieldRef, FieldType, IndexColumn, IndexDef, IndexKind, Record, codec,
};
use std::sync::Arc;

/// Longest name in bytes.
const NAME_BYTES_MAX: usize = 500;

/// A collection without its objects.
#[derive(Clone)]
pub(crate) struct Definition {
    pub name: Arc<str>,
    pub fields: Vec<FieldDef>,
    pub indexes: Vec<IndexDef>,
    pub rules: Map,
}

impl Definition {
    pub(crate) fn of(collection: &Collection) -> Self {
        Self {
            name: collection.name.clone(),
            fields: collection.fields.iter().map(|f| f.def.clone()).collect(),
            indexes: collection.indexes.clone(),
            rules: collection.rules.clone(),
        }
    }

    /// The line.
    pub(crate) fn line(&self) -> String {
        codec::encode_to_string(&self.value())
    }

    /// What is hashed: the line with the keys of its maps in order. Indexes count as a set.
    pub(crate) fn canonical_text(&self) -> String {
        let mut own = self.clone();
        own.indexes.sort_by(|a, b| a.name.cmp(&b.name));
        codec::encode_to_string(&canonical::value(&own.value()))
    }

    /// Whether the object's values are of the types of its fields; null needs no field.
    pub(crate) fn fits(&self, record: &Record) -> bool {
        record.fields.iter().all(|(name, value)| {
            let field = self.fields.iter().find(|field| field.name == *name);
            match field {
                Some(field) => field.ty.accepts(value),
                None => matches!(value, Value::Null),
            }
        })
    }

    fn value(&self) -> Value {
        Value::Map(Map::from_iter([
            ("kind".to_owned(), "collection".into()),
            ("name".to_owned(), Value::from(&*self.name)),
            (
                "fields".to_owned(),
                Value::Array(self.fields.iter().map(field).collect()),
            ),
            (
                "indexes".to_owned(),
                Value::Array(self.indexes.iter().map(index).collect()),
            ),
            ("rules".to_owned(), Value::Map(self.rules.clone())),
        ]))
    }

    pub(super) fn read(map: &Map) -> Option<Self> {
        let fields = list(map, "fields")?.iter().map(read_field);
        let indexes = list(map, "indexes")?.iter().map(read_index);
        let own = Self {
            name: text(map, "name")?.into(),
            fields: fields.collect::<Option<_>>()?,
            indexes: indexes.collect::<Option<_>>()?,
            rules: sub_map(map, "rules")?.clone(),
        };
        let mut targets = own.fields.iter().filter_map(|f| f.ty.target());
        let sound = targets.all(|name| is_collection_name(name))
            && is_collection_name(&own.name)
            && !holds_nul(&Value::Map(own.rules.clone()));
        sound.then_some(own)
    }
}

/// Letters, digits, `_`, and the `:` of join collections.
fn is_collection_name(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':');
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(good)
}

pub(super) fn is_field_name(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(good)
}

fn is_index_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control)
}

fn field(def: &FieldDef) -> Value {
    let mut map = Map::from_iter([
        ("name".to_owned(), Value::from(&*def.name)),
        ("type".to_owned(), def.ty.word().into()),
    ]);
    if let Some(target) = def.ty.target() {
        map.insert("target".to_owned(), Value::from(&**target));
    }
    if def.required {
        map.insert("required".to_owned(), Value::Bool(true));
    }
    if let Some(default) = &def.default {
        map.insert("default".to_owned(), default.clone());
    }
    Value::Map(map)
}

fn read_field(value: &Value) -> Option<FieldDef> {
    let map = value.as_map()?;
    let target = || Some(Arc::from(text(map, "target")?));
    let def = FieldDef {
        name: text(map, "name")?.into(),
        ty: match text(map, "type")?.as_str() {
            "Number" => FieldType::Number,
            "String" => FieldType::String,
            "Boolean" => FieldType::Boolean,
            "Date" => FieldType::Date,
            "Object" => FieldType::Object,
            "Array" => FieldType::Array,
            "GeoPoint" => FieldType::GeoPoint,
            "File" => FieldType::File,
            "Bytes" => FieldType::Bytes,
            "Polygon" => FieldType::Polygon,
            "Pointer" => FieldType::Reference(target()?),
            "Relation" => FieldType::Relation(target()?),
            _ => return None,
        },
        required: map.contains_key("required") && flag(map, "required")?,
        default: map.get("default").cloned(),
    };
    let sound = is_field_name(&def.name) && !def.default.as_ref().is_some_and(holds_nul);
    sound.then_some(def)
}

/// Names of the fields that every object has; no other field's name begins like this.
const SYSTEM: [(&str, FieldRef); 3] = [
    ("@id", FieldRef::Id),
    ("@created", FieldRef::CreatedAt),
    ("@updated", FieldRef::UpdatedAt),
];

fn index(def: &IndexDef) -> Value {
    let column = |column: &IndexColumn| {
        let system = SYSTEM.iter().find(|(_, field)| *field == column.field);
        let name = match (&column.field, system) {
            (FieldRef::Named(name), _) => Value::from(&**name),
            (_, Some((name, _))) => Value::from(*name),
            (_, None) => Value::Null,
        };
        Value::Array(vec![name, Value::Bool(column.descending)])
    };
    Value::Map(Map::from_iter([
        ("name".to_owned(), Value::from(&*def.name)),
        ("kind".to_owned(), kind_word(def.kind).into()),
        (
            "columns".to_owned(),
            Value::Array(def.columns.iter().map(column).collect()),
        ),
    ]))
}

fn kind_word(kind: IndexKind) -> &'static str {
    match kind {
        IndexKind::Ordered => "ordered",
        IndexKind::Unique => "unique",
        IndexKind::Geo => "geo",
    }
}

fn read_index(value: &Value) -> Option<IndexDef> {
    let map = value.as_map()?;
    let word = text(map, "kind")?;
    let kinds = [IndexKind::Ordered, IndexKind::Unique, IndexKind::Geo];
    let kind = kinds.into_iter().find(|kind| kind_word(*kind) == word)?;
    let column = |column: &Value| match column.as_array()? {
        [Value::String(name), Value::Bool(descending)] => {
            let system = SYSTEM.iter().find(|(word, _)| word == name);
            let field = match system {
                Some((_, field)) => field.clone(),
                None if is_field_name(name) => FieldRef::Named(name.as_str().into()),
                None => return None,
            };
            Some(IndexColumn {
                field,
                descending: *descending,
            })
        }
        _ => None,
    };
    let name = text(map, "name").filter(|name| is_index_name(name))?;
    Some(IndexDef {
        name: name.into(),
        kind,
        columns: list(map, "columns")?
            .iter()
            .map(column)
            .collect::<Option<_>>()?,
    })
}
