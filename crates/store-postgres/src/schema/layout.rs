//! How the objects of a collection lie in its table.

use basalt_store::{Collection, FieldId, FieldType};
use std::fmt::Write;
use std::sync::Arc;

/// The columns that every table has, in the order in which they are read.
pub(crate) const HEAD: &str = "_id, _created, _updated, _rev, _rperm, _wperm, _x";
/// How many those are.
pub(crate) const HEAD_LEN: usize = 7;

/// How a column holds values. Texts are in the form of [`crate::text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// NUMERIC: whole numbers exact, doubles in their shortest decimal form.
    Number,
    /// TEXT COLLATE "C".
    Text,
    /// BOOLEAN.
    Boolean,
    /// BIGINT: milliseconds since 1970.
    Date,
    /// JSONB of the storage JSON.
    Json,
    /// Two DOUBLE PRECISION columns.
    Geo,
    /// TEXT: the name, or name, U+001F and URL.
    File,
    /// BYTEA.
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
            Self::Number => &[("", "NUMERIC")],
            Self::Text | Self::File | Self::Reference(_) => &[("", "TEXT COLLATE \"C\"")],
            Self::Boolean => &[("", "BOOLEAN")],
            Self::Date => &[("", "BIGINT")],
            Self::Json => &[("", "JSONB")],
            Self::Bytes => &[("", "BYTEA")],
            Self::Geo => &[("_lat", "DOUBLE PRECISION"), ("_lng", "DOUBLE PRECISION")],
            Self::Nothing => &[],
        }
    }

    /// The types without their collations, for casts of parameters.
    pub(crate) fn cast(&self) -> &'static str {
        match self {
            Self::Number => "NUMERIC",
            Self::Text | Self::File | Self::Reference(_) => "TEXT",
            Self::Boolean => "BOOLEAN",
            Self::Date => "BIGINT",
            Self::Json => "JSONB",
            Self::Bytes => "BYTEA",
            Self::Geo | Self::Nothing => "DOUBLE PRECISION",
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

    /// Appends the expressions that read the field, each after a comma.
    pub(crate) fn push_read(&self, out: &mut String) {
        let id = self.id.0;
        let _ = match self.shape {
            Shape::Nothing => Ok(()),
            Shape::Geo => write!(out, ", c{id}_lat, c{id}_lng"),
            _ => write!(out, ", c{id}"),
        };
    }
}

/// The table of a collection, with the statements used most.
///
/// Every table starts `_n BIGINT PRIMARY KEY` (the revision at which the object was created, so that
/// it is the order of creation), `_id TEXT COLLATE "C" NOT NULL UNIQUE`, `_created BIGINT`,
/// `_updated BIGINT`, `_rev BIGINT`, `_rperm TEXT[]` and `_wperm TEXT[]` (the tokens of an ACL in the
/// form of [`crate::text`]; NULL lets everybody in), `_x JSONB` (see [`crate::row`]).
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) collection: Arc<Collection>,
    pub(crate) columns: Vec<Column>,
    /// The table with its schema: `basalt_app_1.t12`.
    pub(crate) table: String,
    /// Reads `_n` and then everything of the object with an id, `$1`.
    pub(crate) get_sql: String,
    /// The same with where the app's data stands in front.
    pub(crate) latest_sql: String,
}

impl Layout {
    pub(crate) fn of(schema: &str, collection: Arc<Collection>) -> Self {
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
        let table = format!("{schema}.t{}", collection.id.0);
        let mut get_sql = format!("SELECT _n, {HEAD}");
        for column in &columns {
            column.push_read(&mut get_sql);
        }
        let _ = write!(get_sql, " FROM {table} WHERE _id = $1");
        let latest_sql = crate::reads::stamped(schema, &get_sql);
        Self {
            collection,
            columns,
            table,
            get_sql,
            latest_sql,
        }
    }

    /// The column of the field of that name.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| &*c.name == name)
    }
}
