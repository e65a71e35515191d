//! Columns of dropped fields: noted, emptied by the writer in its idle time, then dropped or used
//! again.

use super::Column;
use crate::error::Typed;
use basalt_base::Result;
use rusqlite::{Connection, OptionalExtension, params};

/// Rows up to which SQLite may rewrite a table at once: measured, 8 µs a row of 500 bytes.
const ROWS_REWRITTEN_MAX: i64 = 1_000;

/// A column that no field has any more.
pub(crate) struct Dropped {
    pub(crate) name: String,
    declared: String,
}

/// Notes that a field's columns are to be emptied.
pub(super) fn note(conn: &Connection, collection: u32, column: &Column) -> Result<()> {
    if crate::schema::declared(&column.shape).is_empty() {
        return Ok(());
    }
    conn.execute(
        "INSERT INTO basalt_dropped_fields (field, collection, emptied, spare) VALUES (?, ?, 0, 0)",
        params![column.id.0, collection],
    )
    .map(drop)
    .typed()
}

/// Forgets what was noted of a collection, whose table goes as a whole.
pub(super) fn forget(conn: &Connection, collection: u32) -> Result<()> {
    conn.prepare_cached("DELETE FROM basalt_dropped_fields WHERE collection = ?")
        .and_then(|mut s| s.execute([collection]))
        .map(drop)
        .typed()
}

/// The columns that a dropped field had: one or two.
pub(crate) fn columns(conn: &Connection, table: &str, field: u32) -> Result<Vec<Dropped>> {
    let sql = "SELECT name, type FROM pragma_table_info(?1)
               WHERE name = ?2 OR name GLOB ?2 || '_*' ORDER BY cid";
    let mut statement = conn.prepare_cached(sql).typed()?;
    let rows = statement
        .query_map(params![table, format!("c{field}")], |row| {
            Ok(Dropped {
                name: row.get(0)?,
                declared: row.get(1)?,
            })
        })
        .typed()?;
    rows.collect::<rusqlite::Result<_>>().typed()
}

/// Ends the work on a field whose columns are empty in every row: a small table loses them, a
/// large one keeps them for another field.
pub(crate) fn give_up(
    conn: &Connection,
    table: &str,
    field: u32,
    columns: &[Dropped],
) -> Result<()> {
    let span: i64 = conn
        .query_row(
            &format!(
                "SELECT coalesce((SELECT max(_n) FROM {table}) - (SELECT min(_n) FROM {table}), 0)"
            ),
            [],
            |row| row.get(0),
        )
        .typed()?;
    if span >= ROWS_REWRITTEN_MAX {
        return conn
            .execute(
                "UPDATE basalt_dropped_fields SET spare = 1 WHERE field = ?",
                [field],
            )
            .map(drop)
            .typed();
    }
    for column in columns {
        conn.execute_batch(&format!("ALTER TABLE {table} DROP COLUMN {}", column.name))
            .typed()?;
    }
    conn.execute("DELETE FROM basalt_dropped_fields WHERE field = ?", [field])
        .map(drop)
        .typed()
}

/// Gives a new field the empty columns of a dropped one that was stored the same way; says whether
/// there were such.
pub(super) fn reuse(
    conn: &Connection,
    collection: u32,
    table: &str,
    column: &Column,
) -> Result<bool> {
    let sql = "SELECT field FROM basalt_dropped_fields WHERE collection = ? AND spare = 1";
    let spare: Vec<u32> = conn
        .prepare_cached(sql)
        .and_then(|mut s| s.query_map([collection], |row| row.get(0))?.collect())
        .typed()?;
    let wanted = crate::schema::declared(&column.shape);
    for field in spare {
        let present = columns(conn, table, field)?;
        let old = format!("c{field}");
        let same = present.len() == wanted.len()
            && present.iter().zip(wanted).all(|(present, (suffix, ty))| {
                present.name == format!("{old}{suffix}") && present.declared == *ty
            });
        if !same {
            continue;
        }
        for (suffix, _) in wanted {
            let new = column.physical();
            conn.execute_batch(&format!(
                "ALTER TABLE {table} RENAME COLUMN {old}{suffix} TO {new}{suffix}"
            ))
            .typed()?;
        }
        conn.execute("DELETE FROM basalt_dropped_fields WHERE field = ?", [field])
            .typed()?;
        return Ok(true);
    }
    Ok(false)
}

/// How many columns in how many tables still wait to be emptied or used again; for `verify`.
pub(crate) fn noted(conn: &Connection, collection: u32) -> Result<Vec<(u32, bool)>> {
    let sql = "SELECT field, spare FROM basalt_dropped_fields WHERE collection = ?";
    let mut statement = conn.prepare_cached(sql).typed()?;
    let rows = statement
        .query_map([collection], |row| Ok((row.get(0)?, row.get(1)?)))
        .typed()?;
    rows.collect::<rusqlite::Result<_>>().typed()
}

/// Whether anything that was dropped still takes space.
pub(crate) fn is_pending(conn: &Connection) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM basalt_dropped)
               OR EXISTS (SELECT 1 FROM basalt_dropped_fields WHERE spare = 0)";
    let pending: Option<bool> = conn
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row([], |row| row.get(0)).optional())
        .typed()?;
    Ok(pending.unwrap_or(false))
}
