//! Tests of the embedded store.

mod support;

mod files;
mod records;
