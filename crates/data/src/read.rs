//! Reading objects: a query is planned with the caller's rights, then run on one state.

mod aggregate;
mod fields;
mod include;
mod limits;
mod plan;
mod reader;
mod resolve;
mod translate;
mod watch;

pub(crate) use aggregate::{aggregate, distinct};
pub use limits::SUBQUERIES_MAX;
pub(crate) use watch::watch;
pub use watch::{Look, Watch};

use crate::core::Core;
use crate::{Call, EventKind, Found, ObjectPage, ObjectQuery, Where, errors};
use basalt_base::{Result, Value};
use basalt_store::{Filter, Path, Record, Test};
use plan::{Plan, Purpose, prepare};
use reader::Reader;
use std::sync::Arc;

/// Finds objects.
pub(crate) async fn find(core: &Core, call: &Call, query: ObjectQuery) -> Result<ObjectPage> {
    let is_get = query.is_get;
    let plan = prepare(core, call, query, Purpose::Top).await?;
    page(core, call, plan, is_get).await
}

/// Gets one object.
pub(crate) async fn get(
    core: &Core,
    call: &Call,
    id: &str,
    mut query: ObjectQuery,
) -> Result<ObjectPage> {
    query.filter = Where::Test(
        Path::system(basalt_store::FieldRef::Id),
        Test::Eq(Value::from(id)),
    );
    query.is_get = true;
    query.skip = 0;
    query.limit = Some(1);
    let page = find(core, call, query).await?;
    if page.records.is_empty() && page.explain.is_none() {
        return Err(errors::not_found());
    }
    Ok(page)
}

/// A condition on objects of a collection with the caller's rights, ready for the writer.
pub(crate) async fn condition(
    core: &Core,
    call: &Call,
    collection: &Arc<str>,
    filter: Where,
) -> Result<Filter> {
    limits::check_filter(&filter, &core.options.limits)?;
    let query = ObjectQuery {
        filter,
        ..ObjectQuery::of(collection.clone())
    };
    let plan = prepare(core, call, query, Purpose::Condition).await?;
    let reader = Reader::open(core, plan.has_subqueries()).await?;
    resolve::filter(&reader, call, &plan).await
}

async fn page(core: &Core, call: &Call, plan: Box<Plan>, is_get: bool) -> Result<ObjectPage> {
    let mut reader = Reader::open(core, plan.wants_snapshot()).await?;
    let filter = resolve::filter(&reader, call, &plan).await?;
    let mut page = ObjectPage {
        collection: plan.collection_for(core, call),
        redirected_to: plan.redirected_to.clone(),
        ..ObjectPage::default()
    };
    if plan.explain {
        page.explain = Some(reader.explain(&plan, filter).await?);
        return Ok(page);
    }
    if let Some(counted) = &plan.counted {
        page.count = Some(reader.count(&plan, &filter, counted).await?);
    }
    let mut records = reader.rows(&plan, filter).await?;
    show(core, call, &plan, &mut records);
    if !plan.include.children.is_empty() && !records.is_empty() {
        page.included = include::follow(&mut reader, call, &plan, &records).await?;
    }
    drop(reader);
    let hooks = &core.deps.hooks;
    let wanted = !records.is_empty() || !is_get;
    if plan.rows.is_some() && wanted && hooks.wants(EventKind::AfterFind, &plan.name) {
        let found = Found {
            collection: &plan.name,
            schema: page.collection.clone(),
            asked: plan.asked.as_deref(),
            is_get,
            records: &mut records,
        };
        hooks.after_find(call, found).await?;
    }
    page.records = records;
    page.include = plan.include;
    Ok(page)
}

/// Takes out of the objects what the caller must not or does not want to see.
fn show(core: &Core, call: &Call, plan: &Plan, records: &mut [Record]) {
    let viewer = plan.viewer(core, call);
    let guarded = plan.name.starts_with('_');
    for record in records {
        viewer.hide(record);
        if guarded {
            core.deps.guard.conceal(call, &plan.name, record);
        }
        plan.shown.keep(record);
    }
}
