//! The queue engine: its decisions under a seeded simulator, its workers on a real store.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on fails"
)]

mod jobs;
mod memory;
mod nodes;
mod patience;
mod plans;
mod runs;
mod simulator;
mod workers;
