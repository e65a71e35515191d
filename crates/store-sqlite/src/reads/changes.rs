//! Reading the change log.

use crate::connection::Session;
use crate::error::{Typed, corrupt};
use basalt_base::{Result, Timestamp};
use basalt_store::{Change, ChangeKind, Position, codec};
use rusqlite::Row;
use std::sync::Arc;

/// The changes after a position; `None` when the log no longer reaches back that far.
pub(crate) fn after(
    session: &Session,
    position: Position,
    limit: usize,
) -> Result<Option<Vec<Change>>> {
    let floor: u64 = session
        .conn
        .prepare_cached("SELECT floor FROM basalt_meta")
        .and_then(|mut s| s.query_row([], |row| row.get(0)))
        .typed()?;
    if position.0 < floor {
        return Ok(None);
    }
    let mut statement = session
        .conn
        .prepare_cached(
            "SELECT position, collection, id, kind, before, after, at FROM basalt_changes
             WHERE position > ? ORDER BY position LIMIT ?",
        )
        .typed()?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let after = i64::try_from(position.0).unwrap_or(i64::MAX);
    let mut rows = statement.query([after, limit]).typed()?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next().typed()? {
        changes.push(change(row)?);
    }
    Ok(Some(changes))
}

fn change(row: &Row<'_>) -> Result<Change> {
    let image = |at: usize| -> Result<Option<Arc<_>>> {
        let text = row.get_ref(at).typed()?.as_str_or_null();
        let text = text.map_err(|_| corrupt("a change image that is no text"))?;
        Ok(text.map(codec::decode_record).transpose()?.map(Arc::new))
    };
    Ok(Change {
        position: Position(row.get(0).typed()?),
        collection: row.get::<_, String>(1).typed()?.into(),
        id: row.get::<_, String>(2).typed()?.into(),
        kind: match row.get::<_, i64>(3).typed()? {
            0 => ChangeKind::Create,
            1 => ChangeKind::Update,
            2 => ChangeKind::Delete,
            _ => return Err(corrupt("the kind of a change")),
        },
        before: image(4)?,
        after: image(5)?,
        at: Timestamp::from_millis(row.get(6).typed()?),
    })
}
