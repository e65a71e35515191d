//! What every part of the engine shares.

use crate::errors::PERMISSION_DENIED;
use crate::keywords::Keywords;
use crate::relations::RelationIndex;
use crate::rules::{Policies, Policy};
use crate::{Call, Decision, Deps, Operation, Options, Principal, decide, errors, system};
use basalt_base::{Error, Reason, Result};
use basalt_store::{Catalogue, Collection, Filter, ReadOptions};
use std::sync::Arc;

/// The state behind a [`crate::Data`] handle.
pub(crate) struct Core {
    pub(crate) deps: Deps,
    pub(crate) options: Options,
    pub(crate) keywords: Keywords,
    pub(crate) relations: RelationIndex,
    policies: Policies,
}

impl Core {
    pub(crate) fn new(deps: Deps, options: Options) -> Self {
        let keywords = Keywords::new(&options.key_denylist);
        Self {
            deps,
            options,
            keywords,
            relations: RelationIndex::default(),
            policies: Policies::default(),
        }
    }

    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        self.deps.store.catalogue()
    }

    /// The catalogue with the collection in it, unless there is none. Another node may have made it
    /// a moment ago: what was answered there is found here, too.
    pub(crate) async fn catalogue_with(&self, collection: &str) -> Result<Arc<Catalogue>> {
        let catalogue = self.catalogue();
        if catalogue.collection(collection).is_some() {
            return Ok(catalogue);
        }
        self.deps.store.refresh().await?;
        Ok(self.catalogue())
    }

    /// What holds for a collection, or will once it is made.
    pub(crate) fn policy(
        &self,
        name: &str,
        collection: Option<&Collection>,
    ) -> Result<Arc<Policy>> {
        match collection {
            Some(collection) => self.policies.of(collection, &self.options),
            None => Ok(Policies::of_new(name, &self.options)),
        }
    }

    /// Which objects the caller may perform the operation on, by the collection's rules; refusals
    /// are errors. Every path through the engine asks here.
    pub(crate) fn allowed(
        &self,
        principal: &Principal,
        collection: &str,
        policy: &Policy,
        operation: Operation,
    ) -> Result<Filter> {
        match decide(principal, collection, &policy.rules, operation) {
            Decision::Allow => Ok(Filter::Everything),
            Decision::Filter(filter) => Ok(filter),
            Decision::Deny(error) => Err(self.sanitise(error)),
        }
    }

    /// A refusal whose details the caller sees only where the app allows it.
    pub(crate) fn refusal(&self, reason: Reason, detail: String) -> Error {
        self.sanitise(Error::new(reason, detail))
    }

    /// Hides the details of a refusal where the app wants that; the log keeps them.
    pub(crate) fn sanitise(&self, error: Error) -> Error {
        if !self.options.sanitize_refusals {
            return error;
        }
        tracing::info!(detail = error.message(), "refused");
        Error::new(error.reason(), PERMISSION_DENIED)
    }

    /// Refuses clients a collection that does not exist, unless they may make collections.
    pub(crate) fn check_exists_for(
        &self,
        principal: &Principal,
        collection: &str,
        catalogue: &Catalogue,
    ) -> Result<()> {
        let fine = principal.reads_everything()
            || self.options.allow_client_collection_creation
            || system::is_system(collection)
            || catalogue.collection(collection).is_some();
        if fine {
            return Ok(());
        }
        Err(self.refusal(
            Reason::OperationForbidden,
            format!("This user is not allowed to access non-existent class: {collection}"),
        ))
    }

    /// Refuses calls that hooks made too deep within each other.
    pub(crate) fn check_depth(&self, call: &Call) -> Result<()> {
        let max = self.options.limits.hook_depth_max;
        if call.depth <= max {
            return Ok(());
        }
        Err(Error::new(
            Reason::ScriptFailed,
            format!("Hooks trigger each other more than {max} levels deep."),
        ))
    }

    /// Refuses everybody but holders of a master key.
    pub(crate) fn check_master(&self, principal: &Principal) -> Result<()> {
        if principal.reads_everything() {
            Ok(())
        } else {
            Err(self.sanitise(errors::master_required()))
        }
    }

    /// Refuses everybody but holders of a master key that can write; `what` completes
    /// "read-only masterKey isn't allowed to".
    pub(crate) fn check_master_writes(&self, principal: &Principal, what: &str) -> Result<()> {
        self.check_master(principal)?;
        if principal.writes_everything() {
            return Ok(());
        }
        Err(self.refusal(
            Reason::ReadOnly,
            format!("read-only masterKey isn't allowed to {what}."),
        ))
    }

    pub(crate) fn read_options(&self) -> ReadOptions {
        ReadOptions {
            time_max: self.options.limits.query_time_max,
        }
    }
}
