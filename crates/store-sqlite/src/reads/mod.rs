//! Reads.

pub(crate) mod changes;
pub(crate) mod collect;
pub(crate) mod explain;
pub(crate) mod find;
mod ids;
mod pool;
mod run;
mod snapshot;
pub(crate) mod tasks;

pub(crate) use pool::{Lease, Pool};
pub(crate) use run::{Held, View, deadline, run, run_long};
pub(crate) use snapshot::open as open_snapshot;
