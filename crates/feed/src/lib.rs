//! The change feed of an open app: what was committed, by this node or another, to whoever follows.
//!
//! [`Feed::over`] puts itself around an app's store. It learns of this node's commits as they happen,
//! and of others' by looking ([`basalt_store::AppStore::refresh`]): when somebody calls
//! [`Feed::wake`], and where the store is shared also about once a second, so that nothing depends on
//! being woken. Followers get every change once, in the order of commits, or are told that they
//! missed some.
//!
//! What it must never know: how nodes wake each other, and what changes mean.

mod feed;
mod ring;
mod signal;
mod subscription;
#[cfg(test)]
mod tests;
mod watched;

pub use feed::{Feed, FeedOptions, FeedView};
pub use signal::{Head, TaskNews};
pub use subscription::{Event, Subscription};
