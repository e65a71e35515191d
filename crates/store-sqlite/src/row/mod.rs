//! Objects as rows: columns to values and back.

mod acl;
mod read;
mod write;

pub(crate) use acl::allows as acl_text_allows;
pub(crate) use read::{Selection, record, value};
pub(crate) use write::{bind_field, bind_record, bind_update_head, extras, same, sub_millis};

/// Between the name and the URL of a file in its column.
const FILE_SEPARATOR: char = '\u{1f}';
