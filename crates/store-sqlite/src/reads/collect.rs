//! Counting and distinct values.

use super::find;
use super::run::View;
use crate::connection::Session;
use crate::error::Typed;
use crate::row;
use crate::sql;
use basalt_base::{Result, Value};
use basalt_store::{FieldRef, Path, Projection, Query, eval};
use std::cmp::Ordering;
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

fn unsliced(query: &Query, projection: Projection) -> Query {
    Query {
        collection: query.collection.clone(),
        filter: query.filter.clone(),
        sort: Vec::new(),
        skip: 0,
        limit: None,
        projection,
    }
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
    let mut values = Values::default();
    find::each_match(session, &query, &plan, |_, record| {
        for candidate in eval::candidates(&record, path) {
            match candidate.as_ref() {
                Value::Array(items) => items.iter().for_each(|item| values.add(item)),
                value => values.add(value),
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(values.finish())
}

/// Collects values and drops repeated ones now and then, so that memory follows the distinct ones.
#[derive(Default)]
struct Values {
    all: Vec<Value>,
    distinct: usize,
}

impl Values {
    fn add(&mut self, value: &Value) {
        self.all.push(value.clone());
        if self.all.len() > 1_024 + self.distinct * 2 {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let order = |a: &Value, b: &Value| eval::compare_for_sort(Some(a), Some(b));
        self.all.sort_by(order);
        self.all.dedup_by(|a, b| order(a, b) == Ordering::Equal);
        self.distinct = self.all.len();
    }

    fn finish(mut self) -> Vec<Value> {
        self.compact();
        self.all
    }
}
