//! Counting and distinct values.

use super::rows::Session;
use super::run::{self, Ask, Reading, STAMP_LEN, View};
use crate::error::{Typed, corrupt};
use crate::row;
use crate::schema::Column;
use crate::shared::Shared;
use crate::sql;
use basalt_base::{Result, Value};
use basalt_store::plan::{Distinct, unsliced};
use basalt_store::{FieldRef, Path, Projection, Query};
use std::ops::ControlFlow;
use tokio_postgres::Row;

/// How many objects match at the latest state.
pub(crate) async fn latest_count(shared: &Shared, query: &Query) -> Result<u64> {
    let unsliced = unsliced(query, Projection::Only(Vec::new()));
    let query = &unsliced;
    let counted = |schema: &crate::schema::Schema| {
        let layout = schema.layout(&query.collection)?;
        let plan = sql::plan(layout, query);
        Some(plan.count_sql().map(|sql| (sql, plan.params)))
    };
    if !matches!(counted(&shared.schema.load()), Some(None)) {
        let ask = |schema: &crate::schema::Schema| {
            Ok(match counted(schema) {
                Some(Some((sql, params))) => Ask::Statement(sql, params),
                _ => Ask::Nothing,
            })
        };
        let (rows, view) = run::single(shared, ask).await?;
        match counted(&view.schema) {
            None => return Ok(0),
            Some(Some(_)) => return number(&rows, STAMP_LEN),
            Some(None) => {}
        }
    }
    let reading = Reading::begin(shared).await?;
    let counted = count(&reading.session(), &reading.view, query).await;
    reading.finish(counted).await
}

fn number(rows: &[Row], at: usize) -> Result<u64> {
    match rows.first() {
        Some(row) => row.try_get::<_, i64>(at).typed().map(i64::cast_unsigned),
        None => Err(corrupt("a count without a row")),
    }
}

/// How many objects match.
pub(crate) async fn count(session: &Session<'_>, view: &View, query: &Query) -> Result<u64> {
    let Some(layout) = view.schema.layout(&query.collection) else {
        return Ok(0);
    };
    let query = unsliced(query, Projection::Only(Vec::new()));
    let plan = sql::plan(layout, &query);
    if let Some(sql) = plan.count_sql() {
        return number(&session.all(&sql, &plan.params).await?, 0);
    }
    let mut count = 0;
    let one = |_, _| {
        count += 1;
        Ok(ControlFlow::Continue(()))
    };
    session.each_match(&query, &plan, one).await?;
    Ok(count)
}

/// The distinct values at a path.
pub(crate) async fn distinct(
    session: &Session<'_>,
    view: &View,
    query: &Query,
    path: &Path,
) -> Result<Vec<Value>> {
    let Some(layout) = view.schema.layout(&query.collection) else {
        return Ok(Vec::new());
    };
    let projection = match &path.root {
        FieldRef::Named(name) => Projection::Only(vec![name.clone()]),
        FieldRef::Id | FieldRef::CreatedAt | FieldRef::UpdatedAt => Projection::Only(Vec::new()),
    };
    let query = unsliced(query, projection);
    let plan = sql::plan(layout, &query);
    if let Some((sql, column)) = plan.distinct_sql(path) {
        return plain(&session.all(&sql, &plan.params).await?, column);
    }
    let mut values = Distinct::default();
    let one = |_, record| {
        values.add(&record, path);
        Ok(ControlFlow::Continue(()))
    };
    session.each_match(&query, &plan, one).await?;
    Ok(values.finish())
}

/// The values of a column, each with whether it stands for an explicit null.
fn plain(rows: &[Row], column: &Column) -> Result<Vec<Value>> {
    let mut values = Vec::with_capacity(rows.len());
    let mut any_null = false;
    for row in rows {
        match row::value(row, 0, column)? {
            Some(value) => values.push(value),
            None => any_null |= row.try_get::<_, Option<bool>>(1).typed()?.unwrap_or(false),
        }
    }
    if any_null {
        values.insert(0, Value::Null);
    }
    Ok(values)
}
