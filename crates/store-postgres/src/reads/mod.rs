//! Reading.

pub(crate) mod changes;
pub(crate) mod collect;
pub(crate) mod explain;
pub(crate) mod find;
mod rows;
mod run;
mod snapshot;
pub(crate) mod tasks;

pub(crate) use rows::Session;
pub(crate) use run::{Reading, View, now, refresh, stamped, unsettled};
pub(crate) use snapshot::open;
