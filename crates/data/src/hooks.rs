//! The seam through which code runs before and after what the engine does.

use crate::{Call, ObjectQuery};
use basalt_base::{BoxFuture, Result};
use basalt_store::{FieldOp, Record};
use std::sync::Arc;

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Before an object is created or updated; may change or refuse it.
    BeforeSave,
    /// After it was.
    AfterSave,
    /// Before an object is deleted; may refuse.
    BeforeDelete,
    /// After it was.
    AfterDelete,
    /// Before a find or get; may change or refuse the query.
    BeforeFind,
    /// After a find or get; may change the objects.
    AfterFind,
}

/// What a save or delete hook is given.
#[derive(Debug)]
pub struct Event {
    /// Which hook.
    pub kind: EventKind,
    /// The collection.
    pub collection: Arc<str>,
    /// The object before the write, if it existed.
    pub original: Option<Arc<Record>>,
    /// The object as it would be (before) or is (after).
    pub object: Arc<Record>,
}

/// Code that runs around the engine's operations; implemented by `functions`, wired by `server`.
pub trait Hooks: Send + Sync {
    /// Whether anything listens, so that the engine can skip the work.
    fn wants(&self, kind: EventKind, collection: &str) -> bool;

    /// Runs a before-hook; the operations it returns are applied after the caller's. An error
    /// refuses the write.
    fn before<'a>(&'a self, call: &'a Call, event: Event) -> BoxFuture<'a, Result<Vec<FieldOp>>>;

    /// Runs an after-hook; its failure is logged and changes nothing.
    fn after<'a>(&'a self, call: &'a Call, event: Event) -> BoxFuture<'a, ()>;

    /// Runs before-find.
    fn before_find<'a>(
        &'a self,
        call: &'a Call,
        query: &'a mut ObjectQuery,
    ) -> BoxFuture<'a, Result<()>>;

    /// Runs after-find.
    fn after_find<'a>(
        &'a self,
        call: &'a Call,
        collection: &'a str,
        records: &'a mut Vec<Record>,
    ) -> BoxFuture<'a, Result<()>>;
}

/// Hooks of an app without any code.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {
    fn wants(&self, _: EventKind, _: &str) -> bool {
        false
    }

    fn before<'a>(&'a self, _: &'a Call, _: Event) -> BoxFuture<'a, Result<Vec<FieldOp>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn after<'a>(&'a self, _: &'a Call, _: Event) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }

    fn before_find<'a>(&'a self, _: &'a Call, _: &'a mut ObjectQuery) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn after_find<'a>(
        &'a self,
        _: &'a Call,
        _: &'a str,
        _: &'a mut Vec<Record>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }
}
