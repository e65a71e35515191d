//! Live queries: who is told of which change.
//!
//! One task an open app ([`Live`]) follows the app's change feed and looks each change up among
//! the subscriptions: by collection, by a value that the filter asks for, then by the filter
//! itself, which is evaluated once for all subscriptions that share it. What a caller may see of
//! the object before and after decides which event it is; callers to whom objects look the same
//! share one encoded event. Rights are looked at again whenever a change may have altered them.
//!
//! Each client has an [`Outbox`], bounded in messages and bytes: who does not keep up is cut off
//! and told to start over, and costs the others nothing.
//!
//! What it must never know: HTTP, sockets, how an adapter writes events ([`Encode`]), sessions and
//! roles ([`Rights`]).

mod bucket;
mod catch_up;
mod client;
mod dispatch;
mod engine;
mod key;
mod options;
mod outbox;
mod registry;
mod seat;
mod stats;

/// The change feed that the engine follows.
pub use basalt_feed::{Feed, FeedOptions};
pub use client::{Client, From, Subscribe};
pub use engine::{Encode, Happened, Happening, Live, LiveDeps};
pub use options::Options;
pub use outbox::{Cut, Delivery, Outbox};
pub use seat::{Affected, Rights, Standing, Who};
pub use stats::StatsView;
