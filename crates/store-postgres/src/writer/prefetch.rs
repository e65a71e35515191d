//! The begin of a group: taking the app, and fetching together what the group will look at.

use super::keys;
use super::tx::{State, Tx};
use crate::error::postgres;
use crate::net::{Conn, in_order, refs};
use crate::reads::find;
use crate::row::Param;
use crate::schema::{HEAD, Layout, Schema};
use crate::shared::Shared;
use crate::text;
use basalt_base::{BoxFuture, Error, Result};
use basalt_store::{Action, Record, Write, WriteBatch};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Row, Statement};

/// How taking the app ended.
pub(super) enum Begun<'a> {
    /// The app is ours until the transaction ends.
    Ours(Box<Tx<'a>>),
    /// The catalogue is not the one that is known here.
    Stale,
}

/// What is fetched with one statement.
enum Fetch {
    /// The objects with these ids.
    Rows(Arc<Layout>, Vec<Box<str>>),
    /// Who has the values of a unique index.
    Key(keys::Key),
}

type Answer = std::result::Result<Vec<Row>, tokio_postgres::Error>;

/// The statement that takes the app: the first of every transaction that writes.
pub(super) fn lock_sql(schema: &str) -> String {
    format!(
        "UPDATE {schema}.basalt_state SET fence = fence + 1 WHERE one
         RETURNING version, position, next_id, log_total, task_number"
    )
}

/// Begins the transaction. Everything is sent before the first answer is there.
pub(super) async fn begin<'a>(
    shared: &'a Shared,
    conn: &'a Conn,
    batches: &[&WriteBatch],
) -> Result<Begun<'a>> {
    let schema = shared.schema.load_full();
    let fetches = wanted(&schema, batches);
    let lock = conn
        .statement(&lock_sql(&shared.name))
        .await
        .map_err(postgres)?;
    let mut prepared: Vec<(Statement, &Vec<Param>)> = Vec::with_capacity(fetches.len());
    for (_, sql, params) in &fetches {
        match conn.statement(sql).await {
            Ok(statement) => prepared.push((statement, params)),
            Err(error) if is_stale(&error) => return Ok(Begun::Stale),
            Err(error) => return Err(postgres(error)),
        }
    }
    let client = &conn.client;
    let begin = async move { client.batch_execute("BEGIN").await.map(|()| Vec::new()) };
    let lock = async move { client.query(&lock, &[]).await };
    let mut sent: Vec<BoxFuture<'_, Answer>> = vec![Box::pin(begin), Box::pin(lock)];
    for (statement, params) in &prepared {
        let fetch = async move { client.query(statement, &refs(params)).await };
        sent.push(Box::pin(fetch));
    }
    let mut answers = in_order(sent).await.into_iter();
    answers.next().transpose().map_err(postgres)?;
    let locked = answers.next().transpose().map_err(postgres)?;
    let state = state(&schema, &locked.unwrap_or_default())?;
    let Some(state) = state else {
        return Ok(Begun::Stale);
    };
    let mut tx = Tx::new(shared, conn, state);
    for ((fetch, _, _), rows) in fetches.into_iter().zip(answers) {
        match rows {
            Ok(rows) => learn(&mut tx, fetch, &rows)?,
            Err(error) if is_stale(&error) => return Ok(Begun::Stale),
            Err(error) => return Err(postgres(error)),
        }
    }
    Ok(Begun::Ours(Box::new(tx)))
}

/// The tables or columns are gone.
fn is_stale(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        *code == SqlState::UNDEFINED_TABLE || *code == SqlState::UNDEFINED_COLUMN
    })
}

/// Where the app stands; `None` when the catalogue is another one.
fn state(schema: &Arc<Schema>, rows: &[Row]) -> Result<Option<State>> {
    let row = rows.first();
    let row = row.ok_or_else(|| crate::error::corrupt("an app without its state"))?;
    let number = |at: usize| row.try_get::<_, i64>(at).map_err(postgres);
    if number(0)?.cast_unsigned() != schema.catalogue.version {
        return Ok(None);
    }
    Ok(Some(State {
        schema: schema.clone(),
        position: number(1)?.cast_unsigned(),
        next_id: u32::try_from(number(2)?).map_err(Error::internal)?,
        log_total: number(3)?.cast_unsigned(),
        task_number: number(4)?.cast_unsigned(),
        views: HashSet::new(),
    }))
}

fn learn(tx: &mut Tx<'_>, fetch: Fetch, rows: &[Row]) -> Result<()> {
    match fetch {
        Fetch::Rows(layout, ids) => {
            for row in rows {
                if let Some((number, record)) = find::whole(row, 0, &layout)? {
                    let id = record.id.clone();
                    tx.learn(layout.collection.id, &id, Some((number, Arc::new(record))));
                }
            }
            for id in ids {
                tx.learn(layout.collection.id, &id, None);
            }
        }
        Fetch::Key(key) => {
            let id = rows.first().map(|row| row.try_get::<_, &str>(0));
            let id = id.transpose().map_err(postgres)?;
            tx.keys
                .learn(key, id.map(|id| Box::from(&*text::original(id))));
        }
    }
    Ok(())
}

fn wanted(schema: &Schema, batches: &[&WriteBatch]) -> Vec<(Fetch, String, Vec<Param>)> {
    let mut ids: HashMap<&str, HashSet<&str>> = HashMap::new();
    let mut seen = HashSet::new();
    let mut fetches = Vec::new();
    for batch in batches {
        for check in &batch.checks {
            ids.entry(&check.collection).or_default().insert(&check.id);
        }
        for write in &batch.writes {
            let Write::Record(write) = write else {
                continue;
            };
            ids.entry(&write.collection).or_default().insert(&write.id);
            let (Some(layout), Action::Create { fields, .. }) =
                (schema.layout(&write.collection), &write.action)
            else {
                continue;
            };
            if keys::unique(layout).next().is_none() {
                continue;
            }
            let record = Record {
                id: write.id.clone(),
                created_at: write.at.truncate_to_millis(),
                updated_at: write.at.truncate_to_millis(),
                rev: 0,
                acl: basalt_store::Acl::default(),
                fields: fields.clone(),
            };
            for index in keys::unique(layout) {
                let Some(key) = keys::key(layout, index, &record) else {
                    continue;
                };
                // A value that does not fit is refused when the write is applied.
                if let Ok((sql, params)) = keys::lookup(layout, index, &record)
                    && seen.insert(key.clone())
                {
                    fetches.push((Fetch::Key(key), sql, params));
                }
            }
        }
    }
    for (collection, ids) in ids {
        let Some(layout) = schema.layout(collection) else {
            continue;
        };
        let texts = ids.iter().map(|id| text::stored(id).into_owned()).collect();
        let ids = ids.into_iter().map(Box::from).collect();
        let sql = rows_sql(layout);
        fetches.push((
            Fetch::Rows(layout.clone(), ids),
            sql,
            vec![Param::Texts(texts)],
        ));
    }
    fetches
}

fn rows_sql(layout: &Layout) -> String {
    let mut sql = format!("SELECT _n, {HEAD}");
    for column in &layout.columns {
        column.push_read(&mut sql);
    }
    let _ = write!(sql, " FROM {} WHERE _id = ANY($1::text[])", layout.table);
    sql
}
