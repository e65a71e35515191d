//! The engine over a real store.

#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails the test that called it"
)]

mod exact;
mod model;
mod outboxes;
mod world;
