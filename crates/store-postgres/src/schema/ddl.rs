//! Changes of the catalogue, inside the writer's transaction.

use super::{Column, Layout, Schema, indexes, views};
use crate::error::{Typed, postgres};
use crate::net::Conn;
use basalt_base::{Error, Map, Reason, Result, Value};
use basalt_store::{Collection, CollectionId, Field, FieldDef, FieldId, SchemaChange, codec};
use std::sync::Arc;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

/// The transaction that changes the catalogue.
pub(crate) struct Ddl<'a> {
    pub(crate) conn: &'a Conn,
    /// Of collections, fields and indexes; never given twice.
    pub(crate) next_id: &'a mut u32,
    /// See the option of this name.
    pub(crate) index_at_once_rows_max: u32,
}

impl Ddl<'_> {
    pub(super) async fn execute(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64> {
        self.conn.client.execute(sql, params).await.typed()
    }

    pub(super) async fn run(&self, sql: &str) -> Result<()> {
        self.conn.client.batch_execute(sql).await.typed()
    }

    /// Makes builds of indexes on the table give way, before it is locked: they can begin again, and
    /// the app's writes would wait.
    pub(super) async fn stop_builds(&self, schema: &Schema, layout: &Layout) -> Result<()> {
        let collection = i64::from(layout.collection.id.0);
        self.run(&stop_builds_sql(&schema.name, &layout.table, collection))
            .await
    }

    pub(super) fn id(&mut self) -> u32 {
        let id = *self.next_id;
        *self.next_id += 1;
        id
    }
}

/// Cancels what builds an index on the table, on whatever node.
pub(crate) fn stop_builds_sql(schema: &str, table: &str, collection: i64) -> String {
    format!(
        "SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity
         WHERE state = 'active' AND datname = pg_catalog.current_database()
           AND backend_type = 'client backend' AND query LIKE 'CREATE INDEX CONCURRENTLY %'
           AND strpos(query, ' ON {table} ') > 0
           AND EXISTS (SELECT 1 FROM {schema}.basalt_indexes
               WHERE collection = {collection} AND NOT ready)"
    )
}

/// Whether the change leaves everything as it is; an error when it is refused without a look at
/// the data.
pub(crate) fn is_idle(schema: &Schema, change: &SchemaChange) -> Result<bool> {
    match change {
        SchemaChange::EnsureCollection { name, .. } => Ok(schema.layout(name).is_some()),
        SchemaChange::CreateCollection { name, .. } => match schema.layout(name) {
            Some(_) => Err(refused(format!("Class {name} already exists."))),
            None => Ok(false),
        },
        SchemaChange::EnsureField { collection, field } => {
            let layout = existing(schema, collection)?;
            match layout.collection.field(&field.name) {
                None => Ok(false),
                Some(present) if present.def.ty == field.ty => Ok(true),
                Some(present) => Err(mismatch(collection, &present.def, field)),
            }
        }
        SchemaChange::CreateIndex { collection, index } => {
            let layout = existing(schema, collection)?;
            let mut present = layout.collection.indexes.iter();
            Ok(present.any(|i| i == index))
        }
        _ => Ok(false),
    }
}

/// Applies a change and returns the new schema, or `None` when nothing changed.
pub(crate) async fn apply(
    ddl: &mut Ddl<'_>,
    schema: &Schema,
    change: &SchemaChange,
) -> Result<Option<Schema>> {
    if is_idle(schema, change)? {
        return Ok(None);
    }
    let changed = match change {
        SchemaChange::EnsureCollection { name, rules }
        | SchemaChange::CreateCollection { name, rules } => create(ddl, schema, name, rules).await,
        SchemaChange::EnsureField { collection, field } => {
            add_field(ddl, schema, existing(schema, collection)?, field).await
        }
        SchemaChange::AlterField { collection, field } => {
            alter_field(ddl, schema, existing(schema, collection)?, field).await
        }
        SchemaChange::DropField { collection, name } => {
            drop_field(ddl, schema, existing(schema, collection)?, name).await
        }
        SchemaChange::DropCollection {
            name,
            only_if_empty,
        } => drop_collection(ddl, schema, name, *only_if_empty).await,
        SchemaChange::SetRules { collection, rules } => {
            set_rules(ddl, schema, existing(schema, collection)?, rules).await
        }
        SchemaChange::CreateIndex { collection, index } => {
            indexes::create(ddl, schema, existing(schema, collection)?, index).await
        }
        SchemaChange::DropIndex { collection, name } => {
            indexes::drop(ddl, schema, existing(schema, collection)?, name).await
        }
    };
    changed.map(Some)
}

pub(super) fn refused(message: String) -> Error {
    Error::new(Reason::SchemaRefused, message)
}

pub(super) fn existing<'a>(schema: &'a Schema, name: &str) -> Result<&'a Arc<Layout>> {
    schema.layout(name).ok_or_else(|| not_found(name))
}

/// The error for a collection that the catalogue lacks.
pub(crate) fn not_found(name: &str) -> Error {
    Error::new(
        Reason::CollectionNotFound,
        format!("Class {name} does not exist."),
    )
}

fn mismatch(collection: &str, present: &FieldDef, wanted: &FieldDef) -> Error {
    let (name, old, new) = (&wanted.name, &present.ty, &wanted.ty);
    Error::new(
        Reason::SchemaMismatch,
        format!("schema mismatch for {collection}.{name}; expected {old} but got {new}"),
    )
}

/// A copy of the collection to change, with the next version.
pub(super) async fn next(ddl: &Ddl<'_>, schema: &Schema, layout: &Layout) -> Result<Collection> {
    let mut collection = Collection::clone(&layout.collection);
    collection.version += 1;
    let (version, id) = (collection.version.cast_signed(), i64::from(collection.id.0));
    let sql = format!(
        "UPDATE {}.basalt_collections SET version = $1 WHERE id = $2",
        schema.name
    );
    ddl.execute(&sql, &[&version, &id]).await?;
    Ok(collection)
}

fn map_text(map: &Map) -> String {
    codec::encode_to_string(&Value::Map(map.clone()))
}

async fn create(
    ddl: &mut Ddl<'_>,
    schema: &Schema,
    name: &Arc<str>,
    rules: &Map,
) -> Result<Schema> {
    let id = ddl.id();
    // The version starts at the catalogue's, so that a collection made anew never repeats one.
    let version = schema.catalogue.version + 1;
    let insert = format!(
        "INSERT INTO {}.basalt_collections (id, name, rules, version) VALUES ($1, $2, $3, $4)",
        schema.name
    );
    let (key, signed) = (i64::from(id), version.cast_signed());
    ddl.execute(&insert, &[&key, &&**name, &map_text(rules), &signed])
        .await?;
    ddl.run(&format!(
        "CREATE TABLE {name}.t{id} (_n BIGINT PRIMARY KEY, _id TEXT COLLATE \"C\" NOT NULL UNIQUE,
            _created BIGINT NOT NULL, _updated BIGINT NOT NULL, _rev BIGINT NOT NULL,
            _rperm TEXT[], _wperm TEXT[], _x JSONB);
         CREATE INDEX a{id} ON {name}.t{id} USING gin (_rperm) WITH (fastupdate = off);
         CREATE INDEX n{id} ON {name}.t{id} (_n) WHERE _rperm IS NULL",
        name = schema.name
    ))
    .await?;
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

async fn add_field(
    ddl: &mut Ddl<'_>,
    schema: &Schema,
    layout: &Layout,
    def: &FieldDef,
) -> Result<Schema> {
    let mut changed = next(ddl, schema, layout).await?;
    let id = ddl.id();
    let initial = def.default.as_ref().map(codec::encode_to_string);
    let insert = format!(
        "INSERT INTO {}.basalt_fields (id, collection, name, type, target, required, initial)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        schema.name
    );
    let (key, owner) = (i64::from(id), i64::from(changed.id.0));
    let target = def.ty.target().map(|t| &**t);
    ddl.execute(
        &insert,
        &[
            &key,
            &owner,
            &&*def.name,
            &def.ty.word(),
            &target,
            &def.required,
            &initial,
        ],
    )
    .await?;
    changed.fields.push(Field {
        id: FieldId(id),
        def: def.clone(),
    });
    let new_schema = schema.with(&layout.collection.name, Some(changed));
    let new_layout = existing(&new_schema, &layout.collection.name)?;
    if let Some(column) = new_layout.columns.last() {
        ddl.stop_builds(schema, layout).await?;
        add_columns(ddl, &layout.table, column).await?;
    }
    Ok(new_schema)
}

async fn add_columns(ddl: &Ddl<'_>, table: &str, column: &Column) -> Result<()> {
    let physical = column.physical();
    for (suffix, declared) in crate::schema::declared(&column.shape) {
        let sql = format!("ALTER TABLE {table} ADD COLUMN {physical}{suffix} {declared}");
        let added = ddl.conn.client.batch_execute(&sql).await;
        added.map_err(|error| match error.code() {
            Some(code) if *code == SqlState::TOO_MANY_COLUMNS => {
                refused("The class has too many fields.".to_owned())
            }
            _ => postgres(error),
        })?;
    }
    Ok(())
}

async fn alter_field(
    ddl: &Ddl<'_>,
    schema: &Schema,
    layout: &Layout,
    def: &FieldDef,
) -> Result<Schema> {
    let Some(present) = layout.collection.field(&def.name) else {
        return Err(refused(format!("Field {} does not exist.", def.name)));
    };
    if present.def.ty != def.ty {
        return Err(mismatch(&layout.collection.name, &present.def, def));
    }
    let mut changed = next(ddl, schema, layout).await?;
    let id = i64::from(present.id.0);
    for field in &mut changed.fields {
        if field.def.name == def.name {
            field.def = def.clone();
        }
    }
    let initial = def.default.as_ref().map(codec::encode_to_string);
    let sql = format!(
        "UPDATE {}.basalt_fields SET required = $1, initial = $2 WHERE id = $3",
        schema.name
    );
    ddl.execute(&sql, &[&def.required, &initial, &id]).await?;
    Ok(schema.with(&layout.collection.name, Some(changed)))
}

/// The column stays in the table, unread: rewriting the rows would hold up other writes.
async fn drop_field(
    ddl: &mut Ddl<'_>,
    schema: &Schema,
    layout: &Layout,
    name: &str,
) -> Result<Schema> {
    let Some(column) = layout.column(name) else {
        return Err(refused(format!("Field {name} does not exist.")));
    };
    let mut changed = next(ddl, schema, layout).await?;
    ddl.stop_builds(schema, layout).await?;
    indexes::drop_with_field(ddl, schema, &mut changed, name).await?;
    changed.fields.retain(|f| *f.def.name != *name);
    let id = i64::from(column.id.0);
    let sql = format!("DELETE FROM {}.basalt_fields WHERE id = $1", schema.name);
    ddl.execute(&sql, &[&id]).await?;
    // Nulls from before the field was declared go by its name, so that they would come back.
    if let Some(key) = crate::row::null_key(name) {
        let table = &layout.table;
        let sql = format!("UPDATE {table} SET _x = _x - $1::text WHERE jsonb_exists(_x, $1::text)");
        ddl.execute(&sql, &[&key]).await?;
    }
    Ok(schema.with(&layout.collection.name, Some(changed)))
}

async fn drop_collection(
    ddl: &Ddl<'_>,
    schema: &Schema,
    name: &Arc<str>,
    only_if_empty: bool,
) -> Result<Schema> {
    let layout = existing(schema, name)?;
    if only_if_empty {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", layout.table);
        let row = ddl.conn.client.query_one(&sql, &[]).await.typed()?;
        if row.try_get::<_, bool>(0).typed()? {
            return Err(refused(format!(
                "Class {name} is not empty, contains objects."
            )));
        }
    }
    forget(ddl, schema, layout).await?;
    Ok(schema.with(name, None))
}

/// Takes a collection out of the catalogue tables. Its table is dropped in the background: readers
/// of an older state may still be at it.
async fn forget(ddl: &Ddl<'_>, schema: &Schema, layout: &Layout) -> Result<()> {
    let id = layout.collection.id.0;
    views::drop(ddl, schema, id).await?;
    let name = &schema.name;
    ddl.run(&format!(
        "DELETE FROM {name}.basalt_collections WHERE id = {id};
         DELETE FROM {name}.basalt_fields WHERE collection = {id};
         DELETE FROM {name}.basalt_indexes WHERE collection = {id};
         INSERT INTO {name}.basalt_dropped VALUES ({id})"
    ))
    .await
}

async fn set_rules(ddl: &Ddl<'_>, schema: &Schema, layout: &Layout, rules: &Map) -> Result<Schema> {
    let mut changed = next(ddl, schema, layout).await?;
    let sql = format!(
        "UPDATE {}.basalt_collections SET rules = $1 WHERE id = $2",
        schema.name
    );
    ddl.execute(&sql, &[&map_text(rules), &i64::from(changed.id.0)])
        .await?;
    changed.rules.clone_from(rules);
    Ok(schema.with(&layout.collection.name, Some(changed)))
}

/// Removes every collection and change. Positions and ids go on from where they are.
pub(crate) async fn clear(ddl: &Ddl<'_>, schema: &Schema, position: u64) -> Result<Schema> {
    let mut cleared = schema.with(&Arc::from(""), None);
    for layout in schema.layouts() {
        forget(ddl, schema, layout).await?;
    }
    cleared = Schema::of(
        &schema.name,
        basalt_store::Catalogue {
            version: cleared.catalogue.version,
            ..basalt_store::Catalogue::default()
        },
        None,
    );
    // One past the last change, so that nobody takes the log for complete.
    let (name, floor) = (&schema.name, position + 1);
    ddl.run(&format!(
        "UPDATE {name}.basalt_floor SET floor = {floor}; DELETE FROM {name}.basalt_changes;
         DELETE FROM {name}.basalt_tasks; DELETE FROM {name}.basalt_task_keys;
         UPDATE {name}.basalt_queues SET waiting = 0, leased = 0, held = 0, dead = 0"
    ))
    .await?;
    Ok(cleared)
}
