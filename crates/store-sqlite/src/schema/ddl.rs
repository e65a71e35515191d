//! Changes of the catalogue, inside the writer's transaction.

use super::{Column, Layout, Schema, dropped, indexes, load};
use crate::error::Typed;
use basalt_base::{Error, Map, Reason, Result, Value};
use basalt_store::{Collection, CollectionId, Field, FieldDef, FieldId, SchemaChange, codec};
use rusqlite::{Connection, params};
use std::sync::Arc;

/// Applies a change and returns the new schema, or `None` when nothing changed.
pub(crate) fn apply(
    conn: &Connection,
    schema: &Schema,
    change: &SchemaChange,
) -> Result<Option<Schema>> {
    let changed = match change {
        SchemaChange::EnsureCollection { name, rules } => match schema.layout(name) {
            Some(_) => None,
            None => Some(create(conn, schema, name, rules)?),
        },
        SchemaChange::CreateCollection { name, rules } => match schema.layout(name) {
            Some(_) => return Err(refused(format!("Class {name} already exists."))),
            None => Some(create(conn, schema, name, rules)?),
        },
        SchemaChange::EnsureField { collection, field } => {
            ensure_field(conn, schema, collection, field)?
        }
        SchemaChange::AlterField { collection, field } => {
            Some(alter_field(conn, schema, collection, field)?)
        }
        SchemaChange::DropField { collection, name } => {
            Some(drop_field(conn, schema, collection, name)?)
        }
        SchemaChange::DropCollection {
            name,
            only_if_empty,
        } => Some(drop_collection(conn, schema, name, *only_if_empty)?),
        SchemaChange::SetRules { collection, rules } => {
            Some(set_rules(conn, schema, collection, rules)?)
        }
        SchemaChange::CreateIndex { collection, index } => {
            indexes::create(conn, schema, existing(schema, collection)?, index)?
        }
        SchemaChange::DropIndex { collection, name } => Some(indexes::drop(
            conn,
            schema,
            existing(schema, collection)?,
            name,
        )?),
    };
    if changed.is_some() {
        conn.prepare_cached("UPDATE basalt_meta SET version = version + 1")
            .and_then(|mut s| s.execute([]))
            .typed()?;
    }
    Ok(changed)
}

pub(super) fn refused(message: String) -> Error {
    Error::new(Reason::SchemaRefused, message)
}

fn existing<'a>(schema: &'a Schema, name: &str) -> Result<&'a Arc<Layout>> {
    schema.layout(name).ok_or_else(|| not_found(name))
}

/// The error for a collection that the catalogue lacks.
pub(crate) fn not_found(name: &str) -> Error {
    Error::new(
        Reason::CollectionNotFound,
        format!("Class {name} does not exist."),
    )
}

/// A fresh id; ids are never given twice.
pub(super) fn next_id(conn: &Connection) -> Result<u32> {
    conn.prepare_cached("UPDATE basalt_meta SET next_id = next_id + 1 RETURNING next_id - 1")
        .and_then(|mut s| s.query_row([], |row| row.get(0)))
        .typed()
}

/// A copy of the collection to change, with the next version.
pub(super) fn next(conn: &Connection, layout: &Layout) -> Result<Collection> {
    let mut collection = Collection::clone(&layout.collection);
    collection.version += 1;
    conn.prepare_cached("UPDATE basalt_collections SET version = ? WHERE id = ?")
        .and_then(|mut s| s.execute(params![collection.version, collection.id.0]))
        .typed()?;
    Ok(collection)
}

fn map_text(map: &Map) -> String {
    codec::encode_to_string(&Value::Map(map.clone()))
}

fn create(conn: &Connection, schema: &Schema, name: &Arc<str>, rules: &Map) -> Result<Schema> {
    let id = next_id(conn)?;
    // The version starts at the catalogue's, so that a collection made anew never repeats one.
    let version = schema.catalogue.version + 1;
    conn.prepare_cached(
        "INSERT INTO basalt_collections (id, name, rules, version) VALUES (?, ?, ?, ?)",
    )
    .and_then(|mut s| s.execute(params![id, name, map_text(rules), version]))
    .typed()?;
    conn.execute_batch(&format!(
        "CREATE TABLE t{id} (_n INTEGER PRIMARY KEY, _id TEXT NOT NULL UNIQUE,
            _created INTEGER NOT NULL, _updated INTEGER NOT NULL, _rev INTEGER NOT NULL,
            _rperm TEXT, _wperm TEXT, _x TEXT)"
    ))
    .typed()?;
    let collection = Collection {
        id: CollectionId(id),
        name: name.clone(),
        fields: Vec::new(),
        indexes: Vec::new(),
        rules: rules.clone(),
        version,
    };
    Ok(schema.with(name, Some(collection)))
}

fn ensure_field(
    conn: &Connection,
    schema: &Schema,
    collection: &str,
    def: &FieldDef,
) -> Result<Option<Schema>> {
    let layout = existing(schema, collection)?;
    if let Some(present) = layout.collection.field(&def.name) {
        if present.def.ty == def.ty {
            return Ok(None);
        }
        return Err(mismatch(collection, &present.def, def));
    }
    let mut changed = next(conn, layout)?;
    let id = next_id(conn)?;
    let initial = def.default.as_ref().map(codec::encode_to_string);
    conn.prepare_cached(
        "INSERT INTO basalt_fields (id, collection, name, type, target, required, initial)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .and_then(|mut s| {
        s.execute(params![
            id,
            changed.id.0,
            def.name,
            def.ty.word(),
            def.ty.target(),
            def.required,
            initial
        ])
    })
    .typed()?;
    changed.fields.push(Field {
        id: FieldId(id),
        def: def.clone(),
    });
    let new_schema = schema.with(&layout.collection.name, Some(changed));
    if let Some(column) = existing(&new_schema, collection)?.columns.last() {
        let collection = layout.collection.id.0;
        if !dropped::reuse(conn, collection, &layout.table, column)? {
            add_columns(conn, &layout.table, column)?;
        }
        add_tree(conn, column)?;
    }
    Ok(Some(new_schema))
}

fn mismatch(collection: &str, present: &FieldDef, wanted: &FieldDef) -> Error {
    let (name, old, new) = (&wanted.name, &present.ty, &wanted.ty);
    Error::new(
        Reason::SchemaMismatch,
        format!("schema mismatch for {collection}.{name}; expected {old} but got {new}"),
    )
}

fn add_columns(conn: &Connection, table: &str, column: &Column) -> Result<()> {
    let physical = column.physical();
    for (suffix, declared) in crate::schema::declared(&column.shape) {
        conn.execute_batch(&format!(
            "ALTER TABLE {table} ADD COLUMN {physical}{suffix} {declared}"
        ))
        .map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::Unknown) => {
                refused("The class has too many fields.".to_owned()).with_source(error)
            }
            _ => crate::error::sqlite(error),
        })?;
    }
    Ok(())
}

fn add_tree(conn: &Connection, column: &Column) -> Result<()> {
    if column.shape == super::Shape::Geo {
        conn.execute_batch(&format!(
            "CREATE VIRTUAL TABLE {} USING rtree(n, lat0, lat1, lng0, lng1)",
            crate::schema::tree(column)
        ))
        .typed()?;
    }
    Ok(())
}

fn alter_field(
    conn: &Connection,
    schema: &Schema,
    collection: &str,
    def: &FieldDef,
) -> Result<Schema> {
    let layout = existing(schema, collection)?;
    let mut changed = next(conn, layout)?;
    let unknown = || refused(format!("Field {} does not exist.", def.name));
    let field = changed.fields.iter_mut().find(|f| f.def.name == def.name);
    let field = field.ok_or_else(unknown)?;
    if field.def.ty != def.ty {
        return Err(mismatch(collection, &field.def, def));
    }
    field.def = def.clone();
    let initial = def.default.as_ref().map(codec::encode_to_string);
    conn.prepare_cached("UPDATE basalt_fields SET required = ?, initial = ? WHERE id = ?")
        .and_then(|mut s| s.execute(params![def.required, initial, field.id.0]))
        .typed()?;
    Ok(schema.with(&layout.collection.name, Some(changed)))
}

/// The column stays in the table for now, unread: rewriting the rows would hold up other writes.
/// The writer empties it when it has time.
fn drop_field(conn: &Connection, schema: &Schema, collection: &str, name: &str) -> Result<Schema> {
    let layout = existing(schema, collection)?;
    let Some(column) = layout.column(name) else {
        return Err(refused(format!("Field {name} does not exist.")));
    };
    let mut changed = next(conn, layout)?;
    indexes::drop_with_field(conn, &mut changed, name)?;
    changed.fields.retain(|f| *f.def.name != *name);
    conn.execute("DELETE FROM basalt_fields WHERE id = ?", [column.id.0])
        .typed()?;
    dropped::note(conn, layout.collection.id.0, column)?;
    drop_nulls(conn, layout, name)?;
    if column.shape == super::Shape::Geo {
        conn.execute_batch(&format!("DROP TABLE {}", crate::schema::tree(column)))
            .typed()?;
    }
    Ok(schema.with(&layout.collection.name, Some(changed)))
}

/// Nulls from before the field was declared go by its name, so that they would come back.
fn drop_nulls(conn: &Connection, layout: &Layout, name: &str) -> Result<()> {
    let Some(key) = crate::row::null_key(name) else {
        return Ok(());
    };
    let path = format!("$.\"{key}\"");
    let sql = format!(
        "UPDATE {} SET _x = json_remove(_x, ?1)
         WHERE _x IS NOT NULL AND json_type(_x, ?1) IS NOT NULL",
        layout.table
    );
    conn.execute(&sql, [path]).map(drop).typed()
}

fn drop_collection(
    conn: &Connection,
    schema: &Schema,
    name: &Arc<str>,
    only_if_empty: bool,
) -> Result<Schema> {
    let layout = existing(schema, name)?;
    if only_if_empty {
        let any: bool = conn
            .query_row(
                &format!("SELECT EXISTS (SELECT 1 FROM {})", layout.table),
                [],
                |row| row.get(0),
            )
            .typed()?;
        if any {
            return Err(refused(format!(
                "Class {name} is not empty, contains objects."
            )));
        }
    }
    forget(conn, layout)?;
    Ok(schema.with(name, None))
}

/// Takes a collection out of the catalogue tables and gives its tables up.
fn forget(conn: &Connection, layout: &Layout) -> Result<()> {
    let id = layout.collection.id.0;
    super::views::drop(conn, id)?;
    for sql in [
        "DELETE FROM basalt_collections WHERE id = ?",
        "DELETE FROM basalt_fields WHERE collection = ?",
        "DELETE FROM basalt_indexes WHERE collection = ?",
    ] {
        conn.prepare_cached(sql)
            .and_then(|mut s| s.execute([id]))
            .typed()?;
    }
    dropped::forget(conn, id)?;
    for column in &layout.columns {
        if column.shape == super::Shape::Geo {
            conn.execute_batch(&format!("DROP TABLE {}", crate::schema::tree(column)))
                .typed()?;
        }
    }
    give_up_table(conn, id)
}

/// Rows that can be dropped with their table at once, without holding up writes for long.
const ROWS_DROPPED_AT_ONCE: i64 = 2_000;

/// Drops a small table now; a large one is emptied in slices later.
fn give_up_table(conn: &Connection, id: u32) -> Result<()> {
    let span: i64 = conn
        .query_row(
            &format!(
                "SELECT coalesce((SELECT max(_n) FROM t{id}) - (SELECT min(_n) FROM t{id}), 0)"
            ),
            [],
            |row| row.get(0),
        )
        .typed()?;
    if span < ROWS_DROPPED_AT_ONCE {
        return conn.execute_batch(&format!("DROP TABLE t{id}")).typed();
    }
    conn.execute("INSERT INTO basalt_dropped VALUES (?)", [id])
        .map(drop)
        .typed()
}

fn set_rules(conn: &Connection, schema: &Schema, name: &str, rules: &Map) -> Result<Schema> {
    let layout = existing(schema, name)?;
    let mut changed = next(conn, layout)?;
    conn.prepare_cached("UPDATE basalt_collections SET rules = ? WHERE id = ?")
        .and_then(|mut s| s.execute(params![map_text(rules), changed.id.0]))
        .typed()?;
    changed.rules.clone_from(rules);
    Ok(schema.with(&layout.collection.name, Some(changed)))
}

/// Removes every collection and change. Positions and ids go on from where they are.
pub(crate) fn clear(conn: &Connection, schema: &Schema, position: u64) -> Result<Schema> {
    for layout in schema.layouts() {
        forget(conn, layout)?;
    }
    conn.execute_batch("DELETE FROM basalt_changes").typed()?;
    // One past the last change, so that nobody takes the log for complete.
    conn.execute(
        "UPDATE basalt_meta SET floor = ?, version = version + 1",
        [position + 1],
    )
    .typed()?;
    Ok(Schema::of(load::catalogue(conn)?, None))
}
