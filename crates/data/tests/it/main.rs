//! Tests of the data engine on the embedded store.

#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails the test that called it"
)]

mod support;

mod aggregates;
mod batches;
mod hooks;
mod includes;
mod limits;
mod objects;
mod permissions;
mod protected;
mod queries;
mod relations;
mod schemas;
mod system;
