//! One write: the row, its R*Tree entries and its change, in the writer's transaction.

use super::batch::Tx;
use super::log::{self, Entry};
use crate::error::{Typed, sqlite};
use crate::reads::find;
use crate::row;
use crate::schema::{Column, Layout, Schema, Shape, ddl, duplicate, violated};
use crate::sql;
use basalt_base::{Error, GeoPoint, Reason, Result, Value};
use basalt_store::{
    Action, Filter, Precondition, Query, Record, RecordWrite, SchemaChange, Write, Written, apply,
};
use rusqlite::{ErrorCode, params};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// A schema change that takes longer is logged.
const SCHEMA_CHANGE_SLOW: Duration = Duration::from_millis(200);

/// Applies a step of a batch.
pub(super) fn step(tx: &mut Tx<'_>, write: &Write) -> Result<Written> {
    match write {
        Write::Record(write) => record(tx, write),
        Write::DeleteMatching {
            collection,
            filter,
            limit,
        } => delete_matching(tx, collection, filter, *limit),
        Write::Schema(change) => {
            if let Some(schema) = schema_change(tx, change)? {
                let ids = schema.layouts().filter(|layout| {
                    let old = tx.state.schema.layout(&layout.collection.name);
                    old.is_none_or(|old| !Arc::ptr_eq(old, layout))
                });
                tx.state.views.extend(ids.map(|l| l.collection.id));
                tx.state.schema = Arc::new(schema);
            }
            Ok(Written::Schema)
        }
        Write::Task(write) => super::tasks::step(tx, write).map(Written::Task),
        _ => Err(Error::new(
            Reason::CommandUnavailable,
            "This store does not have this kind of write.",
        )),
    }
}

/// Changes the schema, and says when that held up other writes for long.
fn schema_change(tx: &Tx<'_>, change: &SchemaChange) -> Result<Option<Schema>> {
    let clock = &tx.common.options.clock;
    let started = clock.monotonic();
    let changed = ddl::apply(tx.conn(), &tx.state.schema, change)?;
    if changed.is_some() {
        let took = clock.monotonic().since(started);
        tx.common.counters.schema_change(took);
        if took >= SCHEMA_CHANGE_SLOW {
            let held_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            let (collection, change) = change.subject();
            let store = tx.session.conn.path();
            tracing::warn!(
                held_ms,
                store,
                collection,
                change,
                "a schema change held up the app's writes"
            );
        }
    }
    Ok(changed)
}

fn record(tx: &mut Tx<'_>, write: &RecordWrite) -> Result<Written> {
    let schema = tx.state.schema.clone();
    let layout = schema
        .layout(&write.collection)
        .ok_or_else(|| ddl::not_found(&write.collection))?;
    let absent = matches!(
        write.precondition,
        Precondition::None | Precondition::Absent
    );
    // The unique index on the id refuses a create of what exists: no need to look first.
    let makes = matches!(write.action, Action::Create { .. } | Action::Restore { .. });
    let blind = absent && makes;
    let current = if blind {
        None
    } else {
        find::by_id(tx.session, layout, &write.id)?
    };
    let before = current.as_ref().map(|(_, record)| record);
    apply::check_precondition(&write.precondition, before)?;
    let rev = tx.state.position + 1;
    let after = apply::apply(&layout.collection, before, write, rev)?;
    put(tx, layout, write, current, after)
}

/// Writes the row and its change.
fn put(
    tx: &mut Tx<'_>,
    layout: &Layout,
    write: &RecordWrite,
    current: Option<(i64, Record)>,
    after: Option<Record>,
) -> Result<Written> {
    match (&current, &after) {
        (None, Some(after)) => insert(tx, layout, write, after)?,
        (Some((number, before)), Some(after)) => update(tx, layout, *number, before, after)?,
        (Some((number, before)), None) => delete(tx, layout, *number, before)?,
        (None, None) => return Err(Error::internal("a write that leaves nothing behind")),
    }
    let before = current.map(|(_, record)| record);
    tx.state.position += 1;
    let entry = Entry {
        position: tx.state.position,
        collection: (&layout.collection.name, layout.collection.id.0),
        write,
        before: before.as_ref(),
        after: after.as_ref(),
    };
    log::append(tx, &entry)?;
    Ok(Written::Record {
        before: before.map(Arc::new),
        after: after.map(Arc::new),
    })
}

/// A constraint that the row breaks, as the error for the caller.
fn constraint(layout: &Layout, write_id: &str, error: rusqlite::Error) -> Error {
    if error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
        return sqlite(error);
    }
    let message = error.to_string();
    match violated(layout, &message) {
        Some(index) => duplicate(layout, index),
        None if message.ends_with("._id") => taken(write_id),
        None => Error::internal(error),
    }
}

/// The refusal of a create of what exists, as [`apply::check_precondition`] words it.
fn taken(id: &str) -> Error {
    let present = Record {
        id: id.into(),
        created_at: basalt_base::Timestamp::from_millis(0),
        updated_at: basalt_base::Timestamp::from_millis(0),
        rev: 0,
        acl: basalt_store::Acl::default(),
        fields: Vec::new(),
    };
    match apply::check_precondition(&Precondition::Absent, Some(&present)) {
        Err(error) => error,
        Ok(()) => Error::internal("an existing object counts as absent"),
    }
}

fn insert(tx: &mut Tx<'_>, layout: &Layout, write: &RecordWrite, record: &Record) -> Result<()> {
    let statement = tx.inserts.get(&tx.session.conn, &layout.insert_sql)?;
    row::bind_record(statement, layout, record)?;
    statement
        .raw_execute()
        .map_err(|error| constraint(layout, &write.id, error))?;
    let number = tx.conn().last_insert_rowid();
    tx.dirty = true;
    for column in geo_columns(layout) {
        if let Some(point) = point(record, column) {
            add_point(tx, column, number, point)?;
        }
    }
    Ok(())
}

fn update(
    tx: &mut Tx<'_>,
    layout: &Layout,
    number: i64,
    before: &Record,
    after: &Record,
) -> Result<()> {
    let mut sql = format!("UPDATE {} SET _updated = ?, _rev = ?", layout.table);
    let acl = before.acl != after.acl;
    if acl {
        sql.push_str(", _rperm = ?, _wperm = ?");
    }
    let old_extras = row::extras(layout, before);
    let extras = row::extras(layout, after);
    if old_extras != extras {
        sql.push_str(", _x = ?");
    }
    let columns: Vec<&Column> = layout
        .columns
        .iter()
        .filter(|c| !row::same(before.get(&c.name), after.get(&c.name)))
        .collect();
    for column in &columns {
        crate::schema::push_assign(column, &mut sql);
    }
    sql.push_str(" WHERE _n = ?");
    {
        let mut statement = tx.conn().prepare_cached(&sql).typed()?;
        let mut at = row::bind_update_head(&mut statement, after, acl)?;
        if old_extras != extras {
            statement.raw_bind_parameter(at, extras).typed()?;
            at += 1;
        }
        for column in &columns {
            row::bind_field(&mut statement, &mut at, column, after.get(&column.name))?;
        }
        statement.raw_bind_parameter(at, number).typed()?;
        statement
            .raw_execute()
            .map_err(|error| constraint(layout, &after.id, error))?;
    }
    tx.dirty = true;
    for column in columns.into_iter().filter(|c| c.shape == Shape::Geo) {
        if point(before, column).is_some() {
            remove_point(tx, column, number)?;
        }
        if let Some(point) = point(after, column) {
            add_point(tx, column, number, point)?;
        }
    }
    Ok(())
}

fn delete(tx: &mut Tx<'_>, layout: &Layout, number: i64, before: &Record) -> Result<()> {
    let sql = format!("DELETE FROM {} WHERE _n = ?", layout.table);
    tx.conn()
        .prepare_cached(&sql)
        .and_then(|mut s| s.execute([number]))
        .typed()?;
    tx.dirty = true;
    for column in geo_columns(layout) {
        if point(before, column).is_some() {
            remove_point(tx, column, number)?;
        }
    }
    Ok(())
}

fn geo_columns(layout: &Layout) -> impl Iterator<Item = &Column> {
    layout.columns.iter().filter(|c| c.shape == Shape::Geo)
}

fn point(record: &Record, column: &Column) -> Option<GeoPoint> {
    match record.get(&column.name) {
        Some(Value::Geo(point)) => Some(*point),
        _ => None,
    }
}

fn add_point(tx: &Tx<'_>, column: &Column, number: i64, point: GeoPoint) -> Result<()> {
    let mut sql = String::new();
    let _ = write!(
        sql,
        "INSERT INTO {} VALUES (?1, ?2, ?2, ?3, ?3)",
        crate::schema::tree(column)
    );
    tx.conn()
        .prepare_cached(&sql)
        .and_then(|mut s| s.execute(params![number, point.latitude, point.longitude]))
        .map(drop)
        .typed()
}

fn remove_point(tx: &Tx<'_>, column: &Column, number: i64) -> Result<()> {
    tx.conn()
        .prepare_cached(&format!(
            "DELETE FROM {} WHERE n = ?",
            crate::schema::tree(column)
        ))
        .and_then(|mut s| s.execute([number]))
        .map(drop)
        .typed()
}

fn delete_matching(
    tx: &mut Tx<'_>,
    collection: &Arc<str>,
    filter: &Filter,
    limit: u64,
) -> Result<Written> {
    let schema = tx.state.schema.clone();
    let Some(layout) = schema.layout(collection) else {
        return Ok(Written::Deleted(0));
    };
    let query = Query::all(collection.clone())
        .filter(filter.clone())
        .limit(limit);
    let plan = sql::plan(layout, &query);
    let mut doomed = Vec::new();
    if limit > 0 {
        find::each_match(tx.session, &query, &plan, |number, record| {
            doomed.push((number, record));
            Ok(if doomed.len() as u64 >= limit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
    }
    let count = doomed.len() as u64;
    for (number, record) in doomed {
        let write = RecordWrite {
            collection: collection.clone(),
            id: record.id.clone(),
            precondition: Precondition::None,
            action: Action::Delete,
            at: tx.now,
        };
        put(tx, layout, &write, Some((number, record)), None)?;
    }
    Ok(Written::Deleted(count))
}
