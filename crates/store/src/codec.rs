//! The storage JSON: how nested values and change images are kept, the same in every store.
//!
//! Null, booleans, numbers, text, lists and maps are plain JSON. Everything else is a map of one
//! tagged key: `{"$t":millis}` or `{"$t":[seconds,nanos]}` a time, `{"$b":base64}` bytes,
//! `{"$r":[collection,id]}` a reference, `{"$g":[latitude,longitude]}` a geo point,
//! `{"$p":[[latitude,longitude]…]}` a polygon, `{"$f":[name,url or null]}` a file,
//! `{"$d":"digits"}` a decimal. A map that a store sorts keeps its order in `"$o":"2 0 1"` beside its
//! keys. A user's key that starts with `$` gets one more `$` in front.
//! Whole numbers stay exact; doubles are written in their shortest form that reads back the same.

mod parse;
mod record;
mod write;

pub use parse::{Entries, decode};
pub use record::{decode_record, encode_portable, encode_record, portable_record};
pub use write::{encode, encode_for_sorting, encode_to_string};

/// How deep a stored value may nest. Far above what adapters let in, and shallow enough that
/// damaged data can't exhaust the stack.
pub const DEPTH_MAX: usize = 512;

/// How deep the value of a field may nest: what tags add to a value, and images of whole objects
/// around it, stay within [`DEPTH_MAX`].
pub const FIELD_DEPTH_MAX: usize = DEPTH_MAX - 8;

pub(crate) fn corrupt(what: &str) -> basalt_base::Error {
    basalt_base::Error::new(
        basalt_base::Reason::StoreCorrupt,
        "A stored value can't be read.",
    )
    .with_source(what.to_owned())
}
