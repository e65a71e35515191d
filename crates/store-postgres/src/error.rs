//! PostgreSQL's errors as ours. The raw text goes to the log, never to the caller.

use basalt_base::{Error, Reason, Result};
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// The typed error for a failure of PostgreSQL.
pub(crate) fn postgres(error: tokio_postgres::Error) -> Error {
    let reason = match error.code() {
        None if is_unsendable(&error) => Reason::ObjectTooLarge,
        None => Reason::StoreUnavailable,
        Some(code) => reason(code),
    };
    let message = match reason {
        Reason::Internal => return Error::internal(error),
        Reason::StoreCorrupt => "Stored data is damaged.",
        Reason::Timeout => "The query ran past its time limit.",
        Reason::ObjectTooLarge => "The object is too large to store.",
        _ => "The store can't serve right now.",
    };
    let typed = Error::new(reason, message).with_source(error);
    match reason {
        Reason::StoreUnavailable => typed.with_retry_after(Duration::from_secs(1)),
        _ => typed,
    }
}

/// The reason that [`postgres`] gives.
pub(crate) fn postgres_reason(error: &tokio_postgres::Error) -> Reason {
    error.code().map_or(Reason::StoreUnavailable, reason)
}

/// What a SQLSTATE means; the first two characters are its class.
fn reason(code: &SqlState) -> Reason {
    if *code == SqlState::QUERY_CANCELED {
        return Reason::Timeout;
    }
    if *code == SqlState::PROGRAM_LIMIT_EXCEEDED {
        return Reason::ObjectTooLarge;
    }
    match code.code().get(..2) {
        // Connections, authorisation, conflicts, resources, objects in use, operators, the system.
        Some("08" | "25" | "28" | "3D" | "40" | "53" | "55" | "57" | "58") => {
            Reason::StoreUnavailable
        }
        Some("XX") => Reason::StoreCorrupt,
        _ => Reason::Internal,
    }
}

/// Whether the transaction only lost against another one and may run again.
pub(crate) fn is_conflict(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else {
        return false;
    };
    *code == SqlState::T_R_SERIALIZATION_FAILURE
        || *code == SqlState::T_R_DEADLOCK_DETECTED
        || *code == SqlState::LOCK_NOT_AVAILABLE
}

/// Whether a statement was never sent because of what it says, such as a parameter of more than a GiB.
/// The driver tells of this by text alone.
pub(crate) fn is_unsendable(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    error.code().is_none()
        && (text.starts_with("error encoding message")
            || text.starts_with("error serializing parameter"))
}

/// Whether the connection broke, or the server is ending it: what only reads may run again on another.
/// The server says so before the socket closes, so a closed connection is not the only sign.
pub(crate) fn is_lost(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        None if is_unsendable(error) => false,
        None => error.is_closed() || std::error::Error::source(error).is_some(),
        Some(code) => matches!(code.code().get(..3), Some("57P" | "080")),
    }
}

/// The failure of the driver behind an error of ours.
pub(crate) fn driver(error: &Error) -> Option<&tokio_postgres::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

/// A stored value that can't be what the catalogue says.
pub(crate) fn corrupt(what: impl Into<String>) -> Error {
    Error::new(Reason::StoreCorrupt, "Stored data is damaged.").with_source(what.into())
}

/// Turns PostgreSQL's results into ours.
pub(crate) trait Typed<T> {
    /// Maps the error with [`postgres`].
    fn typed(self) -> Result<T>;
}

impl<T> Typed<T> for std::result::Result<T, tokio_postgres::Error> {
    fn typed(self) -> Result<T> {
        self.map_err(postgres)
    }
}
