//! Tests of the embedded store.

#![expect(clippy::unwrap_used, reason = "a failed step of a test fails the test")]

mod conformance;
mod support;

mod files;
mod reads;
mod records;
mod views;
mod writes;
