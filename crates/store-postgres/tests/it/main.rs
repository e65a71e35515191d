//! Tests of the store of several nodes, on the server that `BASALT_TEST_POSTGRES_URL` names.

#![expect(clippy::unwrap_used, reason = "a failed step of a test fails the test")]

mod conformance;
mod faults;
mod indexes;
mod locks;
mod nodes;
mod queries;
mod standby;
mod support;
mod upgrade;
