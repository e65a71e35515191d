//! SQLite's errors as ours. The raw text goes to the log, never to the caller.

use basalt_base::{Error, Reason, Result};
use rusqlite::ErrorCode;
use std::time::Duration;

/// The typed error for a failure of SQLite.
pub(crate) fn sqlite(error: rusqlite::Error) -> Error {
    let reason = match &error {
        rusqlite::Error::SqliteFailure(e, _) => match e.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Reason::StoreCorrupt,
            ErrorCode::OperationInterrupted => Reason::Cancelled,
            ErrorCode::TooBig => Reason::ObjectTooLarge,
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SystemIoFailure
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
            | ErrorCode::FileLockingProtocolFailed => Reason::StoreUnavailable,
            _ => return Error::internal(error),
        },
        rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => {
            Reason::StoreCorrupt
        }
        rusqlite::Error::UserFunctionError(_) => return Error::internal(error),
        _ => return Error::internal(error),
    };
    let message = match reason {
        Reason::StoreCorrupt => "Stored data is damaged.",
        Reason::Cancelled => "The read was stopped.",
        Reason::ObjectTooLarge => "The object is too large to store.",
        _ => "The store can't serve right now.",
    };
    let typed = Error::new(reason, message).with_source(error);
    match reason {
        Reason::StoreUnavailable => typed.with_retry_after(Duration::from_secs(1)),
        _ => typed,
    }
}

/// The typed error for a failure of the file system.
pub(crate) fn io(error: std::io::Error) -> Error {
    Error::new(Reason::StoreUnavailable, "The store can't serve right now.").with_source(error)
}

/// A stored value that can't be what the catalogue says.
pub(crate) fn corrupt(what: impl Into<String>) -> Error {
    Error::new(Reason::StoreCorrupt, "Stored data is damaged.").with_source(what.into())
}

/// Turns SQLite's results into ours.
pub(crate) trait Typed<T> {
    /// Maps the error with [`sqlite`].
    fn typed(self) -> Result<T>;
}

impl<T> Typed<T> for rusqlite::Result<T> {
    fn typed(self) -> Result<T> {
        self.map_err(sqlite)
    }
}

/// What a failed commit means for those who wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommitFailure {
    /// Nothing was written.
    NotDone,
    /// The write may or may not have happened; the store has to go through recovery.
    Unknown,
}

/// Reads the failure of a COMMIT.
pub(crate) fn commit_failure(error: &rusqlite::Error) -> CommitFailure {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy) => CommitFailure::NotDone,
        _ => CommitFailure::Unknown,
    }
}
