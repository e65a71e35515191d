//! From the query model to SQL.
//!
//! Values are always bound, and names come from catalogue ids only. Every test is pushed exactly,
//! or as a superset that the evaluator checks again, or is left to the evaluator.

mod binds;
mod condition;
mod filter;
mod geo;
mod json;
mod plan;
mod ring;
mod scalar;
mod sort;

pub(crate) use plan::{Plan, plan};
pub(crate) use ring::narrowed;
