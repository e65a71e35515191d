//! Where a query reads: the latest state, or one state for several reads.

use super::plan::Plan;
use crate::core::Core;
use crate::errors;
use crate::relations::{OWNING, RELATED};
use basalt_base::{Result, Value};
use basalt_store::{
    Filter, Path, Projection, Query, ReadOptions, Reads, Record, Snapshot, Test, eval,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many sub-queries of one query may yield as much as one may.
const SUBQUERIES_FULL_MAX: usize = 4;

/// Reads of one query.
pub(super) struct Reader<'a> {
    pub(super) core: &'a Core,
    snapshot: Option<Box<dyn Snapshot>>,
    /// How many values sub-queries may still give to the queries around them.
    values_left: AtomicUsize,
}

impl<'a> Reader<'a> {
    /// With a snapshot where several reads have to agree.
    pub(super) async fn open(core: &'a Core, snapshot: bool) -> Result<Self> {
        let snapshot = if snapshot {
            Some(core.deps.store.snapshot().await?)
        } else {
            None
        };
        let each_max = core.options.limits.subquery_rows_max;
        Ok(Self {
            core,
            snapshot,
            values_left: AtomicUsize::new(each_max.saturating_mul(SUBQUERIES_FULL_MAX)),
        })
    }

    /// Counts values that a sub-query gives to the query around it. Errors: `QueryTooComplex` when
    /// all of them together are too many.
    pub(super) fn take_values(&self, count: usize) -> Result<()> {
        let less = |left: usize| left.checked_sub(count);
        let taken = self.values_left.fetch_update(Relaxed, Relaxed, less);
        taken.map(drop).map_err(|_| {
            errors::too_complex("The sub-queries together yield too many values.".to_owned())
        })
    }

    /// Lets go of the snapshot, before user code runs.
    pub(super) fn release(&mut self) {
        self.snapshot = None;
    }

    fn reads(&self) -> &dyn Reads {
        match &self.snapshot {
            Some(snapshot) => &**snapshot,
            None => &*self.core.deps.store,
        }
    }

    fn options(&self) -> ReadOptions {
        self.core.read_options()
    }

    /// The objects of a plan that the caller may find, as stored.
    pub(super) async fn rows(&self, plan: &Plan, filter: Filter) -> Result<Vec<Record>> {
        let Some(permitted) = &plan.rows else {
            return Ok(Vec::new());
        };
        if plan.collection.is_none()
            || matches!(filter, Filter::Nothing)
            || matches!(permitted, Filter::Nothing)
        {
            return Ok(Vec::new());
        }
        if let (Some(id), 0) = (&plan.id, plan.skip) {
            if plan.limit == Some(0) {
                return Ok(Vec::new());
            }
            let found = self.reads().get(&plan.name, id).await?;
            return match found {
                Some(record) if eval::matches(permitted, &record)? => Ok(vec![record]),
                _ => Ok(Vec::new()),
            };
        }
        let query = Query {
            collection: plan.name.clone(),
            filter: filter.and(permitted.clone()),
            sort: plan.sort.clone(),
            skip: plan.skip,
            limit: plan.limit,
            projection: plan.projection.clone(),
        };
        Ok(self.reads().find(&query, self.options()).await?.records)
    }

    /// How many objects of a plan the caller may count.
    pub(super) async fn count(
        &self,
        plan: &Plan,
        filter: &Filter,
        counted: &Filter,
    ) -> Result<u64> {
        if plan.collection.is_none() {
            return Ok(0);
        }
        let filter = filter.clone().and(counted.clone());
        if matches!(filter, Filter::Nothing) {
            return Ok(0);
        }
        let query = Query::all(plan.name.clone()).filter(filter);
        self.reads().count(&query, self.options()).await
    }

    /// The distinct values at a path.
    pub(super) async fn distinct(&self, query: &Query, path: &Path) -> Result<Vec<Value>> {
        self.reads().distinct(query, path, self.options()).await
    }

    /// How the query of a plan would run.
    pub(super) async fn explain(&self, plan: &Plan, filter: Filter) -> Result<Value> {
        let permitted = plan.rows.clone().unwrap_or(Filter::Nothing);
        let query = Query {
            collection: plan.name.clone(),
            filter: filter.and(permitted),
            sort: plan.sort.clone(),
            skip: plan.skip,
            limit: plan.limit,
            projection: plan.projection.clone(),
        };
        self.core.deps.store.explain(&query).await
    }

    /// The ids related to an owner.
    pub(super) async fn related(&self, join: &Arc<str>, owner: &str) -> Result<Vec<String>> {
        let filter = Filter::test(OWNING, Test::Eq(Value::from(owner)));
        self.pairs(join, filter, RELATED).await
    }

    /// The ids of the owners of these related ids.
    pub(super) async fn owners(
        &self,
        join: &Arc<str>,
        related: Vec<String>,
    ) -> Result<Vec<String>> {
        let list = related.into_iter().map(Value::String).collect();
        let filter = Filter::test(RELATED, Test::In(list));
        self.pairs(join, filter, OWNING).await
    }

    async fn pairs(&self, join: &Arc<str>, filter: Filter, wanted: &str) -> Result<Vec<String>> {
        let max = self.core.options.limits.subquery_rows_max;
        let query = Query {
            projection: Projection::Only(vec![wanted.into()]),
            limit: Some(max as u64 + 1),
            ..Query::all(join.clone()).filter(filter)
        };
        let found = self.reads().find(&query, self.options()).await?;
        if found.records.len() > max {
            return Err(errors::too_complex(format!(
                "A relation in the query has more than {max} objects."
            )));
        }
        let ids = found
            .records
            .into_iter()
            .filter_map(|mut row| match row.remove(wanted) {
                Some(Value::String(id)) => Some(id),
                _ => None,
            });
        Ok(ids.collect())
    }
}
