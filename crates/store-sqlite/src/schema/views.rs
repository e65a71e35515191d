//! Views with readable names, for people and tools. The server itself never reads them.

use super::{Layout, Schema, Shape};
use crate::error::Typed;
use basalt_base::Result;
use basalt_store::CollectionId;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashSet;
use std::fmt::Write;

/// Makes the views of these collections anew.
pub(crate) fn refresh(
    conn: &Connection,
    schema: &Schema,
    changed: &HashSet<CollectionId>,
) -> Result<()> {
    for layout in schema.layouts() {
        if changed.contains(&layout.collection.id) {
            drop(conn, layout.collection.id.0)?;
            let name = free_name(conn, layout)?;
            conn.execute_batch(&definition(layout, &name)).typed()?;
            conn.execute(
                "UPDATE basalt_collections SET view = ? WHERE id = ?",
                params![name, layout.collection.id.0],
            )
            .typed()?;
        }
    }
    Ok(())
}

/// Drops the view of a collection.
pub(super) fn drop(conn: &Connection, id: u32) -> Result<()> {
    let name: Option<Option<String>> = conn
        .prepare_cached("SELECT view FROM basalt_collections WHERE id = ?")
        .and_then(|mut s| s.query_row([id], |row| row.get(0)).optional())
        .typed()?;
    match name.flatten() {
        Some(name) => conn
            .execute_batch(&format!("DROP VIEW IF EXISTS {}", quoted(&name)))
            .typed(),
        None => Ok(()),
    }
}

/// SQLite folds ASCII case in names, and our own tables have theirs: the id tells such names apart.
fn free_name(conn: &Connection, layout: &Layout) -> Result<String> {
    let name = &*layout.collection.name;
    let folded = name.to_ascii_lowercase();
    let physical = folded.len() > 1
        && folded.starts_with(['t', 'g', 'i'])
        && folded[1..].starts_with(|c: char| c.is_ascii_digit());
    let ours = folded.starts_with("basalt_") || folded.starts_with("sqlite_");
    let taken: bool = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE lower(name) = ?)")
        .and_then(|mut s| s.query_row([folded], |row| row.get(0)))
        .typed()?;
    Ok(if physical || ours || taken {
        let kept = if ours { "class_" } else { "" };
        format!("{kept}{name}~{}", layout.collection.id.0)
    } else {
        name.to_owned()
    })
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn time(column: &str) -> String {
    format!("strftime('%Y-%m-%dT%H:%M:%fZ', {column} / 1000.0, 'unixepoch')")
}

fn definition(layout: &Layout, name: &str) -> String {
    let mut out = format!(
        "CREATE VIEW {} AS SELECT _id AS id, {} AS created_at, {} AS updated_at, _rev AS rev",
        quoted(name),
        time("_created"),
        time("_updated"),
    );
    let mut used: HashSet<String> = ["id", "created_at", "updated_at", "rev"]
        .into_iter()
        .map(str::to_owned)
        .collect();
    for column in &layout.columns {
        let id = column.id.0;
        let free = used.insert(column.name.to_ascii_lowercase());
        let label = if free {
            column.name.to_string()
        } else {
            format!("{}~{id}", column.name)
        };
        let physical = column.physical();
        let expression = match column.shape {
            Shape::Nothing => continue,
            Shape::Geo => {
                let text = format!("{physical}_lat || ',' || {physical}_lng");
                let _ = write!(out, ", {text} AS {}", quoted(&label));
                continue;
            }
            Shape::Json => format!("json({physical})"),
            Shape::Date => time(&physical),
            _ => physical,
        };
        let _ = write!(out, ", {expression} AS {}", quoted(&label));
    }
    let _ = write!(out, " FROM {}", layout.table);
    out
}
