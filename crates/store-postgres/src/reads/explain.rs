//! How a query would run.

use super::rows::Session;
use super::run::View;
use crate::error::Typed;
use crate::sql;
use basalt_base::{Map, Result, Value};
use basalt_store::Query;

/// The SQL, PostgreSQL's plan for it, and what is left to Rust.
pub(crate) async fn explain(session: &Session<'_>, view: &View, query: &Query) -> Result<Value> {
    let mut out = Map::new();
    let Some(layout) = view.schema.layout(&query.collection) else {
        out.insert("plan".to_owned(), "the class does not exist".into());
        return Ok(Value::Map(out));
    };
    let plan = sql::plan(layout, query);
    let explained = format!("EXPLAIN {}", plan.sql);
    let mut steps = Vec::new();
    for row in session.all(&explained, &plan.params).await? {
        steps.push(Value::String(row.try_get(0).typed()?));
    }
    let left = plan.left_to_rust().into_iter().map(Value::from).collect();
    out.insert("sql".to_owned(), plan.sql.as_str().into());
    out.insert("plan".to_owned(), Value::Array(steps));
    out.insert("left_to_rust".to_owned(), Value::Array(left));
    Ok(Value::Map(out))
}
