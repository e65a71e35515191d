//! From the query model to SQL.
//!
//! Values are always bound, and names come from catalogue ids only. Every test is pushed exactly,
//! or as a superset that the evaluator checks again, or is left to the evaluator.

mod binds;
mod filter;
mod geo;
mod json;
mod plan;
mod scalar;
mod sort;

pub(crate) use geo::indexed as geo_expression;
pub(crate) use plan::{Plan, plan};
