//! The REST protocol through its front door, in one process on a fresh store.

#![expect(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test may panic, and its length is its table"
)]

mod batches;
mod config;
mod errors;
mod jobs;
mod limits;
mod objects;
mod properties;
mod queries;
mod receiver;
mod routes;
mod schemas;
mod siblings;
mod support;
mod transport;
mod users;
mod webhooks;
