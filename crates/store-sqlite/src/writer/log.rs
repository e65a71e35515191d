//! The change log: appending, and purging by age and size.

use super::batch::Tx;
use crate::error::Typed;
use crate::options::Options;
use basalt_base::{Error, Reason, Result};
use basalt_store::{ChangeKind, Record, RecordWrite, codec};
use rusqlite::{Connection, OptionalExtension, params};

/// Bytes that a change takes besides its images.
const ROW_BYTES: u64 = 64;

/// A change to append.
pub(super) struct Entry<'a> {
    pub(super) position: u64,
    pub(super) collection: (&'a str, u32),
    pub(super) write: &'a RecordWrite,
    pub(super) before: Option<&'a Record>,
    pub(super) after: Option<&'a Record>,
}

/// Appends a change; the running total grows by its size. Refuses an object that is larger than
/// the limit: only here is the result of operations such as an append known.
pub(super) fn append(tx: &mut Tx<'_>, entry: &Entry<'_>) -> Result<()> {
    let before = entry.before.map(codec::encode_record);
    let after = entry.after.map(codec::encode_record);
    if after
        .as_ref()
        .is_some_and(|image| image.len() > tx.record_bytes_max)
    {
        return Err(Error::new(
            Reason::ObjectTooLarge,
            "The object would be larger than the limit.",
        ));
    }
    let kind = match (&before, &after) {
        (None, _) => ChangeKind::Create,
        (Some(_), Some(_)) => ChangeKind::Update,
        (Some(_), None) => ChangeKind::Delete,
    };
    let bytes = |text: &Option<String>| text.as_ref().map_or(0, |t| t.len() as u64);
    tx.state.log_total += ROW_BYTES + bytes(&before) + bytes(&after);
    let sql = "INSERT INTO basalt_changes
        (position, total, at, logged, kind, collection, collection_id, id, before, after)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let statement = tx.appends.get(&tx.session.conn, sql)?;
    let done = statement.execute(params![
        entry.position,
        tx.state.log_total,
        entry.write.at.millis(),
        tx.now_ms,
        kind as i64,
        entry.collection.0,
        entry.collection.1,
        &*entry.write.id,
        before,
        after
    ]);
    done.map(drop).typed()
}

/// The running total of bytes up to the newest change.
pub(super) fn total(conn: &Connection) -> Result<u64> {
    conn.query_row(
        "SELECT total FROM basalt_changes ORDER BY position DESC LIMIT 1",
        [],
        |row| row.get(0),
    )
    .optional()
    .typed()
    .map(Option::unwrap_or_default)
}

/// Removes at most `rows_max` of the oldest changes that are too old or too many, but never the
/// newest one; says how many.
pub(super) fn purge(
    conn: &Connection,
    options: &Options,
    now_ms: i64,
    total: u64,
    rows_max: u64,
) -> Result<u64> {
    let oldest: Option<(u64, u64, i64)> = conn
        .prepare_cached(
            "SELECT position, total, logged FROM basalt_changes ORDER BY position LIMIT 1",
        )
        .and_then(|mut s| {
            s.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()
        })
        .typed()?;
    let Some((first, first_total, first_logged)) = oldest else {
        return Ok(0);
    };
    let age_ms = i64::try_from(options.change_age_max.as_millis()).unwrap_or(i64::MAX);
    let old_before = now_ms.saturating_sub(age_ms);
    let surplus_to = total.saturating_sub(options.change_bytes_max);
    if first_logged >= old_before && first_total > surplus_to {
        return Ok(0);
    }
    // The first one to keep; the log stays dense.
    let keep: u64 = conn
        .prepare_cached(
            "SELECT coalesce(
                (SELECT min(position) FROM (SELECT position, total, logged FROM basalt_changes
                     ORDER BY position LIMIT ?1) WHERE logged >= ?2 AND total > ?3),
                min(?4, (SELECT max(position) FROM basalt_changes)))",
        )
        .and_then(|mut s| {
            let end = first.saturating_add(rows_max);
            s.query_row(params![rows_max, old_before, surplus_to, end], |row| {
                row.get(0)
            })
        })
        .typed()?;
    if keep <= first {
        return Ok(0);
    }
    conn.prepare_cached("DELETE FROM basalt_changes WHERE position < ?")
        .and_then(|mut s| s.execute([keep]))
        .typed()?;
    conn.prepare_cached("UPDATE basalt_meta SET floor = ?")
        .and_then(|mut s| s.execute([keep - 1]))
        .typed()?;
    Ok(keep - first)
}
