//! Tests of the embedded store.

mod conformance;
mod support;

mod files;
mod records;
