//! Group commit: what waits is applied in one transaction and answered after its COMMIT.

use super::batch::{Failure, Recent, State, Tx};
use super::log;
use super::tasks::{self, Tally};
use super::thread::Writer;
use super::{Message, Outcomes};
use crate::connection::Session;
use crate::error::{CommitFailure, commit_failure, sqlite};
use crate::metrics::Counters;
use crate::schema::refresh_views;
use basalt_base::{Error, Reason, Result};
use basalt_store::WriteBatch;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use tokio::sync::oneshot;

/// Most times that a group is started over because of one of its batches.
const RESTARTS_MAX: usize = 16;

/// A request of the group.
struct Request {
    batches: Vec<WriteBatch>,
    reply: oneshot::Sender<Result<Outcomes>>,
}

/// A batch by the numbers of its request and of itself in that.
type Place = (usize, usize);

/// How an attempt to commit the group ended.
enum Attempt {
    Committed(Vec<Outcomes>),
    /// That batch cost the group its transaction.
    LostBy(Place, Error),
    /// Nothing was written.
    NotDone(Error),
    /// It may or may not be written; the store has to be opened anew.
    Unknown(Error),
}

impl Writer {
    /// Runs a group that starts with this request.
    pub(super) fn group(
        &mut self,
        session: &Session,
        batches: Vec<WriteBatch>,
        reply: oneshot::Sender<Result<Outcomes>>,
    ) -> Trust {
        let mut requests = vec![Request { batches, reply }];
        let mut failed: HashMap<Place, (Reason, String)> = HashMap::new();
        let mut carefully = false;
        for restart in 0.. {
            let attempt = self.attempt(session, &mut requests, &failed, carefully, restart == 0);
            if !matches!(attempt, Attempt::Committed(_)) {
                let _ = session.conn.execute_batch("ROLLBACK");
            }
            match attempt {
                Attempt::Committed(outcomes) => {
                    for (request, outcome) in requests.into_iter().zip(outcomes) {
                        // Nobody may be waiting any more; the writes stay.
                        let _ = request.reply.send(Ok(outcome));
                    }
                    return Trust::Kept;
                }
                Attempt::LostBy(place, error) if restart < RESTARTS_MAX => {
                    tracing::warn!(?error, carefully, "a write group is started over");
                    if carefully {
                        failed.insert(place, (error.reason(), error.message().to_owned()));
                    }
                    carefully = true;
                }
                Attempt::LostBy(_, error) | Attempt::NotDone(error) => {
                    tracing::error!(?error, "a write group failed and was not written");
                    Counters::count(&self.shared.common.counters.commits_failed);
                    refuse(
                        requests,
                        Reason::StoreUnavailable,
                        "The store can't write right now.",
                    );
                    return Trust::Kept;
                }
                Attempt::Unknown(error) => {
                    tracing::error!(?error, "a commit failed: its outcome is unknown");
                    Counters::count(&self.shared.common.counters.commits_failed);
                    refuse(
                        requests,
                        Reason::OutcomeUnknown,
                        "The store failed during commit: the write may or may not have happened.",
                    );
                    return Trust::Lost;
                }
            }
        }
        Trust::Lost
    }

    fn attempt(
        &mut self,
        session: &Session,
        requests: &mut Vec<Request>,
        failed: &HashMap<Place, (Reason, String)>,
        carefully: bool,
        grow: bool,
    ) -> Attempt {
        let mut tx = self.transaction(session);
        if let Err(error) = tx.execute("BEGIN IMMEDIATE") {
            return Attempt::NotDone(error);
        }
        let mut outcomes: Vec<Outcomes> = Vec::new();
        let mut batches = 0;
        let mut at = 0;
        loop {
            if at == requests.len() && !(grow && self.take_waiting(requests, batches)) {
                break;
            }
            let mut results = Vec::with_capacity(requests[at].batches.len());
            for (i, batch) in requests[at].batches.iter().enumerate() {
                if let Some((reason, message)) = failed.get(&(at, i)) {
                    results.push(Err(Error::new(*reason, message.clone())));
                    continue;
                }
                match tx.batch(batch, carefully) {
                    Ok(written) => results.push(Ok(written)),
                    Err(Failure::Refused(error)) => results.push(Err(error)),
                    Err(Failure::Lost(error)) => return Attempt::LostBy((at, i), error),
                }
            }
            batches += results.len();
            outcomes.push(results);
            at += 1;
        }
        match self.commit(tx, batches) {
            Ok(()) => Attempt::Committed(outcomes),
            Err((CommitFailure::NotDone, error)) => Attempt::NotDone(error),
            Err((CommitFailure::Unknown, error)) => Attempt::Unknown(error),
        }
    }

    /// Takes one more waiting request into the group; never waits for one.
    fn take_waiting(&mut self, requests: &mut Vec<Request>, batches: usize) -> bool {
        if batches >= self.shared.common.options.group_batches_max || self.next.is_some() {
            return false;
        }
        match self.inbox.try_recv() {
            Ok(Message::Write(batches, reply)) => {
                requests.push(Request { batches, reply });
                true
            }
            Ok(other) => {
                self.next = Some(other);
                false
            }
            Err(_) => false,
        }
    }

    pub(super) fn transaction<'a>(&self, session: &'a Session) -> Tx<'a> {
        let now = self.shared.common.options.clock.now();
        Tx {
            session,
            state: self.state.clone(),
            now,
            now_ms: now.millis(),
            record_bytes_max: self.shared.common.options.record_bytes_max,
            dirty: false,
            common: self.shared.common.clone(),
            tally: Tally::default(),
            inserts: Recent::default(),
            appends: Recent::default(),
        }
    }

    /// Commits and publishes the new state.
    pub(super) fn commit(
        &mut self,
        mut tx: Tx<'_>,
        batches: usize,
    ) -> Result<(), (CommitFailure, Error)> {
        let shared = self.shared.clone();
        let not_done = |error| (CommitFailure::NotDone, error);
        let views = std::mem::take(&mut tx.state.views);
        if !views.is_empty() {
            refresh_views(tx.conn(), &tx.state.schema, &views).map_err(not_done)?;
        }
        let added = tx.state.position - self.state.position;
        if added > 0 {
            // Twice what came in: the log shrinks towards its limits without commits of its own.
            let (options, total) = (&shared.common.options, tx.state.log_total);
            log::purge(tx.conn(), options, tx.now_ms, total, 2 * added + 16).map_err(not_done)?;
        }
        tasks::settle(&mut tx, self.state.task_number).map_err(not_done)?;
        let committed = tx
            .conn()
            .prepare_cached("COMMIT")
            .and_then(|mut statement| statement.raw_execute());
        match committed {
            Ok(_) => {
                self.publish(tx.state);
                tx.tally.tell(&shared);
                shared.common.counters.commits.fetch_add(1, Relaxed);
                let batches = batches as u64;
                shared.common.counters.batches.fetch_add(batches, Relaxed);
                Ok(())
            }
            Err(error) => Err((commit_failure(&error), sqlite(error))),
        }
    }

    /// Makes a committed state the one that reads start from.
    pub(super) fn publish(&mut self, state: State) {
        if !Arc::ptr_eq(&state.schema, &self.state.schema) {
            self.shared.schema.store(state.schema.clone());
            self.reclaiming = true;
        }
        self.shared.position.store(state.position, SeqCst);
        self.shared.pool.publish();
        self.state = state;
    }
}

/// Whether the writer may go on with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Kept,
    Lost,
}

fn refuse(requests: Vec<Request>, reason: Reason, message: &'static str) {
    for request in requests {
        let _ = request.reply.send(Err(Error::new(reason, message)));
    }
}
