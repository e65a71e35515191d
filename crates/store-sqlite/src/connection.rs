//! Opening connections: flags, pragmas, functions.

use crate::control::{Control, STEPS_PER_LOOK};
use crate::error::Typed;
use crate::functions::{self, SharedSlots};
use crate::options::{Options, Synchronous};
use crate::reads::Held;
use basalt_base::{Error, Reason, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A connection with what its statements use besides SQL.
pub(crate) struct Session {
    pub(crate) conn: Connection,
    pub(crate) control: Arc<Control>,
    pub(crate) slots: SharedSlots,
    /// The read transaction that is kept open for the next read of the same state.
    pub(crate) held: RefCell<Option<Held>>,
}

/// Opens the only connection of an app that writes, making the file when there is none.
pub(crate) fn open_writer(path: &Path, options: &Options) -> Result<Session> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).typed()?;
    conn.busy_timeout(Duration::from_secs(5)).typed()?;
    settle_log(&conn)?;
    let synchronous = match options.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    // Automatic checkpoints would run inside a commit; ours run on another connection.
    conn.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
         PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = {};
         PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF;
         PRAGMA analysis_limit = 400; PRAGMA cache_size = -{};",
        options.wal_checkpoint_bytes, options.writer_cache_kib,
    ))
    .typed()?;
    conn.set_prepared_statement_cache_capacity(256);
    session(conn, options, false)
}

/// Moves what an earlier writer left in the write-ahead log into the database file, before
/// anything is appended behind it.
///
/// After an fsync that failed, the kernel counts pages as written that are not on disk: the log
/// reads well from memory and has a hole below. Commits behind such a hole are lost in a power cut
/// however well they are synced. The checkpoint writes everything anew elsewhere and starts a new
/// log; as long as it does not succeed the store stays unavailable.
fn settle_log(conn: &Connection) -> Result<()> {
    let (busy, frames): (i64, i64) = conn
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .typed()?;
    if busy == 0 && frames <= 0 {
        return Ok(());
    }
    tracing::warn!(busy, frames, "the write-ahead log can't be emptied yet");
    Err(Error::new(
        Reason::StoreUnavailable,
        "The store can't write right now.",
    ))
}

/// Opens a connection that only checkpoints.
pub(crate) fn open_checkpointer(path: &Path, options: &Options) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).typed()?;
    let synchronous = match options.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    conn.execute_batch(&format!(
        "PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -64;"
    ))
    .typed()?;
    Ok(conn)
}

/// Opens a connection that reads.
pub(crate) fn open_reader(path: &Path, options: &Options) -> Result<Session> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).typed()?;
    conn.busy_timeout(Duration::from_secs(1)).typed()?;
    conn.execute_batch(&format!(
        "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;
         PRAGMA cache_size = -{}; PRAGMA mmap_size = {};",
        options.reader_cache_kib, options.mmap_bytes_max,
    ))
    .typed()?;
    conn.set_prepared_statement_cache_capacity(96);
    session(conn, options, true)
}

fn session(mut conn: Connection, options: &Options, limited: bool) -> Result<Session> {
    // Plans must not depend on parameters: with sampled statistics SQLite would prepare a cached
    // statement again for each new value, which costs more than a short read.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .typed()?;
    let control = Arc::new(Control::new(options.clock.clone()));
    let slots = SharedSlots::default();
    functions::register(&conn, &slots).typed()?;
    if limited {
        // Never on the writer: an interrupted write rolls back the whole group.
        let looked_at = control.clone();
        conn.progress_handler(STEPS_PER_LOOK, Some(move || looked_at.look()))
            .typed()?;
    }
    Ok(Session {
        conn,
        control,
        slots,
        held: RefCell::default(),
    })
}
