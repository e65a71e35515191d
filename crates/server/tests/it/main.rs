//! The whole server in one process, through its port.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on fails"
)]

mod admin;
mod cluster;
mod durable;
mod idle;
mod keys;
mod live;
mod live_nodes;
mod nats;
mod operate;
mod queues;
mod server;
mod shared;
mod socket;
