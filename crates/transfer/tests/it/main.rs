//! Exports and imports between real stores.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod broken;
mod hostile;
mod round_trip;
mod support;
