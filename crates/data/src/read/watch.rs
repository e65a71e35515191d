//! Queries whose objects are watched: which changes a caller may be told of, and what of them.
//!
//! A watch is planned with the same rules as a find and holds them as they are at that moment.
//! Whoever keeps it plans it again when the rights of the caller or the schema change.

use super::fields::Shown;
use super::limits;
use super::plan::{Purpose, exact_id, is_own, permitted};
use super::translate::{Planned, Scope};
use crate::core::Core;
use crate::rules::{Policy, Viewer};
use crate::{Call, ObjectQuery, Where, system};
use basalt_base::{Error, Reason, Result};
use basalt_store::{Collection, Filter, Path, Record, eval};
use std::sync::Arc;

/// How objects look to a caller; the same look shows the same of every object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    internal: bool,
    hidden: Arc<[Box<str>]>,
}

/// A query that is watched on behalf of a caller. Cheap to clone.
#[derive(Clone)]
pub struct Watch {
    plan: Arc<Plan>,
}

struct Plan {
    core: Arc<Core>,
    call: Arc<Call>,
    name: Arc<str>,
    version: Option<u64>,
    seen: Option<Arc<Collection>>,
    filter: Filter,
    readable: Filter,
    fields: Option<Vec<Path>>,
    policy: Arc<Policy>,
    shown: Shown,
    keys: Option<Vec<Box<str>>>,
    look: Option<Look>,
}

/// Plans a watch.
pub(crate) fn watch(
    core: &Arc<Core>,
    call: &Arc<Call>,
    mut query: ObjectQuery,
    fields: Option<Vec<Path>>,
) -> Result<Watch> {
    limits::check(&query, &core.options.limits)?;
    if query.collection.starts_with('_') {
        core.deps.guard.rewrite_query(call, &mut query)?;
    }
    let catalogue = core.catalogue();
    let name = query.collection.clone();
    core.check_exists_for(&call.principal, &name, &catalogue)?;
    let collection = catalogue.collection(&name).cloned();
    let policy = core.policy(&name, collection.as_deref())?;
    let by_id = exact_id(&query.filter).is_some();
    let (rows, _) = permitted(core, call, &query, &Purpose::Top, &policy, by_id)?;
    let viewer = Viewer::new(&call.principal, &name, &policy, &core.options);
    let scope = Scope {
        core,
        call,
        catalogue: &catalogue,
        name: &name,
        collection: collection.as_deref(),
        viewer: &viewer,
        own: *name == *system::USER && is_own(&query.filter, call.principal.user.as_deref()),
    };
    for path in fields.iter().flatten() {
        scope.check_path(path)?;
    }
    let filter = std::mem::replace(&mut query.filter, Where::everything());
    let Planned::Done(filter) = scope.translate(filter, &mut Vec::new())? else {
        return Err(Error::new(
            Reason::UnsupportedQuery,
            "Queries with sub-queries or relations can't be watched.",
        ));
    };
    let plan = Plan {
        version: collection.as_ref().map(|collection| collection.version),
        seen: collection.as_ref().map(|c| viewer.visible(c)),
        look: viewer.look().filter(|_| !name.starts_with('_')),
        shown: Shown::of(&query, collection.as_deref()),
        keys: query.keys,
        filter,
        readable: rows.unwrap_or(Filter::Nothing),
        fields,
        core: Arc::clone(core),
        call: Arc::clone(call),
        name,
        policy: Arc::clone(&policy),
    };
    Ok(Watch {
        plan: Arc::new(plan),
    })
}

impl Watch {
    /// The collection.
    pub fn collection(&self) -> &Arc<str> {
        &self.plan.name
    }

    /// The collection's schema as the caller sees it, if the collection exists.
    pub fn schema(&self) -> Option<&Arc<Collection>> {
        self.plan.seen.as_ref()
    }

    /// Which objects are meant, whoever asks.
    pub fn filter(&self) -> &Filter {
        &self.plan.filter
    }

    /// The fields that were asked for; `None` for all.
    pub fn keys(&self) -> Option<&[Box<str>]> {
        self.plan.keys.as_deref()
    }

    /// The fields of which an update has to change one.
    pub fn fields(&self) -> Option<&[Path]> {
        self.plan.fields.as_deref()
    }

    /// The caller.
    pub fn call(&self) -> &Arc<Call> {
        &self.plan.call
    }

    /// The version of the collection that the plan was made for; `None` while there is none.
    pub fn version(&self) -> Option<u64> {
        self.plan.version
    }

    /// Whether the caller may read the object, by the collection's rules and its ACL.
    pub fn may_read(&self, record: &Record) -> Result<bool> {
        eval::matches(&self.plan.readable, record)
    }

    /// How objects look to the caller; `None` when that depends on the object.
    pub fn look(&self) -> Option<&Look> {
        self.plan.look.as_ref()
    }

    /// What the caller sees of an object that it may read.
    pub fn show(&self, record: &Record) -> Record {
        let plan = &*self.plan;
        let mut shown = record.clone();
        let options = &plan.core.options;
        Viewer::new(&plan.call.principal, &plan.name, &plan.policy, options).hide(&mut shown);
        if plan.name.starts_with('_') {
            let guard = &plan.core.deps.guard;
            guard.conceal(&plan.call, &plan.name, &mut shown);
        }
        plan.shown.keep(&mut shown);
        shown
    }
}

impl Look {
    pub(crate) fn new(internal: bool, hidden: &[&str]) -> Self {
        let mut hidden: Vec<Box<str>> = hidden.iter().map(|name| Box::from(*name)).collect();
        hidden.sort_unstable();
        Self {
            internal,
            hidden: hidden.into(),
        }
    }
}
