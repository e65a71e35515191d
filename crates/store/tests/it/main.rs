//! The shared halves of every store, and the conformance suite on a store that is nothing but them.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod aggregate;
mod apply;
mod codec;
mod conformance;
mod eval;
mod memory;
mod pattern;
