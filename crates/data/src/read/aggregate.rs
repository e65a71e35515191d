//! Distinct values and aggregate pipelines. Master key only.

use super::plan::{Purpose, prepare};
use super::reader::Reader;
use super::resolve;
use crate::core::Core;
use crate::{Call, ObjectQuery, errors, names, system};
use basalt_base::{Error, Map, Reason, Result, Value};
use basalt_store::aggregate::{self, Check, Executor};
use basalt_store::{FieldRef, Filter, Path, Query, Record};
use parking_lot::Mutex;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Distinct values at a path among the objects that the query finds.
pub(crate) async fn distinct(
    core: &Core,
    call: &Call,
    query: ObjectQuery,
    path: &Path,
) -> Result<Vec<Value>> {
    core.check_master(&call.principal)?;
    check_path(core, call, &query.collection, path)?;
    let plan = prepare(core, call, query, Purpose::Top).await?;
    if plan.collection.is_none() {
        return Ok(Vec::new());
    }
    let reader = Reader::open(core, plan.has_subqueries()).await?;
    let filter = resolve::filter(&reader, call, &plan).await?;
    let query = Query::all(plan.name.clone()).filter(filter);
    reader.distinct(&query, path).await
}

/// Runs an aggregate pipeline. Only matches at its start are left to the store; the rest runs here
/// over the streamed objects, within the limits on time and memory.
pub(crate) async fn aggregate(
    core: &Core,
    call: &Call,
    collection: &str,
    pipeline: &Value,
) -> Result<Vec<Map>> {
    core.check_master(&call.principal)?;
    core.check_depth(call)?;
    let limits = &core.options.limits;
    let stages = aggregate::parse_with(pipeline, limits)?;
    let (filter, stages) = aggregate::split_leading_match(stages);
    let filter = filter.unwrap_or(Filter::Everything);
    check_filter(core, call, collection, &filter)?;
    let catalogue = core.catalogue_with(collection).await?;
    let Some(collection) = catalogue.collection(collection) else {
        return Ok(Vec::new());
    };
    let stop = Arc::new(AtomicBool::new(false));
    let _stops_when_dropped = StopOnDrop(stop.clone());
    let executor = Executor::new(stages, limits.aggregate_bytes_max, check(core, stop));
    let running = Arc::new(Mutex::new(Running {
        executor,
        failed: None,
    }));
    let query = Query::all(collection.name.clone()).filter(filter);
    let sink = sink(core, call, &collection.name, running.clone());
    core.deps
        .store
        .scan(query, core.read_options(), sink)
        .await?;
    let Some(running) = Arc::into_inner(running) else {
        return Err(Error::internal("a store kept the sink of a scan"));
    };
    let Running { executor, failed } = running.into_inner();
    if let Some(error) = failed {
        return Err(error);
    }
    // Sorting and grouping of many documents is no work for an async thread.
    tokio::task::spawn_blocking(move || executor.finish())
        .await
        .map_err(Error::internal)?
}

struct Running {
    executor: Executor,
    failed: Option<Error>,
}

/// Tells the executor that nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Stops the executor at the deadline, and when the caller is gone.
fn check(core: &Core, stop: Arc<AtomicBool>) -> Check {
    let clock = core.deps.clock.clone();
    let end = clock.monotonic().after(core.options.limits.query_time_max);
    Box::new(move || {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::new(
                Reason::Cancelled,
                "The caller went away before the operation finished.",
            ));
        }
        if clock.monotonic() > end {
            return Err(Error::new(
                Reason::Timeout,
                "The aggregate ran past its deadline and was stopped.",
            ));
        }
        Ok(())
    })
}

/// Hands objects to the executor, without what even the master key does not see.
fn sink(
    core: &Core,
    call: &Call,
    collection: &Arc<str>,
    running: Arc<Mutex<Running>>,
) -> Box<dyn FnMut(Record) -> ControlFlow<()> + Send + 'static> {
    let guard = collection.starts_with('_').then(|| core.deps.guard.clone());
    let (call, collection) = (call.clone(), collection.clone());
    Box::new(move |mut record| {
        let users = *collection == *system::USER;
        let secret = |name: &str| names::is_internal(name) || (users && name == "password");
        record.fields.retain(|(name, _)| !secret(name));
        if let Some(guard) = &guard {
            guard.conceal(&call, &collection, &mut record);
        }
        let mut running = running.lock();
        match running.executor.push(aggregate::record_to_doc(&record)) {
            Ok(flow) => flow,
            Err(error) => {
                running.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })
}

/// Refuses tests on internal fields, which would tell their values bit by bit.
fn check_filter(core: &Core, call: &Call, collection: &str, filter: &Filter) -> Result<()> {
    match filter {
        Filter::And(list) | Filter::Or(list) => list
            .iter()
            .try_for_each(|part| check_filter(core, call, collection, part)),
        Filter::Not(part) => check_filter(core, call, collection, part),
        Filter::Test(path, _) => check_path(core, call, collection, path),
        Filter::Everything | Filter::Nothing | Filter::Allows(..) => Ok(()),
    }
}

fn check_path(core: &Core, call: &Call, collection: &str, path: &Path) -> Result<()> {
    let FieldRef::Named(root) = &path.root else {
        return Ok(());
    };
    let internal = names::is_internal(root) && !call.principal.sees_internal_fields();
    if internal || is_concealed(core, call, collection, root) {
        return Err(errors::invalid_key(&names::dotted(path)));
    }
    Ok(())
}

/// Whether the guard takes the field out of every object that is shown: the store must not be
/// asked about it either.
fn is_concealed(core: &Core, call: &Call, collection: &str, field: &Arc<str>) -> bool {
    if !collection.starts_with('_') {
        return false;
    }
    let at = core.deps.clock.now();
    let mut probe = Record {
        id: "".into(),
        created_at: at,
        updated_at: at,
        rev: 0,
        acl: basalt_store::Acl::default(),
        fields: vec![(field.clone(), Value::from("probe"))],
    };
    core.deps.guard.conceal(call, collection, &mut probe);
    probe.get(field).is_none()
}
