//! Objects as rows: columns to values and back.

mod acl;
mod read;
mod write;

pub(crate) use acl::allows as acl_text_allows;
pub(crate) use read::{record, value};
pub(crate) use write::{bind_field, bind_record, bind_update_head, extras, same};

/// Before a name that is no field's among the explicit nulls, where fields go by their ids.
const NULL_NAME: char = '.';

/// The key of a null under a name that is no field's; `None` when the name can't have one.
pub(crate) fn null_key(name: &str) -> Option<String> {
    basalt_store::keeps_null(name).then(|| format!("{NULL_NAME}{name}"))
}

/// Between the name and the URL of a file in its column.
const FILE_SEPARATOR: char = '\u{1f}';
