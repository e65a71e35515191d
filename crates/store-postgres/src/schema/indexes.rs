//! Declared indexes.

use super::{Column, Layout, Schema, Shape, ddl, ddl::Ddl, load};
use crate::error::postgres;
use basalt_base::{Error, Reason, Result};
use basalt_store::columns::words;
use basalt_store::{Collection, DuplicateKey, FieldRef, IndexDef, IndexKind};
use std::sync::Arc;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

/// Makes an index.
pub(super) async fn create(
    ddl: &mut Ddl<'_>,
    schema: &Schema,
    layout: &Layout,
    index: &IndexDef,
) -> Result<Schema> {
    if layout
        .collection
        .indexes
        .iter()
        .any(|i| i.name == index.name)
    {
        let message = format!("Index {} exists with another definition.", index.name);
        return Err(ddl::refused(message));
    }
    // Refused before anything is written.
    physical(layout, index)?;
    let mut changed = ddl::next(ddl, schema, layout).await?;
    let id = ddl.id();
    let insert = format!(
        "INSERT INTO {}.basalt_indexes (id, collection, name, kind, columns, ready)
         VALUES ($1, $2, $3, $4, $5, $6)",
        schema.name
    );
    let unique = index.kind == IndexKind::Unique;
    // Only the build finds duplicates; and where there is little to read it takes no time.
    let at_once = unique || is_small(ddl, layout).await?;
    let columns = load::columns_text(&index.columns);
    let (key, owner, kind) = (
        i64::from(id),
        i64::from(changed.id.0),
        words::kind_word(index.kind),
    );
    let row: [&(dyn ToSql + Sync); 6] = [&key, &owner, &&*index.name, &kind, &columns, &at_once];
    ddl.execute(&insert, &row).await?;
    if at_once {
        ddl.stop_builds(schema, layout).await?;
        // Readers go on meanwhile; writers of the app wait, as they do for any group.
        let create = sql(layout, index, key, false)?;
        let sql = format!("SET LOCAL statement_timeout = 0; {create}");
        let made = ddl.conn.client.batch_execute(&sql).await;
        made.map_err(|error| match error.code() {
            Some(code) if *code == SqlState::UNIQUE_VIOLATION => duplicate(layout, &index.name),
            _ => postgres(error),
        })?;
    }
    changed.indexes.push(index.clone());
    Ok(schema.with(&layout.collection.name, Some(changed)))
}

/// Whether the collection has few objects.
async fn is_small(ddl: &Ddl<'_>, layout: &Layout) -> Result<bool> {
    let most = i64::from(ddl.index_at_once_rows_max);
    let (table, beyond) = (&layout.table, most + 1);
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {beyond}) AS first");
    let row = ddl.conn.client.query_one(&sql, &[]).await;
    let count: i64 = row.and_then(|row| row.try_get(0)).map_err(postgres)?;
    Ok(count <= most)
}

/// The statement that makes the index of that number.
pub(crate) fn sql(
    layout: &Layout,
    index: &IndexDef,
    id: i64,
    concurrently: bool,
) -> Result<String> {
    let parts = physical(layout, index)?;
    let parts = special(layout, index).unwrap_or_else(|| format!("({})", texts(&parts)));
    let unique = match index.kind {
        IndexKind::Unique => "UNIQUE ",
        IndexKind::Ordered | IndexKind::Geo => "",
    };
    let how = if concurrently { "CONCURRENTLY " } else { "" };
    let table = &layout.table;
    Ok(format!(
        "CREATE {unique}INDEX {how}i{id} ON {table} {parts}"
    ))
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

/// A column of an index.
pub(crate) struct Part {
    pub(crate) name: String,
    descending: bool,
}

fn texts(parts: &[Part]) -> String {
    let text = |part: &Part| {
        // NULLs are missing values, which come first.
        let order = if part.descending {
            " DESC NULLS LAST"
        } else {
            " NULLS FIRST"
        };
        part.name.clone() + order
    };
    parts.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// The method and columns of an index that is no tree: one of a geo point's place, or one of what
/// lists and maps hold, which also take values that are too long for a tree.
fn special(layout: &Layout, index: &IndexDef) -> Option<String> {
    if index.kind == IndexKind::Unique {
        return None;
    }
    let fields = index.columns.iter().filter_map(|c| match &c.field {
        FieldRef::Named(name) => layout.column(name),
        _ => None,
    });
    let fields: Vec<&Column> = fields.collect();
    let nested = fields.iter().filter(|c| c.shape == Shape::Json);
    let nested: Vec<String> = nested
        .map(|c| format!("{} jsonb_path_ops", c.physical()))
        .collect();
    if !nested.is_empty() {
        // What is not merged yet is searched in full, so it stays short; in KiB.
        let limit = "gin_pending_list_limit = 512";
        return Some(format!("USING gin ({}) WITH ({limit})", nested.join(", ")));
    }
    match fields.as_slice() {
        [column] if column.shape == Shape::Geo => {
            let point = crate::sql::geo_expression(column);
            Some(format!("USING gist ({point})"))
        }
        _ => None,
    }
}

/// The columns of the index.
pub(crate) fn physical(layout: &Layout, index: &IndexDef) -> Result<Vec<Part>> {
    if index.columns.is_empty() {
        return Err(ddl::refused(format!("Index {} has no fields.", index.name)));
    }
    let mut parts = Vec::new();
    for column in &index.columns {
        let mut push = |name: String| {
            parts.push(Part {
                name,
                descending: column.descending,
            });
        };
        match &column.field {
            FieldRef::Id => push("_id".to_owned()),
            FieldRef::CreatedAt => push("_created".to_owned()),
            FieldRef::UpdatedAt => push("_updated".to_owned()),
            FieldRef::Named(name) => {
                let Some(field) = layout.column(name) else {
                    let message = format!("Field {name} does not exist, cannot add index.");
                    return Err(ddl::refused(message));
                };
                match field.shape {
                    Shape::Nothing => {
                        return Err(ddl::refused(format!("Field {name} can't be indexed.")));
                    }
                    Shape::Geo => {
                        push(format!("{}_lat", field.physical()));
                        push(format!("{}_lng", field.physical()));
                    }
                    _ if index.kind == IndexKind::Geo => {
                        return Err(ddl::refused(format!("Field {name} holds no geo points.")));
                    }
                    _ => push(field.physical()),
                }
            }
        }
    }
    Ok(parts)
}

/// Drops an index.
pub(super) async fn drop(
    ddl: &mut Ddl<'_>,
    schema: &Schema,
    layout: &Layout,
    name: &str,
) -> Result<Schema> {
    if !layout.collection.indexes.iter().any(|i| *i.name == *name) {
        return Err(ddl::refused(format!("Index {name} does not exist.")));
    }
    let mut changed = ddl::next(ddl, schema, layout).await?;
    ddl.stop_builds(schema, layout).await?;
    remove(ddl, schema, &mut changed, name).await?;
    Ok(schema.with(&layout.collection.name, Some(changed)))
}

async fn remove(
    ddl: &Ddl<'_>,
    schema: &Schema,
    collection: &mut Collection,
    name: &str,
) -> Result<()> {
    let sql = format!(
        "DELETE FROM {}.basalt_indexes WHERE collection = $1 AND name = $2 RETURNING id",
        schema.name
    );
    let owner = i64::from(collection.id.0);
    let row = ddl.conn.client.query_one(&sql, &[&owner, &name]).await;
    let id: i64 = row.and_then(|row| row.try_get(0)).map_err(postgres)?;
    ddl.run(&format!("DROP INDEX IF EXISTS {}.i{id}", schema.name))
        .await?;
    collection.indexes.retain(|i| *i.name != *name);
    Ok(())
}

/// Drops the indexes that a field is part of.
pub(super) async fn drop_with_field(
    ddl: &Ddl<'_>,
    schema: &Schema,
    collection: &mut Collection,
    field: &str,
) -> Result<()> {
    let holds = |index: &&IndexDef| {
        let mut columns = index.columns.iter();
        columns.any(|c| matches!(&c.field, FieldRef::Named(name) if **name == *field))
    };
    let names: Vec<Arc<str>> = collection
        .indexes
        .iter()
        .filter(holds)
        .map(|i| i.name.clone())
        .collect();
    for name in names {
        remove(ddl, schema, collection, &name).await?;
    }
    Ok(())
}
