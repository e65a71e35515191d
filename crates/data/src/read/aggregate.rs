//! Distinct values and aggregate pipelines. Master key only.

use super::plan::{Purpose, prepare};
use super::reader::Reader;
use super::resolve;
use crate::core::Core;
use crate::{Call, ObjectQuery, errors, names};
use basalt_base::{Error, Map, Reason, Result, Value};
use basalt_store::{FieldRef, Path, Query};

/// Distinct values at a path among the objects that the query finds.
pub(crate) async fn distinct(
    core: &Core,
    call: &Call,
    query: ObjectQuery,
    path: &Path,
) -> Result<Vec<Value>> {
    core.check_master(&call.principal)?;
    if let FieldRef::Named(root) = &path.root
        && names::is_internal(root)
        && !call.principal.sees_internal_fields()
    {
        return Err(errors::invalid_key(&names::dotted(path)));
    }
    let plan = prepare(core, call, query, Purpose::Top).await?;
    if plan.collection.is_none() {
        return Ok(Vec::new());
    }
    let reader = Reader::open(core, plan.has_subqueries()).await?;
    let filter = resolve::filter(&reader, call, &plan).await?;
    let query = Query::all(plan.name.clone()).filter(filter);
    reader.distinct(&query, path).await
}

/// Runs an aggregate pipeline.
pub(crate) async fn aggregate(
    core: &Core,
    call: &Call,
    collection: &str,
    pipeline: &Value,
) -> Result<Vec<Map>> {
    core.check_master(&call.principal)?;
    let _ = (collection, pipeline);
    Err(Error::new(
        Reason::UnsupportedQuery,
        "Aggregate pipelines are not available yet.",
    ))
}
