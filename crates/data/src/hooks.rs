//! The seam through which code runs before and after what the engine does.

use crate::{Call, FieldChange, ObjectQuery};
use basalt_base::{BoxFuture, Map, Result, Value};
use basalt_store::{Acl, Collection, Record, Write};
use std::sync::Arc;

/// When a hook runs. Files and the config have the kinds of objects, on collections of their own
/// whose names begin with `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// After a password was found right, before there is a session; may refuse.
    BeforeLogin,
    /// After a sign-in.
    AfterLogin,
    /// After a session was ended by its owner.
    AfterLogout,
    /// Before the mail for a new password is sent; may refuse.
    BeforePasswordResetRequest,
    /// Before a socket is accepted.
    BeforeConnect,
    /// Before a subscription is accepted.
    BeforeSubscribe,
    /// Before an event is delivered to a subscriber.
    AfterEvent,
}

impl EventKind {
    /// How many kinds there are.
    pub const COUNT: usize = 13;

    /// Whether what such a hook does can still refuse the operation.
    pub fn may_refuse(self) -> bool {
        !matches!(
            self,
            Self::AfterSave | Self::AfterDelete | Self::AfterLogin | Self::AfterLogout
        )
    }
}

/// What a hook about one object is given.
#[derive(Clone, Debug)]
pub struct Event {
    /// Which hook.
    pub kind: EventKind,
    /// The collection.
    pub collection: Arc<str>,
    /// Its schema, as far as it is known.
    pub schema: Option<Arc<Collection>>,
    /// The object before the write, if it existed.
    pub original: Option<Arc<Record>>,
    /// The object as it would be (before) or is (after).
    pub object: Arc<Record>,
    /// What the hooks of this operation hand to each other, beginning with what the client sent.
    pub context: Map,
}

/// What a before-hook made of an event that it did not refuse.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The object that takes the place of the one that was asked for; `None` leaves it.
    pub object: Option<NewObject>,
    /// The context for the hooks that follow; `None` leaves it.
    pub context: Option<Map>,
}

/// A whole object as a hook wants it. A field that is not in it and that the caller set is not
/// written; fields that only the stored object has stay.
#[derive(Debug, Default)]
pub struct NewObject {
    /// Values and operations, one or more a field.
    pub changes: Vec<FieldChange>,
    /// New permissions; `None` leaves those that were asked for.
    pub acl: Option<Acl>,
}

/// What a hook after a find or get is given.
#[derive(Debug)]
pub struct Found<'a> {
    /// The collection.
    pub collection: &'a Arc<str>,
    /// Its schema as the caller sees it.
    pub schema: Option<Arc<Collection>>,
    /// The query in the words of the adapter that asked it, if it keeps them.
    pub asked: Option<&'a Value>,
    /// Whether it was a get.
    pub is_get: bool,
    /// The objects, which the hook may change, remove and add to.
    pub records: &'a mut Vec<Record>,
}

/// Code that runs around the engine's operations; implemented by `functions`, wired by `server`.
pub trait Hooks: Send + Sync {
    /// Whether anything listens, so that the engine can skip the work. Called several times an
    /// operation: it must cost next to nothing.
    fn wants(&self, kind: EventKind, collection: &str) -> bool;

    /// Runs a before-hook. An error refuses the operation.
    fn before<'a>(&'a self, call: &'a Call, event: Event) -> BoxFuture<'a, Result<Verdict>>;

    /// Whether an after-hook must not be lost: [`Self::promise`] takes the place of
    /// [`Self::after`] then. As cheap as [`Self::wants`].
    fn promises(&self, kind: EventKind, collection: &str) -> bool {
        let _ = (kind, collection);
        false
    }

    /// What has to be written in the same transaction as the object, so that the after-hook is
    /// not lost. `event` holds the object as it will be after the commit, but for its revision.
    /// An error refuses the write.
    fn promise<'a>(&'a self, call: &'a Call, event: Event) -> BoxFuture<'a, Result<Vec<Write>>> {
        let _ = (call, event);
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Runs an after-hook; its failure is logged and changes nothing.
    fn after<'a>(&'a self, call: &'a Call, event: Event) -> BoxFuture<'a, ()>;

    /// Every object of the collection was deleted without after-hooks.
    fn purged<'a>(&'a self, collection: &'a str) -> BoxFuture<'a, ()> {
        let _ = collection;
        Box::pin(async {})
    }

    /// Runs before-find.
    fn before_find<'a>(
        &'a self,
        call: &'a Call,
        query: &'a mut ObjectQuery,
    ) -> BoxFuture<'a, Result<()>>;

    /// Runs before-subscribe, which may change the query or refuse it.
    fn before_subscribe<'a>(
        &'a self,
        call: &'a Call,
        query: &'a mut ObjectQuery,
    ) -> BoxFuture<'a, Result<()>> {
        let _ = (call, query);
        Box::pin(async { Ok(()) })
    }

    /// Runs after-find.
    fn after_find<'a>(&'a self, call: &'a Call, found: Found<'a>) -> BoxFuture<'a, Result<()>>;
}

/// Hooks of an app without any code.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {
    fn wants(&self, _: EventKind, _: &str) -> bool {
        false
    }

    fn before<'a>(&'a self, _: &'a Call, _: Event) -> BoxFuture<'a, Result<Verdict>> {
        Box::pin(async { Ok(Verdict::default()) })
    }

    fn after<'a>(&'a self, _: &'a Call, _: Event) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }

    fn before_find<'a>(&'a self, _: &'a Call, _: &'a mut ObjectQuery) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn after_find<'a>(&'a self, _: &'a Call, _: Found<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }
}
