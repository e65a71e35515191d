//! The store of several nodes: a PostgreSQL schema per app, any number of servers beside each
//! other, one of them writing at a time per app.
//!
//! ```text
//! basalt                     schema of the registry of apps
//! basalt_app_<store id>      schema of one app: catalogue, collections, change log
//! ```
//!
//! Physical names are made from catalogue ids: table `t12`, columns `c7` (or `c7_lat` and `c7_lng`),
//! index `i3`. A view with readable names stands beside each table for people and tools. A NULL
//! column is a missing value or an explicit null; the names of the explicit nulls are in `_x`.
//!
//! **Writing.** A group of batches is one transaction. Its first statement updates the app's row in
//! `basalt_state`, so that one group per app runs in the whole cluster; it returns the position and
//! the catalogue's version, and a node that planned for another version plans again. The rows that
//! the group may touch are fetched together, everything is decided in Rust on them
//! ([`basalt_store::apply`]), and what is left of it goes out in a few statements with the COMMIT
//! behind them.
//!
//! **Reading.** Each statement also returns the catalogue's version and the position, from its own
//! snapshot; when the version is not the one that the statement was made for, the catalogue is read
//! again and the statement made anew. So reads are exact on every node without any message between
//! them.

mod app;
mod builder;
mod error;
mod lease;
mod metrics;
mod net;
mod nodes;
mod options;
mod reads;
mod row;
mod schema;
mod shared;
mod sql;
mod store;
mod system;
mod text;
mod verify;
mod writer;

pub use options::Options;
pub use store::PostgresStore;
