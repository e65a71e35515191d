//! Servers behind a balancer, and what may happen to them.
//!
//! The whole topology lives in a network of its own: a bridge, and a namespace with a wire to it for
//! each member. Without the rights for that, everything runs on loopback, and there are no
//! partitions ([`Network::loopback`]).

mod bus;
mod database;
mod front;
mod network;
mod revocation;
mod topology;

pub use bus::Bus;
pub use database::Database;
pub use front::Front;
pub use network::Network;
pub use revocation::{Revocations, watch};
pub use topology::{Fault, Options, Topology};
