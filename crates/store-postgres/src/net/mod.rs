//! Connections to the server.

mod conn;
mod lanes;
mod pool;
mod target;
mod tls;

pub(crate) use conn::{Conn, Params, in_order, refs};
pub(crate) use lanes::Lanes;
pub(crate) use pool::{Lease, Pool};
pub(crate) use target::{Role, Target, schema_of};
