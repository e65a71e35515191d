//! The writer's thread: opening, waiting, and opening anew after a failure.

use super::batch::{State, Tx};
use super::group::Trust;
use super::housekeeping::Pace;
use super::{Message, Outcomes};
use crate::connection::{Session, open_writer};
use crate::error::io;
use crate::lease::{self, LeaseCall};
use crate::schema::{Schema, load, migrate};
use crate::shared::Shared;
use basalt_base::{Error, Monotonic, Reason, Result};
use basalt_store::WriteBatch;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use rusqlite::hooks::Wal;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Where requests to the writer go in.
#[derive(Clone)]
pub(crate) struct Inbox(Sender<Message>);

impl Inbox {
    /// Asks for writes; `Overloaded` when too many wait.
    pub(crate) async fn write(&self, batches: Vec<WriteBatch>) -> Result<Outcomes> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Write(batches, reply))?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Asks for everything to be removed.
    pub(crate) async fn clear(&self) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Clear(reply))?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Asks for something about a lease.
    pub(crate) async fn lease(&self, call: LeaseCall) -> Result<Option<u64>> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Lease(call, reply))?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    fn send(&self, message: Message) -> Result<()> {
        self.0.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => Error::new(Reason::Overloaded, "Too many writes are waiting.")
                .with_retry_after(std::time::Duration::from_secs(1)),
            TrySendError::Disconnected(_) => unavailable(),
        })
    }
}

fn unavailable() -> Error {
    Error::new(Reason::StoreUnavailable, "The store can't write right now.")
}

/// A request that the writer dropped in a panic: it may have been committed.
fn gone() -> Error {
    Error::new(
        Reason::OutcomeUnknown,
        "The store failed during the write: it may or may not have happened.",
    )
}

/// The writer of an app.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) inbox: Receiver<Message>,
    /// Taken from the inbox and to be done next.
    pub(super) next: Option<Message>,
    /// As of the last commit.
    pub(super) state: State,
    /// Pages in the log when a checkpoint was last asked for.
    pub(super) wal_pages_asked: u64,
    /// Whether something that was dropped may still take space.
    pub(super) reclaiming: bool,
    /// When the last slice of idle work began.
    pub(super) sliced_at: Monotonic,
    /// How much a slice of idle work takes on.
    pub(super) pace: Pace,
}

/// Opens the app's file and starts its writer.
pub(crate) fn start(shared: &Arc<Shared>) -> Result<(Inbox, JoinHandle<()>)> {
    let (sender, inbox) = bounded(shared.common.options.write_queue_max.max(1));
    let (writer, session) = Writer::open(shared, inbox)?;
    let thread = std::thread::Builder::new()
        .name("store-write".to_owned())
        .spawn(move || writer.run(session))
        .map_err(io)?;
    Ok((Inbox(sender), thread))
}

fn open(shared: &Shared) -> Result<(Session, State)> {
    let mut session = open_writer(&shared.path, &shared.common.options)?;
    migrate::migrate(&mut session.conn, migrate::APP)?;
    if let Some(dir) = shared.path.parent() {
        crate::files::sync_dir(dir)?;
    }
    let stand = load::stand(&session.conn)?;
    let catalogue = load::catalogue(&session.conn)?;
    let state = State {
        schema: Arc::new(Schema::of(catalogue, None)),
        position: stand.position,
        log_total: super::log::total(&session.conn)?,
        task_number: super::tasks::last_number(&session.conn)?,
        views: HashSet::new(),
    };
    Ok((session, state))
}

/// A writer that a test drives itself.
#[cfg(test)]
pub(super) fn open_for_tests(shared: Arc<Shared>) -> (Writer, Session, Sender<Message>) {
    let (sender, inbox) = bounded(64);
    let (writer, session) = Writer::open(&shared, inbox).unwrap();
    (writer, session, sender)
}

impl Writer {
    fn open(shared: &Arc<Shared>, inbox: Receiver<Message>) -> Result<(Self, Session)> {
        let (session, state) = open(shared)?;
        let mut writer = Self {
            shared: shared.clone(),
            inbox,
            next: None,
            state: state.clone(),
            wal_pages_asked: 0,
            reclaiming: crate::schema::is_reclaim_pending(&session.conn)?,
            sliced_at: shared.common.options.clock.monotonic(),
            pace: Pace::new(),
        };
        shared.schema.store(state.schema.clone());
        writer.publish(state);
        Ok((writer, session))
    }

    fn run(mut self, session: Session) {
        let mut session = session;
        self.watch_log(&mut session);
        let mut session = Some(session);
        let mut quiet = 0;
        loop {
            let message = match self.next.take() {
                Some(message) => message,
                None => match self.wait(quiet) {
                    Ok(message) => message,
                    Err(RecvTimeoutError::Timeout) => {
                        quiet += 1;
                        self.guarded(&mut session, |writer, session| writer.idle(session, quiet));
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                },
            };
            quiet = 0;
            if session.is_none() {
                session = self.reopen();
            }
            if session.is_none() {
                refuse(message);
                continue;
            }
            self.guarded(&mut session, |writer, session| writer.act(session, message));
            self.guarded(&mut session, Self::slice_between);
        }
        if let Some(session) = &session {
            super::housekeeping::finish(session);
        }
        // The last connection to close moves the log into the file and removes it.
        self.shared.pool.close();
        self.shared.close_checkpointer();
    }

    fn wait(&self, quiet: u32) -> Result<Message, RecvTimeoutError> {
        match super::housekeeping::pause(quiet) {
            Some(pause) => self.inbox.recv_timeout(pause),
            None => self
                .inbox
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// Runs work on the connection; after a panic or a lost commit the connection is given up, and
    /// the next work opens the store through recovery.
    fn guarded(
        &mut self,
        session: &mut Option<Session>,
        work: impl FnOnce(&mut Self, &Session) -> Trust,
    ) {
        let Some(open) = session.as_ref() else { return };
        let trust = catch_unwind(AssertUnwindSafe(|| work(self, open))).unwrap_or_else(|_| {
            tracing::error!("the writer panicked; its store is opened anew");
            Trust::Lost
        });
        if trust == Trust::Lost {
            *session = None;
            *session = self.reopen();
        }
    }

    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method's path holds for one lifetime only"
    )]
    fn act(&mut self, session: &Session, message: Message) -> Trust {
        let trust = match message {
            Message::Write(batches, reply) => self.group(session, batches, reply),
            Message::Lease(call, reply) => self.alone(session, reply, |tx| {
                tx.dirty = true;
                lease::apply(tx.conn(), tx.now, &call)
            }),
            Message::Clear(reply) => self.alone(session, reply, |tx| tx.clear()),
        };
        if trust == Trust::Kept {
            self.tend_log(session);
        }
        trust
    }

    /// Does work in a transaction of its own.
    fn alone<T>(
        &mut self,
        session: &Session,
        reply: oneshot::Sender<Result<T>>,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T>,
    ) -> Trust {
        let mut tx = self.transaction(session);
        let done = tx.execute("BEGIN IMMEDIATE").and_then(|()| work(&mut tx));
        let result = match done {
            Ok(done) => self.commit(tx, 1).map(|()| done),
            Err(error) => Err((crate::error::CommitFailure::NotDone, error)),
        };
        let trust = match &result {
            Err((crate::error::CommitFailure::Unknown, _)) => Trust::Lost,
            _ => Trust::Kept,
        };
        if result.is_err() {
            let _ = session.conn.execute_batch("ROLLBACK");
        }
        let _ = reply.send(result.map_err(|(_, error)| error));
        trust
    }

    /// Closes every connection of the app, so that the next one to open recovers from the log.
    pub(super) fn reopen(&mut self) -> Option<Session> {
        if !self.shared.pool.close() {
            tracing::warn!("a long read keeps the store from recovering");
        }
        self.shared.close_checkpointer();
        let opened = open(&self.shared);
        self.shared.pool.reopen();
        match opened {
            Ok((mut session, state)) => {
                self.shared.schema.store(state.schema.clone());
                self.publish(state);
                self.watch_log(&mut session);
                Some(session)
            }
            Err(error) => {
                tracing::error!(?error, "the store can't be opened");
                None
            }
        }
    }

    fn watch_log(&mut self, session: &mut Session) {
        self.wal_pages_asked = 0;
        let shared = self.shared.clone();
        let watched = session.conn.wal_hook(Some(move |_: &mut Wal, pages| {
            let pages = u64::try_from(pages).unwrap_or(0);
            shared.wal_pages.store(pages, Relaxed);
            Ok(())
        }));
        if let Err(error) = watched {
            tracing::warn!(?error, "the write-ahead log can't be watched");
        }
    }

    /// Pages in the write-ahead log after the last commit.
    pub(super) fn wal_pages(&self) -> u64 {
        self.shared.wal_pages.load(Relaxed)
    }

    /// The log was emptied.
    pub(super) fn wal_emptied(&mut self) {
        self.wal_pages_asked = 0;
        self.shared.wal_pages.store(0, Relaxed);
    }
}

fn refuse(message: Message) {
    match message {
        Message::Write(_, reply) => drop(reply.send(Err(unavailable()))),
        Message::Lease(_, reply) => drop(reply.send(Err(unavailable()))),
        Message::Clear(reply) => drop(reply.send(Err(unavailable()))),
    }
}
