//! From a query as asked to one that may run: guard, hooks, permissions, limits, visible fields.
//!
//! Everything that may run user code happens here, before a snapshot is held.

use super::fields::{self, Shown};
use super::limits;
use super::translate::{Asked, Planned, Scope};
use crate::core::Core;
use crate::rules::{Policy, Viewer};
use crate::{Call, EventKind, Include, ObjectQuery, Operation, Principal, Where, names, system};
use basalt_base::{BoxFuture, Error, Reason, Result, Value};
use basalt_store::{
    Access, Catalogue, Collection, FieldRef, FieldType, Filter, Path, Projection, Sort, SortKey,
    Test,
};
use std::sync::Arc;

/// What a query is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// A caller asked it.
    Top,
    /// It follows references; refusals mean that nothing is followed.
    Include,
    /// Its objects' ids are wanted.
    Ids,
    /// The values of a field of its objects are wanted.
    Values(Path),
    /// Whether its one object may be read is wanted.
    Readable,
    /// Only its filter is wanted, as a condition on a write.
    Condition,
}

/// A query that may run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: Arc<str>,
    pub(super) collection: Option<Arc<Collection>>,
    pub(super) redirected_to: Option<Arc<str>>,
    policy: Arc<Policy>,
    pub(super) filter: Planned,
    /// The sub-queries that the filter refers to by index.
    pub(super) subqueries: Vec<Plan>,
    /// The id when the query asks for that object alone.
    pub(super) id: Option<Box<str>>,
    /// Which objects the caller may find; `None` when no object is wanted.
    pub(super) rows: Option<Filter>,
    /// Which objects the caller may count, when it wants a count.
    pub(super) counted: Option<Filter>,
    pub(super) sort: Vec<Sort>,
    pub(super) skip: u64,
    pub(super) limit: Option<u64>,
    pub(super) projection: Projection,
    pub(super) shown: Shown,
    pub(super) include: Include,
    pub(super) explain: bool,
    /// The query in the adapter's words, for hooks.
    pub(super) asked: Option<Arc<Value>>,
}

impl Plan {
    /// Whether the filter has sub-queries or relations to look up.
    pub(super) fn has_subqueries(&self) -> bool {
        !matches!(self.filter, Planned::Done(_))
    }

    /// Whether several reads have to see one state.
    pub(super) fn wants_snapshot(&self) -> bool {
        let two_reads = self.counted.is_some() && self.rows.is_some();
        self.has_subqueries() || !self.include.children.is_empty() || two_reads
    }

    /// The collection as the caller sees it.
    pub(super) fn collection_for(&self, core: &Core, call: &Call) -> Option<Arc<Collection>> {
        let collection = self.collection.as_ref()?;
        Some(self.viewer(core, call).visible(collection))
    }

    /// How the caller sees the objects.
    pub(super) fn viewer<'a>(&'a self, core: &Core, call: &'a Call) -> Viewer<'a> {
        Viewer::new(&call.principal, &self.name, &self.policy, &core.options)
    }
}

/// The id when the filter asks for one object and nothing else.
pub(super) fn exact_id(filter: &Where) -> Option<&str> {
    match filter {
        Where::Test(path, Test::Eq(Value::String(id))) if is_id(path) => Some(id),
        Where::And(list) => match &**list {
            [one] => exact_id(one),
            _ => None,
        },
        _ => None,
    }
}

fn is_id(path: &Path) -> bool {
    path.root == FieldRef::Id && path.rest.is_empty()
}

/// Whether the filter can only match the caller's own user.
pub(super) fn is_own(filter: &Where, user: Option<&str>) -> bool {
    match filter {
        Where::And(list) => list.iter().any(|part| is_own(part, user)),
        other => user.is_some() && exact_id(other) == user,
    }
}

/// Plans a query; refusals are errors.
pub(super) fn prepare<'a>(
    core: &'a Core,
    call: &'a Call,
    query: ObjectQuery,
    purpose: Purpose,
) -> BoxFuture<'a, Result<Box<Plan>>> {
    Box::pin(plan(core, call, query, purpose))
}

/// The plan is boxed since it is large, and would be copied on its way from future to future.
async fn plan(
    core: &Core,
    call: &Call,
    mut query: ObjectQuery,
    purpose: Purpose,
) -> Result<Box<Plan>> {
    let catalogue = core.catalogue_with(&query.collection).await?;
    let redirected_to = enter(core, call, &catalogue, &mut query, &purpose).await?;
    let name = query.collection.clone();
    let collection = catalogue.collection(&name).cloned();
    let policy = core.policy(&name, collection.as_deref())?;
    let id: Option<Box<str>> = exact_id(&query.filter).map(Into::into);
    let by_id = id.is_some() || query.is_get;
    let (rows, counted) = permitted(core, call, &query, &purpose, &policy, by_id)?;

    let viewer = Viewer::new(&call.principal, &name, &policy, &core.options);
    let user = call.principal.user.as_deref();
    let scope = Scope {
        core,
        call,
        catalogue: &catalogue,
        name: &name,
        collection: collection.as_deref(),
        viewer: &viewer,
        own: *name == *system::USER && is_own(&query.filter, user),
    };
    if let Purpose::Values(key) = &purpose {
        scope.check_path(key)?;
    }
    let sort = sort(&scope, std::mem::take(&mut query.sort))?;
    let mut asked = Vec::new();
    let filter = std::mem::replace(&mut query.filter, Where::everything());
    let filter = scope.translate(filter, &mut asked)?;
    let shown = Shown::of(&query, collection.as_deref());
    let projection = match &purpose {
        Purpose::Ids | Purpose::Readable | Purpose::Condition => Projection::Only(Vec::new()),
        Purpose::Values(key) => value_projection(key),
        Purpose::Top | Purpose::Include => shown.projection(collection.as_deref(), &viewer),
    };
    drop(viewer);
    Ok(Box::new(Plan {
        subqueries: prepare_all(core, call, asked, &policy).await?,
        limit: limit(core, call, &query, &purpose),
        include: fields::include(&mut query, collection.as_deref(), &catalogue),
        skip: query.skip,
        explain: query.explain,
        asked: query.asked,
        name,
        collection,
        redirected_to,
        policy,
        filter,
        id,
        rows,
        counted,
        sort,
        projection,
        shown,
    }))
}

/// Limits, redirection, guard and hooks; where the query was redirected to.
async fn enter(
    core: &Core,
    call: &Call,
    catalogue: &Catalogue,
    query: &mut ObjectQuery,
    purpose: &Purpose,
) -> Result<Option<Arc<str>>> {
    if matches!(purpose, Purpose::Top) {
        core.check_depth(call)?;
        limits::check(query, &core.options.limits)?;
        check_explain(&call.principal, query)?;
    }
    let redirected_to = redirect(core, call, catalogue, query)?;
    if query.collection.starts_with('_') {
        core.deps.guard.rewrite_query(call, query)?;
    }
    let hooks = &core.deps.hooks;
    if !matches!(purpose, Purpose::Condition)
        && hooks.wants(EventKind::BeforeFind, &query.collection)
    {
        let collection = query.collection.clone();
        hooks.before_find(call, query).await?;
        // A hook narrows a query; it does not move it to where the guard has not looked.
        query.collection = collection;
    }
    core.check_exists_for(&call.principal, &query.collection, catalogue)?;
    Ok(redirected_to)
}

/// Plans sub-queries. Whether something may be read is no error, just nothing.
async fn prepare_all(
    core: &Core,
    call: &Call,
    asked: Asked,
    policy: &Arc<Policy>,
) -> Result<Vec<Plan>> {
    let mut plans = Vec::with_capacity(asked.len());
    for (query, purpose) in asked {
        let readable = matches!(purpose, Purpose::Readable);
        plans.push(match prepare(core, call, query, purpose).await {
            Err(e) if readable && is_refusal(&e) => Plan::of_nothing(policy),
            other => *other?,
        });
    }
    Ok(plans)
}

impl Plan {
    /// A plan that finds nothing.
    fn of_nothing(policy: &Arc<Policy>) -> Self {
        Self {
            name: "".into(),
            collection: None,
            redirected_to: None,
            policy: policy.clone(),
            filter: Planned::Done(Filter::Nothing),
            subqueries: Vec::new(),
            id: None,
            rows: None,
            counted: None,
            sort: Vec::new(),
            skip: 0,
            limit: Some(0),
            projection: Projection::Only(Vec::new()),
            shown: Shown::default(),
            include: Include::default(),
            explain: false,
            asked: None,
        }
    }
}

/// Whether the caller may not, as opposed to something being wrong.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(
        error.reason(),
        Reason::AccessDenied
            | Reason::OperationForbidden
            | Reason::ObjectNotFound
            | Reason::InvalidSession
    )
}

fn check_explain(principal: &Principal, query: &ObjectQuery) -> Result<()> {
    if query.explain && !principal.reads_everything() {
        return Err(Error::new(
            Reason::InvalidQuery,
            "Using the explain query parameter requires the master key",
        ));
    }
    Ok(())
}

/// Points the query to the collection that a field refers to; its name when that happened. What a
/// hidden field refers to is hidden too.
fn redirect(
    core: &Core,
    call: &Call,
    catalogue: &Catalogue,
    query: &mut ObjectQuery,
) -> Result<Option<Arc<str>>> {
    let Some(key) = query.redirect_collection_for_key.take() else {
        return Ok(None);
    };
    let Some(collection) = catalogue.collection(&query.collection) else {
        return Ok(None);
    };
    let name = &collection.name;
    let policy = core.policy(name, Some(collection))?;
    let viewer = Viewer::new(&call.principal, name, &policy, &core.options);
    if viewer.hides_from_query(&key, false) {
        let text = format!("This user is not allowed to query {key} on class {name}");
        return Err(core.refusal(Reason::OperationForbidden, text));
    }
    let target = collection.field(&key).and_then(|f| match &f.def.ty {
        FieldType::Relation(target) | FieldType::Reference(target) => Some(target.clone()),
        _ => None,
    });
    if let Some(target) = &target {
        query.collection = target.clone();
    }
    Ok(target)
}

/// The objects that the caller may find, if it wants any, and count, if it wants that.
pub(super) fn permitted(
    core: &Core,
    call: &Call,
    query: &ObjectQuery,
    purpose: &Purpose,
    policy: &Policy,
    by_id: bool,
) -> Result<(Option<Filter>, Option<Filter>)> {
    let principal = &call.principal;
    if matches!(purpose, Purpose::Condition) {
        return Ok((None, None));
    }
    let operation = match purpose {
        Purpose::Include | Purpose::Readable => Operation::Get,
        _ if by_id => Operation::Get,
        _ => Operation::Find,
    };
    let readable = |operation| -> Result<Filter> {
        let allowed = core.allowed(principal, &query.collection, policy, operation)?;
        // Nothing of the whole collection: a get says so as if the object were not there.
        if operation == Operation::Get
            && matches!(allowed, Filter::Nothing)
            && matches!(purpose, Purpose::Top)
        {
            return Err(crate::errors::not_found());
        }
        if principal.reads_everything() {
            return Ok(allowed);
        }
        let acl = Filter::Allows(Access::Read, principal.principals.clone());
        Ok(allowed.and(acl))
    };
    let wanted = query.limit != Some(0) || query.explain;
    let rows = wanted.then(|| readable(operation)).transpose()?;
    let counted = query
        .count
        .then(|| readable(Operation::Count))
        .transpose()?;
    Ok((rows, counted))
}

fn limit(core: &Core, call: &Call, query: &ObjectQuery, purpose: &Purpose) -> Option<u64> {
    let limits = &core.options.limits;
    match purpose {
        Purpose::Top => {
            let asked = query.limit.unwrap_or(limits.query_rows_default as u64);
            let cap = core.options.query_rows_max;
            let cap = cap.filter(|_| !call.principal.sees_internal_fields());
            Some(cap.map_or(asked, |cap| asked.min(cap)))
        }
        Purpose::Include => None,
        Purpose::Ids | Purpose::Values(_) => {
            // One more than allowed tells that there are too many.
            let max = limits.subquery_rows_max as u64 + 1;
            Some(query.limit.map_or(max, |limit| limit.min(max)))
        }
        Purpose::Readable | Purpose::Condition => Some(1),
    }
}

fn value_projection(key: &Path) -> Projection {
    match &key.root {
        FieldRef::Named(name) => Projection::Only(vec![name.clone()]),
        _ => Projection::Only(Vec::new()),
    }
}

/// Checks the order and leaves out what sorts by nothing.
fn sort(scope: &Scope<'_>, sort: Vec<Sort>) -> Result<Vec<Sort>> {
    let mut kept = Vec::with_capacity(sort.len());
    for level in sort {
        let (SortKey::Path(path) | SortKey::Distance(path, _)) = &level.key;
        scope.check_sort(path)?;
        let known = match &path.root {
            FieldRef::Named(root) => scope.collection.is_some_and(|c| c.field(root).is_some()),
            _ => path.rest.is_empty(),
        };
        if known {
            kept.push(level);
        }
    }
    Ok(kept)
}

impl Scope<'_> {
    /// Refuses to sort by what the caller does not see.
    fn check_sort(&self, path: &Path) -> Result<()> {
        let FieldRef::Named(root) = &path.root else {
            return Ok(());
        };
        let shown = names::dotted(path);
        let internal = names::is_internal(root) && self.call.principal.sees_internal_fields();
        if !internal && !names::is_field(root, self.name) {
            return Err(crate::errors::invalid_field_name(&shown));
        }
        if **root == *"authData" && !path.rest.is_empty() {
            return Err(Error::new(
                Reason::InvalidFieldName,
                format!("Cannot sort by {shown}"),
            ));
        }
        if self.viewer.hides_from_query(root, self.own) {
            let text = format!(
                "This user is not allowed to sort by {shown} on class {}",
                self.name
            );
            return Err(self.core.refusal(Reason::OperationForbidden, text));
        }
        Ok(())
    }
}
