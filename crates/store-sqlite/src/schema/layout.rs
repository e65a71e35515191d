//! How the objects of a collection lie in its table.

use basalt_store::{Collection, FieldId, FieldType};
use std::fmt::Write;
use std::sync::Arc;

/// The columns that every table has, in the order in which they are read.
pub(crate) const HEAD: &str = "_id, _created, _updated, _rev, _rperm, _wperm, _x";
/// How many those are.
pub(crate) const HEAD_LEN: usize = 7;

/// How a column holds values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// INTEGER or REAL as given; no affinity.
    Number,
    /// TEXT.
    Text,
    /// 0 or 1.
    Boolean,
    /// Milliseconds since 1970.
    Date,
    /// JSONB of the storage JSON.
    Json,
    /// Two REAL columns and an R*Tree.
    Geo,
    /// TEXT: the name, or name, U+001F and URL.
    File,
    /// BLOB.
    Bytes,
    /// TEXT: the id of an object of that collection.
    Reference(Arc<str>),
    /// No column (relations).
    Nothing,
}

impl Shape {
    fn of(ty: &FieldType) -> Self {
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

    /// The declared types of the columns, each with the suffix of its name.
    pub(crate) fn declared(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Number => &[("", "")],
            Self::Text | Self::File | Self::Reference(_) => &[("", "TEXT")],
            Self::Boolean | Self::Date => &[("", "INTEGER")],
            Self::Json | Self::Bytes => &[("", "BLOB")],
            Self::Geo => &[("_lat", "REAL"), ("_lng", "REAL")],
            Self::Nothing => &[],
        }
    }
}

/// A field's place in the table.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: Arc<str>,
    pub(crate) id: FieldId,
    pub(crate) ty: FieldType,
    pub(crate) shape: Shape,
}

impl Column {
    /// The name of the column, or of the first of two without its suffix.
    pub(crate) fn physical(&self) -> String {
        format!("c{}", self.id.0)
    }

    /// The name of the R*Tree of a geo point field.
    pub(crate) fn tree(&self) -> String {
        format!("g{}", self.id.0)
    }

    /// Appends the expressions that read the field, each after a comma.
    pub(crate) fn push_read(&self, out: &mut String) {
        let id = self.id.0;
        let _ = match self.shape {
            Shape::Nothing => Ok(()),
            Shape::Geo => write!(out, ", c{id}_lat, c{id}_lng"),
            _ => write!(out, ", c{id}"),
        };
    }

    /// Appends `name = ?` for each column, each after a comma.
    pub(crate) fn push_assign(&self, out: &mut String) {
        let id = self.id.0;
        let _ = match self.shape {
            Shape::Nothing => Ok(()),
            Shape::Geo => write!(out, ", c{id}_lat = ?, c{id}_lng = ?"),
            Shape::Json => write!(out, ", c{id} = jsonb(?)"),
            _ => write!(out, ", c{id} = ?"),
        };
    }
}

/// The table of a collection, with the statements used most.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) collection: Arc<Collection>,
    pub(crate) columns: Vec<Column>,
    pub(crate) table: String,
    /// Reads `_n` and then everything of the object with an id.
    pub(crate) get_sql: String,
    /// Inserts an object: the head, then each field.
    pub(crate) insert_sql: String,
}

impl Layout {
    pub(crate) fn of(collection: Arc<Collection>) -> Self {
        let columns: Vec<Column> = collection
            .fields
            .iter()
            .map(|field| Column {
                name: field.def.name.clone(),
                id: field.id,
                ty: field.def.ty.clone(),
                shape: Shape::of(&field.def.ty),
            })
            .collect();
        let table = format!("t{}", collection.id.0);
        let mut get_sql = format!("SELECT _n, {HEAD}");
        let mut names = HEAD.to_owned();
        let mut marks = "?, ?, ?, ?, ?, ?, ?".to_owned();
        for column in &columns {
            column.push_read(&mut get_sql);
            for (suffix, _) in column.shape.declared() {
                let _ = write!(names, ", c{}{suffix}", column.id.0);
                marks.push_str(match column.shape {
                    Shape::Json => ", jsonb(?)",
                    _ => ", ?",
                });
            }
        }
        let _ = write!(get_sql, " FROM {table} WHERE _id = ?");
        let insert_sql = format!("INSERT INTO {table} ({names}) VALUES ({marks})");
        Self {
            collection,
            columns,
            table,
            get_sql,
            insert_sql,
        }
    }

    /// The column of the field of that name.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| &*c.name == name)
    }
}
