//! The REST protocol through its front door, in one process on a fresh store.

mod batches;
mod config;
mod errors;
mod objects;
mod properties;
mod queries;
mod schemas;
mod support;
mod transport;
mod users;
