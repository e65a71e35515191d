//! Moving an app between stores: one file that holds all of it, written by [`export`] and read by
//! [`import`].
//!
//! The file is a sequence of lines of storage JSON ([`basalt_store::codec`]), grouped into chunks
//! that are chained by their hashes; `docs/export.md` describes it. Both directions hold one chunk in
//! memory, whatever the app's size, and can go on after they were broken off: an export with the
//! chunks that the file holds, an import with the objects that the target holds.
//!
//! What it must never know: which store it reads or writes, and what collections mean.

mod canonical;
mod chunks;
mod digest;
mod errors;
mod export;
mod format;
mod import;
mod inspect;
mod lines;
mod target;
mod values;
mod walk;

pub use digest::{Sum, Totals};
pub use export::{Export, export};
pub use format::{Header, VERSION};
pub use import::{Import, Imported, import};
pub use inspect::{Inspected, inspect};
pub use target::{is_importing, portable_settings, without_marker};

use std::sync::Arc;

/// Something to tell the person who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A file that is already there holds this many objects, which are not read or written again.
    Resumed(u64),
    /// So many objects of all are done.
    Objects {
        /// Done, those of an earlier run included.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// Everything is written; now it is read back and compared.
    Comparing,
}

/// Is told how far the work is, often.
pub type Report = Arc<dyn Fn(Progress) + Send + Sync>;
