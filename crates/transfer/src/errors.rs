//! Errors of files.

use basalt_base::{Error, Reason};
use std::path::Path;

/// The file is not what it should be.
pub(crate) fn bad_file(what: impl std::fmt::Display) -> Error {
    Error::new(
        Reason::InvalidValue,
        format!("The file can't be used: {what}."),
    )
}

/// The file was made by a newer version of this program.
pub(crate) fn newer(version: i64) -> Error {
    Error::new(
        Reason::StoreVersion,
        format!(
            "The file has format version {version}; this program reads up to version {}. Use a newer program.",
            crate::VERSION
        ),
    )
}

/// The state of the app or the file forbids it.
pub(crate) fn refused(message: impl Into<String>) -> Error {
    Error::new(Reason::PreconditionFailed, message.into())
}

/// The operating system refused.
pub(crate) fn io(path: &Path, error: std::io::Error) -> Error {
    let message = format!("{}: {error}.", path.display());
    Error::new(Reason::InvalidValue, message).with_source(error)
}
