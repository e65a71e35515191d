//! Declared indexes.

use super::{Layout, Schema, Shape, ddl, load};
use crate::error::Typed;
use basalt_base::{Error, Reason, Result};
use basalt_store::columns::words;
use basalt_store::{Collection, DuplicateKey, FieldRef, IndexDef, IndexKind};
use rusqlite::{Connection, params};
use std::sync::Arc;

/// Makes an index; `None` when an equal one is there.
pub(super) fn create(
    conn: &Connection,
    schema: &Schema,
    layout: &Layout,
    index: &IndexDef,
) -> Result<Option<Schema>> {
    let present = &layout.collection.indexes;
    match present.iter().find(|i| i.name == index.name) {
        Some(same) if same == index => return Ok(None),
        Some(_) => {
            let message = format!("Index {} exists with another definition.", index.name);
            return Err(ddl::refused(message));
        }
        None => {}
    }
    let columns = physical(layout, index)?;
    let mut changed = ddl::next(conn, layout)?;
    let id = ddl::next_id(conn)?;
    conn.execute(
        "INSERT INTO basalt_indexes (id, collection, name, kind, columns) VALUES (?, ?, ?, ?, ?)",
        params![
            id,
            changed.id.0,
            index.name,
            words::kind_word(index.kind),
            load::columns_text(&index.columns)
        ],
    )
    .typed()?;
    if let Some(columns) = columns {
        let unique = match index.kind {
            IndexKind::Unique => "UNIQUE ",
            IndexKind::Ordered | IndexKind::Geo => "",
        };
        let table = &layout.table;
        conn.execute_batch(&format!(
            "CREATE {unique}INDEX i{id} ON {table} ({columns})"
        ))
        .map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => duplicate(layout, &index.name),
            _ => crate::error::sqlite(error),
        })?;
        // Statistics of the new index, from a sample; without them the planner guesses.
        conn.execute_batch(&format!("ANALYZE i{id}")).typed()?;
    }
    changed.indexes.push(index.clone());
    Ok(Some(schema.with(&layout.collection.name, Some(changed))))
}

/// The error for a value that a unique index holds already.
pub(crate) fn duplicate(layout: &Layout, index: &Arc<str>) -> Error {
    Error::new(
        Reason::DuplicateValue,
        format!("duplicate value for index {index}"),
    )
    .with_source(DuplicateKey {
        collection: layout.collection.name.clone(),
        index: index.clone(),
    })
}

/// The column list of the index; `None` when the R*Tree that the field has anyway serves it.
fn physical(layout: &Layout, index: &IndexDef) -> Result<Option<String>> {
    if index.columns.is_empty() {
        return Err(ddl::refused(format!("Index {} has no fields.", index.name)));
    }
    let mut parts = Vec::new();
    for column in &index.columns {
        let direction = if column.descending { " DESC" } else { "" };
        let name = match &column.field {
            FieldRef::Id => "_id".to_owned(),
            FieldRef::CreatedAt => "_created".to_owned(),
            FieldRef::UpdatedAt => "_updated".to_owned(),
            FieldRef::Named(name) => {
                let Some(field) = layout.column(name) else {
                    let message = format!("Field {name} does not exist, cannot add index.");
                    return Err(ddl::refused(message));
                };
                match field.shape {
                    Shape::Nothing => {
                        return Err(ddl::refused(format!("Field {name} can't be indexed.")));
                    }
                    Shape::Geo if index.kind == IndexKind::Unique => {
                        let id = field.physical();
                        parts.push(format!("{id}_lat{direction}"));
                        format!("{id}_lng")
                    }
                    Shape::Geo => continue,
                    _ if index.kind == IndexKind::Geo => {
                        return Err(ddl::refused(format!("Field {name} holds no geo points.")));
                    }
                    _ => field.physical(),
                }
            }
        };
        parts.push(name + direction);
    }
    Ok((!parts.is_empty()).then(|| parts.join(", ")))
}

/// Drops an index.
pub(super) fn drop(
    conn: &Connection,
    schema: &Schema,
    layout: &Layout,
    name: &str,
) -> Result<Schema> {
    if !layout.collection.indexes.iter().any(|i| *i.name == *name) {
        return Err(ddl::refused(format!("Index {name} does not exist.")));
    }
    let mut changed = ddl::next(conn, layout)?;
    remove(conn, &mut changed, name)?;
    Ok(schema.with(&layout.collection.name, Some(changed)))
}

fn remove(conn: &Connection, collection: &mut Collection, name: &str) -> Result<()> {
    let id: u32 = conn
        .query_row(
            "DELETE FROM basalt_indexes WHERE collection = ? AND name = ? RETURNING id",
            params![collection.id.0, name],
            |row| row.get(0),
        )
        .typed()?;
    conn.execute_batch(&format!("DROP INDEX IF EXISTS i{id}"))
        .typed()?;
    collection.indexes.retain(|i| *i.name != *name);
    Ok(())
}

/// Drops the indexes that a field is part of.
pub(super) fn drop_with_field(
    conn: &Connection,
    collection: &mut Collection,
    field: &str,
) -> Result<()> {
    let holds = |index: &IndexDef| {
        let mut columns = index.columns.iter();
        columns.any(|c| matches!(&c.field, FieldRef::Named(name) if **name == *field))
    };
    let names: Vec<_> = collection.indexes.iter().filter(|i| holds(i)).collect();
    let names: Vec<_> = names.into_iter().map(|i| i.name.clone()).collect();
    names
        .into_iter()
        .try_for_each(|name| remove(conn, collection, &name))
}

/// The name of the unique index that SQLite's message is about: it lists the columns.
pub(crate) fn violated<'a>(layout: &'a Layout, message: &str) -> Option<&'a Arc<str>> {
    let listed = message.rsplit_once(": ").map_or(message, |(_, list)| list);
    let wanted: Vec<&str> = listed
        .split(", ")
        .map(|part| part.rsplit_once('.').map_or(part, |(_, column)| column))
        .collect();
    let unique = layout.collection.indexes.iter();
    unique
        .filter(|index| index.kind == IndexKind::Unique)
        .find(|index| {
            physical(layout, index).is_ok_and(|columns| {
                columns.is_some_and(|text| {
                    let mut names = text.split(", ").map(|c| c.trim_end_matches(" DESC"));
                    wanted.iter().all(|w| names.next() == Some(*w)) && names.next().is_none()
                })
            })
        })
        .map(|index| &index.name)
}
