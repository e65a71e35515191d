//! Objects as rows: columns to values and back.

mod acl;
mod jsonb;
mod read;
mod write;

pub(crate) use acl::allows as acl_text_allows;
pub(crate) use read::{record, value};
pub(crate) use write::{bind_field, bind_record, bind_update_head, extras};

pub(crate) use basalt_store::columns::{null_key, same};
