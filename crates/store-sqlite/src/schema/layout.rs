//! How the objects of a collection lie in its table.

use basalt_store::Collection;
use basalt_store::columns::{Column, HEAD, Shape};
use std::fmt::Write;
use std::sync::Arc;

/// The declared types of the columns, each with the suffix of its name.
pub(crate) fn declared(shape: &Shape) -> &'static [(&'static str, &'static str)] {
    match shape {
        Shape::Number => &[("", "")],
        Shape::Text | Shape::File | Shape::Reference(_) => &[("", "TEXT")],
        Shape::Boolean | Shape::Date => &[("", "INTEGER")],
        Shape::Json | Shape::Bytes => &[("", "BLOB")],
        Shape::Geo => &[("_lat", "REAL"), ("_lng", "REAL")],
        Shape::Nothing => &[],
    }
}

/// The name of the R*Tree of a geo point field.
pub(crate) fn tree(column: &Column) -> String {
    format!("g{}", column.id.0)
}

/// Appends `name = ?` for each column of the field, each after a comma.
pub(crate) fn push_assign(column: &Column, out: &mut String) {
    let id = column.id.0;
    let _ = match column.shape {
        Shape::Nothing => Ok(()),
        Shape::Geo => write!(out, ", c{id}_lat = ?, c{id}_lng = ?"),
        Shape::Json => write!(out, ", c{id} = jsonb(?)"),
        _ => write!(out, ", c{id} = ?"),
    };
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
        let columns = Column::all(&collection);
        let table = format!("t{}", collection.id.0);
        let mut get_sql = format!("SELECT _n, {HEAD}");
        let mut names = HEAD.to_owned();
        let mut marks = "?, ?, ?, ?, ?, ?, ?".to_owned();
        for column in &columns {
            column.push_read(&mut get_sql);
            for (suffix, _) in declared(&column.shape) {
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
