//! How a query would run.

use super::run::View;
use crate::connection::Session;
use crate::error::Typed;
use crate::sql;
use basalt_base::{Map, Result, Value};
use basalt_store::Query;

/// The SQL, SQLite's plan for it, and what is left to Rust.
pub(crate) fn explain(session: &Session, view: &View, query: &Query) -> Result<Value> {
    let mut out = Map::new();
    let Some(layout) = view.schema.layout(&query.collection) else {
        out.insert("plan".to_owned(), "the class does not exist".into());
        return Ok(Value::Map(out));
    };
    let plan = sql::plan(layout, query);
    let mut statement = session
        .conn
        .prepare(&format!("EXPLAIN QUERY PLAN {}", plan.sql))
        .typed()?;
    plan.bind(&mut statement)?;
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().typed()? {
        steps.push(Value::String(row.get(3).typed()?));
    }
    let left = plan.left_to_rust().into_iter().map(Value::from).collect();
    out.insert("sql".to_owned(), plan.sql.as_str().into());
    out.insert("plan".to_owned(), Value::Array(steps));
    out.insert("left_to_rust".to_owned(), Value::Array(left));
    Ok(Value::Map(out))
}
