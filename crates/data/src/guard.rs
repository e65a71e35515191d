//! The seam through which `identity` looks after the system collections (`_User`, `_Session`,
//! `_Role`, …) inside the one pipeline, so that no door can go around it.

use crate::{Call, FieldChange, ObjectQuery};
use basalt_base::{BoxFuture, Result, Value};
use basalt_store::{Acl, ReadCheck, Record, Write};
use std::sync::Arc;

/// Which write a draft is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DraftKind {
    /// An object is made.
    Create,
    /// One is changed.
    Update,
    /// One is deleted.
    Delete,
}

/// A write on its way through the pipeline, after permissions and before-hooks, before the store.
#[derive(Debug)]
pub struct Draft {
    /// Which write.
    pub kind: DraftKind,
    /// The collection.
    pub collection: Arc<str>,
    /// The object's id.
    pub id: Box<str>,
    /// The object before, for updates and deletes.
    pub before: Option<Arc<Record>>,
    /// The changes. After [`Guard::prepare`] they may name internal fields (`_hashed_password`), for
    /// which the guard has put the schema steps into `writes_before`.
    pub changes: Vec<FieldChange>,
    /// Its permissions: new ones, or `None` for the default or the present ones.
    pub acl: Option<Acl>,
    /// Steps to apply in the same atomic batch, after the engine's own schema steps (the collection
    /// exists by then) and before the object itself.
    pub writes_before: Vec<Write>,
    /// Steps to apply in the same atomic batch, after it.
    pub writes_after: Vec<Write>,
    /// What was read for this write and must still hold when it is applied.
    pub checks: Vec<ReadCheck>,
    /// Values that only this answer carries.
    pub answer: Vec<(Arc<str>, Value)>,
}

/// Looks after system collections. Called for names that start with `_` only.
pub trait Guard: Send + Sync {
    /// Called before permissions and hooks see a query: restricts or rewrites it, or refuses.
    fn rewrite_query(&self, call: &Call, query: &mut ObjectQuery) -> Result<()>;

    /// Called before permissions and before-hooks with what the client sent: refuses fields that a
    /// client can't set.
    fn check_input(&self, call: &Call, draft: &Draft) -> Result<()>;

    /// Called after before-hooks: validates, hashes, adds internal fields and further writes.
    fn prepare<'a>(&'a self, call: &'a Call, draft: &'a mut Draft) -> BoxFuture<'a, Result<()>>;

    /// Called after the commit, to drop caches.
    fn committed(&self, collection: &str, before: Option<&Record>, after: Option<&Record>);

    /// The collections whose objects are about the objects of this one only, and go when all of
    /// those are purged.
    fn goes_with(&self, _collection: &str) -> &'static [&'static str] {
        &[]
    }

    /// Turns the store's unique violation on `index` into the collection's own error.
    fn duplicate(&self, collection: &str, index: &str) -> Option<basalt_base::Error>;

    /// Takes out of an object what this caller must not see, whatever the field permissions say.
    fn conceal(&self, call: &Call, collection: &str, record: &mut Record);
}

/// A guard that does nothing, for tests of the engine alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoGuard;

impl Guard for NoGuard {
    fn rewrite_query(&self, _: &Call, _: &mut ObjectQuery) -> Result<()> {
        Ok(())
    }

    fn check_input(&self, _: &Call, _: &Draft) -> Result<()> {
        Ok(())
    }

    fn prepare<'a>(&'a self, _: &'a Call, _: &'a mut Draft) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn committed(&self, _: &str, _: Option<&Record>, _: Option<&Record>) {}

    fn duplicate(&self, _: &str, _: &str) -> Option<basalt_base::Error> {
        None
    }

    fn conceal(&self, _: &Call, _: &str, _: &mut Record) {}
}
