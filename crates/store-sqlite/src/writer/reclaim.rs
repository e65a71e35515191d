//! Giving back the space of dropped collections and fields, some rows at a time.
//!
//! What is dropped is noted in the same transaction, so that a crash only makes the work start
//! where its last slice ended. A dropped field's columns are emptied: that frees the pages of large
//! values, and room within the others, which SQLite does not join. A small table then loses
//! them; in a large one, where that would rewrite every row at once, the empty columns wait for a
//! new field that is stored the same way ([`reuse`]).

use crate::error::Typed;
use basalt_base::Result;
use rusqlite::{Connection, OptionalExtension, params};

/// Rows of a table, or changes of the log, removed before the clock is looked at.
pub(super) const SLICE_ROWS: u64 = 200;

/// Removes or empties some rows; says whether there was anything to do.
pub(super) fn step(conn: &Connection) -> Result<bool> {
    Ok(collection(conn)? || field(conn)?)
}

/// Removes some rows of a dropped collection's table, and the table once it is empty.
fn collection(conn: &Connection) -> Result<bool> {
    let id: Option<u32> = conn
        .prepare_cached("SELECT collection FROM basalt_dropped LIMIT 1")
        .and_then(|mut s| s.query_row([], |row| row.get(0)).optional())
        .typed()?;
    let Some(id) = id else { return Ok(false) };
    let sql = format!(
        "DELETE FROM t{id} WHERE _n <= (SELECT max(_n) FROM (SELECT _n FROM t{id} ORDER BY _n LIMIT {SLICE_ROWS}))"
    );
    if conn.execute(&sql, []).typed()? == 0 {
        conn.execute_batch(&format!("DROP TABLE t{id}")).typed()?;
        conn.execute("DELETE FROM basalt_dropped WHERE collection = ?", [id])
            .typed()?;
    }
    Ok(true)
}

/// Empties a dropped field's columns in some rows.
fn field(conn: &Connection) -> Result<bool> {
    let sql =
        "SELECT field, collection, emptied FROM basalt_dropped_fields WHERE spare = 0 LIMIT 1";
    let found: Option<(u32, u32, i64)> = conn
        .prepare_cached(sql)
        .and_then(|mut s| {
            s.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()
        })
        .typed()?;
    let Some((field, collection, emptied)) = found else {
        return Ok(false);
    };
    let table = format!("t{collection}");
    let columns = crate::schema::dropped_columns(conn, &table, field)?;
    let sql = format!(
        "SELECT max(_n) FROM (SELECT _n FROM {table} WHERE _n > ? ORDER BY _n LIMIT {SLICE_ROWS})"
    );
    let upto: Option<i64> = conn.query_row(&sql, [emptied], |row| row.get(0)).typed()?;
    let Some(upto) = upto.filter(|_| !columns.is_empty()) else {
        crate::schema::give_up_columns(conn, &table, field, &columns)?;
        return Ok(true);
    };
    let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
    let sql = format!(
        "UPDATE {table} SET {} = NULL WHERE _n > ? AND _n <= ? AND ({} IS NOT NULL)",
        names.join(" = NULL, "),
        names.join(" IS NOT NULL OR "),
    );
    conn.execute(&sql, params![emptied, upto]).typed()?;
    conn.prepare_cached("UPDATE basalt_dropped_fields SET emptied = ? WHERE field = ?")
        .and_then(|mut s| s.execute(params![upto, field]))
        .typed()?;
    Ok(true)
}
