//! Identity inside the engine, on the embedded store, under a clock that the tests move.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod passwords;
mod roles;
mod sessions;
mod support;
mod users;
