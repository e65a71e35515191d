//! The group's transaction as Rust sees it: the rows that it looked at, and what became of them.
//!
//! Nothing goes to the database before the group is done, or before a step needs SQL to see what
//! the group did so far. So a refused batch is undone in memory, without savepoints.

use super::keys::Keys;
use super::tasks::Tally;
use crate::net::Conn;
use crate::reads::{Session, find};
use crate::schema::{Layout, Schema};
use crate::shared::Shared;
use basalt_base::{Result, Timestamp};
use basalt_store::{ChangeKind, CollectionId, Record};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// An object and the number of its row.
pub(super) type Held = Option<(i64, Arc<Record>)>;

/// An object that the group looked at.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// As the transaction's tables have it.
    pub(super) stored: Held,
    /// As the group left it so far.
    pub(super) current: Held,
}

/// A row of the change log to be written.
pub(super) struct Pending {
    pub(super) position: u64,
    pub(super) total: u64,
    pub(super) at: Timestamp,
    pub(super) kind: ChangeKind,
    pub(super) collection: Arc<str>,
    pub(super) collection_id: CollectionId,
    pub(super) id: Box<str>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// Where the app stands within the transaction.
#[derive(Clone)]
pub(super) struct State {
    pub(super) schema: Arc<Schema>,
    pub(super) position: u64,
    pub(super) next_id: u32,
    /// Bytes of all changes so far.
    pub(super) log_total: u64,
    /// The last number given to a task or a lease.
    pub(super) task_number: u64,
    /// Collections whose view has to be made anew.
    pub(super) views: HashSet<CollectionId>,
}

/// How to take one change of the batch under way back.
pub(super) enum Undo {
    Row(CollectionId, Box<str>, Held),
    Key(super::keys::Key, Option<Box<str>>),
}

/// The group's transaction.
pub(super) struct Tx<'a> {
    pub(super) shared: &'a Shared,
    pub(super) conn: &'a Conn,
    pub(super) state: State,
    /// Bytes of all changes before the transaction.
    log_before: u64,
    pub(super) rows: HashMap<CollectionId, HashMap<Box<str>, Entry>>,
    pub(super) keys: Keys,
    pub(super) changes: Vec<Pending>,
    pub(super) undo: Vec<Undo>,
    pub(super) tally: Tally,
    /// Statements about tasks wrote something, or will.
    pub(super) dirty: bool,
    /// The batch under way changes the catalogue's tables.
    pub(super) altering: bool,
    /// How long a change of the catalogue's tables waits for a lock.
    pub(super) lock_wait: Duration,
    /// A batch that does not get its locks now is refused.
    pub(super) last_try: bool,
    /// A refused batch left something behind in SQL: only rolling everything back helps.
    pub(super) broken: bool,
    pub(super) now: Timestamp,
}

impl<'a> Tx<'a> {
    pub(super) fn new(shared: &'a Shared, conn: &'a Conn, state: State) -> Self {
        Self {
            shared,
            conn,
            log_before: state.log_total,
            state,
            rows: HashMap::new(),
            keys: Keys::default(),
            changes: Vec::new(),
            undo: Vec::new(),
            tally: Tally::default(),
            dirty: false,
            altering: false,
            lock_wait: shared.common.options.lock_time_max,
            last_try: true,
            broken: false,
            now: shared.common.options.clock.now(),
        }
    }

    /// Bytes of the changes so far.
    pub(super) fn change_bytes(&self) -> u64 {
        self.state.log_total.saturating_sub(self.log_before)
    }

    /// Reads within the transaction; sees what was flushed.
    pub(super) fn session(&self) -> Session<'a> {
        Session { conn: self.conn }
    }

    /// The object as the group left it.
    pub(super) async fn current(&mut self, layout: &Layout, id: &str) -> Result<Held> {
        let collection = layout.collection.id;
        if let Some(entry) = self.rows.get(&collection).and_then(|rows| rows.get(id)) {
            return Ok(entry.current.clone());
        }
        let found = find::by_id(&self.session(), layout, id).await?;
        let held = found.map(|(number, record)| (number, Arc::new(record)));
        self.learn(collection, id, held.clone());
        Ok(held)
    }

    /// Remembers what the tables hold.
    pub(super) fn learn(&mut self, collection: CollectionId, id: &str, held: Held) {
        let rows = self.rows.entry(collection).or_default();
        rows.entry(id.into()).or_insert_with(|| Entry {
            stored: held.clone(),
            current: held,
        });
    }

    /// Changes the object in memory.
    pub(super) fn set(&mut self, collection: CollectionId, id: &str, held: Held) {
        let entry = self
            .rows
            .get_mut(&collection)
            .and_then(|rows| rows.get_mut(id));
        if let Some(entry) = entry {
            let old = std::mem::replace(&mut entry.current, held);
            self.undo.push(Undo::Row(collection, id.into(), old));
        }
    }

    /// Takes everything back that was done since [`Tx::undo`] was last cleared.
    pub(super) fn roll_back(&mut self, state: State, changes: usize) {
        while let Some(step) = self.undo.pop() {
            match step {
                Undo::Row(collection, id, old) => {
                    if let Some(entry) = self.rows.get_mut(&collection).and_then(|r| r.get_mut(&id))
                    {
                        entry.current = old;
                    }
                }
                Undo::Key(key, old) => self.keys.put_back(key, old),
            }
        }
        self.state = state;
        self.changes.truncate(changes);
    }
}
