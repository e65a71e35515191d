//! Callers as the engine keeps them: their rights now, and what may change them.

use basalt_base::{BoxFuture, Result, Secret, Timestamp};
use basalt_data::{Call, Rank};
use basalt_store::Change;
use std::sync::Arc;

/// Who a subscription belongs to, as it was presented.
#[derive(Clone)]
pub struct Who {
    /// What the key allows.
    pub rank: Rank,
    /// The session's token.
    pub token: Option<Secret>,
}

impl Who {
    /// What tells callers apart: the same key means the same rights.
    pub(crate) fn key(&self) -> SeatKey {
        let token = self.token.as_ref();
        (
            self.rank as u8,
            token.map(|token| Box::from(token.expose())),
        )
    }
}

pub(crate) type SeatKey = (u8, Option<Box<str>>);

/// A caller's rights as they stand.
#[derive(Clone)]
pub struct Standing {
    /// The caller.
    pub call: Arc<Call>,
    /// When its session ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// Whose rights a change may alter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affected {
    /// Nobody's.
    Nobody,
    /// Those of the user with this id.
    User(Box<str>),
    /// Those of anybody.
    Everybody,
}

/// Tells what callers may do.
pub trait Rights: Send + Sync {
    /// The rights of a caller now. Errors: `InvalidSession` when its session is none (any more);
    /// others when it can't be said.
    fn resolve<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<Standing>>;

    /// Whose rights a change may alter. Called for every change in order, before those after it
    /// are told; what was remembered of these rights is to be forgotten.
    fn affected(&self, change: &Change) -> Affected;

    /// Anything may have changed.
    fn forget_all(&self);
}

/// A caller with subscriptions.
pub(crate) struct Seat {
    pub key: SeatKey,
    pub who: Arc<Who>,
    pub standing: Standing,
    /// Grows each time the rights are resolved.
    pub generation: u64,
    /// The rights may have changed since.
    pub is_stale: bool,
    /// Subscriptions and clients that hold it.
    pub users: usize,
}
