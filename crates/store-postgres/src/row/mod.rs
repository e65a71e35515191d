//! Objects as rows: columns to values and back.
//!
//! Values travel in PostgreSQL's binary forms, made and read here: no text in between.

mod acl;
mod json;
mod number;
mod param;
mod read;
mod write;

pub(crate) use json::encode as json_text;
pub(crate) use number::Number;
pub(crate) use param::{Param, types};
pub(crate) use read::{int, record, value};
pub(crate) use write::{extras, field_params, head_params, push_field};

pub(crate) use acl::{encode as acl_param, principals};
pub(crate) use basalt_store::columns::{null_key, same};
