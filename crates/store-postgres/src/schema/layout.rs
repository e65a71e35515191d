//! How the objects of a collection lie in its table.

use basalt_store::Collection;
use basalt_store::columns::{Column, HEAD, Shape};
use std::fmt::Write;
use std::sync::Arc;

/// The declared types of the columns, each with the suffix of its name.
pub(crate) fn declared(shape: &Shape) -> &'static [(&'static str, &'static str)] {
    match shape {
        Shape::Number => &[("", "NUMERIC")],
        Shape::Text | Shape::File | Shape::Reference(_) => &[("", "TEXT COLLATE \"C\"")],
        Shape::Boolean => &[("", "BOOLEAN")],
        Shape::Date => &[("", "BIGINT")],
        Shape::Json => &[("", "JSONB")],
        Shape::Bytes => &[("", "BYTEA")],
        Shape::Geo => &[("_lat", "DOUBLE PRECISION"), ("_lng", "DOUBLE PRECISION")],
        Shape::Nothing => &[],
    }
}

/// The types without their collations, for casts of parameters.
pub(crate) fn cast(shape: &Shape) -> &'static str {
    match shape {
        Shape::Number => "NUMERIC",
        Shape::Text | Shape::File | Shape::Reference(_) => "TEXT",
        Shape::Boolean => "BOOLEAN",
        Shape::Date => "BIGINT",
        Shape::Json => "JSONB",
        Shape::Bytes => "BYTEA",
        Shape::Geo | Shape::Nothing => "DOUBLE PRECISION",
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
        let columns = Column::all(&collection);
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
