//! Counting and distinct values.

use super::find;
use super::run::View;
use crate::connection::Session;
use crate::error::Typed;
use crate::row;
use crate::sql;
use basalt_base::{Result, Value};
use basalt_store::plan::{Distinct, unsliced};
use basalt_store::{FieldRef, Path, Projection, Query};
use std::ops::ControlFlow;

/// How many objects match.
pub(crate) fn count(session: &Session, view: &View, query: &Query) -> Result<u64> {
    let Some(layout) = view.schema.layout(&query.collection) else {
        return Ok(0);
    };
    let query = unsliced(query, Projection::Only(Vec::new()));
    let plan = sql::plan(layout, &query);
    if let Some(sql) = plan.count_sql() {
        return find::single(session, &plan, &sql).map(i64::cast_unsigned);
    }
    let mut count = 0;
    find::each_match(session, &query, &plan, |_, _| {
        count += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(count)
}

/// The distinct values at a path.
pub(crate) fn distinct(
    session: &Session,
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
        session.slots.lock().clone_from(&plan.slots);
        let mut statement = session.conn.prepare_cached(&sql).typed()?;
        plan.bind(&mut statement)?;
        let mut rows = statement.raw_query();
        let mut values = Vec::new();
        let mut any_null = false;
        while let Some(row) = rows.next().map_err(find::function_error)? {
            match row::value(row, 0, column)? {
                Some(value) => values.push(value),
                None => any_null |= row.get::<_, bool>(1).typed()?,
            }
        }
        if any_null {
            values.insert(0, Value::Null);
        }
        return Ok(values);
    }
    let mut values = Distinct::default();
    find::each_match(session, &query, &plan, |_, record| {
        values.add(&record, path);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(values.finish())
}
