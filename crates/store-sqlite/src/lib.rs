//! The embedded store: one SQLite file per app, written by one thread with group commit.
//!
//! ```text
//! DATA_DIR/lock                      held while a server uses the directory
//! DATA_DIR/system.db                 the registry of apps
//! DATA_DIR/apps/<store id>/data.db   one app: catalogue, collections, change log
//! ```
//!
//! Physical names are made from catalogue ids: table `t12`, columns `c7` (or `c7_lat` and `c7_lng`),
//! index `i3`, R*Tree `g7`. A view with readable names stands beside each table for people and
//! tools. A NULL column is a missing value or an explicit null; the names of the explicit nulls are
//! in `_x`.
//!
//! Reads run inside the async task on a pooled connection for as long as they stay under a step
//! budget, and start again on a bounded pool of threads when they pass it. Filters are pushed to
//! SQL exactly, or as a superset that [`basalt_store::eval`] checks again, or not at all.

mod app;
mod blocking;
mod connection;
mod control;
mod error;
mod files;
mod functions;
mod lease;
mod metrics;
mod options;
mod presence;
mod reads;
mod row;
mod schema;
mod shared;
mod sql;
mod store;
mod system;
mod verify;
mod writer;

pub use options::{Options, Synchronous};
pub use store::SqliteStore;
