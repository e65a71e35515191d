//! One function per operation: decode, one engine call, encode.

pub mod aggregate;
pub mod batch;
pub mod config;
pub mod functions;
pub mod hooks;
mod idempotency;
pub mod installations;
pub mod jobs;
pub mod objects;
pub mod schemas;
pub mod server;
pub mod sessions;
pub mod users;
