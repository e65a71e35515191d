//! From the query model to SQL.

mod binds;
mod filter;
mod plan;
mod sort;

pub(crate) use plan::{Plan, plan};
