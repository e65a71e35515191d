//! The shared halves of every store, and the conformance suite on a store that is nothing but them.

mod aggregate;
mod apply;
mod codec;
mod conformance;
mod eval;
mod lists;
mod memory;
mod pattern;
