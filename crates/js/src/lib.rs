//! The worker: JavaScript in a process that can do nothing but compute and talk to the server.
//!
//! [`worker`] is what the program does when the server starts it as a worker. It locks itself in,
//! loads one bundle into one isolate, and runs what it is asked to until its socket is closed.
//! Everything that code can do beyond computing is a call to the server ([`frame::Word::Call`]),
//! which decides whether it may.
//!
//! [`frame::Word::Call`]: basalt_sandbox::frame::Word::Call
//!
//! What it must never know: apps, keys, stores, the network.

mod glue;
mod isolate;
mod memory;
mod modules;
mod shared;
mod worker;

pub use worker::{serve, worker};
