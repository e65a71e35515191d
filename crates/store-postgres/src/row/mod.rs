//! Objects as rows: columns to values and back.
//!
//! Values travel in PostgreSQL's binary forms, made and read here: no text in between.

mod acl;
mod json;
mod number;
mod param;
mod read;
mod write;

pub(crate) use number::Number;
pub(crate) use param::Param;
pub(crate) use read::{record, value};
pub(crate) use write::{extras, head_params, push_field};

pub(crate) use acl::principals;
pub(crate) use basalt_store::columns::{null_key, same};
