//! Reading the change log.

use crate::error::{Typed, corrupt};
use crate::shared::Shared;
use crate::text;
use basalt_base::{Result, Timestamp};
use basalt_store::{Change, ChangeKind, Position, codec};
use std::sync::Arc;
use tokio_postgres::Row;

/// The changes after a position; `None` when the log no longer reaches back that far. One statement
/// reads the floor and the rows, so that both are of one moment.
pub(crate) async fn after(
    shared: &Shared,
    position: Position,
    limit: usize,
) -> Result<Option<Vec<Change>>> {
    let schema = &shared.name;
    let sql = format!(
        "SELECT f.floor, c.position, c.collection, c.id, c.kind, c.before, c.after, c.at
         FROM (SELECT floor FROM {schema}.basalt_floor WHERE one) f LEFT JOIN
         (SELECT position, collection, id, kind, before, after, at FROM {schema}.basalt_changes
          WHERE position > $1 ORDER BY position LIMIT $2) c ON true"
    );
    let after = i64::try_from(position.0).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = shared.common.lanes.read(&sql, &[&after, &limit]).await?;
    let floor = rows
        .first()
        .ok_or_else(|| corrupt("an app without its floor"))?;
    if position.0 < floor.try_get::<_, i64>(0).typed()?.cast_unsigned() {
        return Ok(None);
    }
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(at) = row.try_get::<_, Option<i64>>(1).typed()? {
            changes.push(change(row, at)?);
        }
    }
    Ok(Some(changes))
}

fn change(row: &Row, position: i64) -> Result<Change> {
    let image = |at: usize| -> Result<Option<Arc<_>>> {
        let held: Option<&str> = row.try_get(at).typed()?;
        Ok(held.map(codec::decode_record).transpose()?.map(Arc::new))
    };
    Ok(Change {
        position: Position(position.cast_unsigned()),
        collection: row.try_get::<_, &str>(2).typed()?.into(),
        id: text::original(row.try_get(3).typed()?).into(),
        kind: match row.try_get::<_, i16>(4).typed()? {
            0 => ChangeKind::Create,
            1 => ChangeKind::Update,
            2 => ChangeKind::Delete,
            _ => return Err(corrupt("the kind of a change")),
        },
        before: image(5)?,
        after: image(6)?,
        at: Timestamp::from_millis(row.try_get(7).typed()?),
    })
}
