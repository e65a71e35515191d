//! The subscriptions to one collection, by what they ask for.

use crate::key::{Anchor, Key, anchor, keys_of};
use crate::outbox::Outbox;
use basalt_data::{ObjectQuery, Watch};
use basalt_store::{FieldRef, Filter, Path, Position, Record};
use std::collections::HashMap;
use std::sync::Arc;

/// What is asked for.
pub(crate) struct Asked {
    pub query: ObjectQuery,
    /// The fields of which an update has to change one.
    pub fields: Option<Vec<Path>>,
}

/// One subscription.
pub(crate) struct Sub {
    pub client: u64,
    pub number: u64,
    /// Changes up to here are not told.
    pub start: Position,
    pub outbox: Arc<Outbox>,
}

/// The subscriptions of one caller to one query.
pub(crate) struct Audience {
    /// The caller's seat.
    pub seat: usize,
    /// The generation of the seat that the watch was planned with.
    pub generation: u64,
    pub watch: Watch,
    pub subs: Vec<Sub>,
}

/// One query and everybody who asked it.
pub(crate) struct Query {
    text: Box<str>,
    anchor: Option<Anchor>,
    pub asked: Arc<Asked>,
    pub filter: Filter,
    pub audiences: Vec<Audience>,
}

/// The queries of one collection.
#[derive(Default)]
pub(crate) struct Bucket {
    queries: HashMap<u32, Query>,
    by_text: HashMap<Box<str>, u32>,
    anchored: Vec<(FieldRef, HashMap<Key, Vec<u32>>)>,
    rest: Vec<u32>,
    next: u32,
    /// The version of the collection that the watches were planned for.
    version: Option<u64>,
    /// Watches of several versions: all have to be planned again.
    is_mixed: bool,
}

/// What two subscriptions must have in common to share the evaluation of their filter.
fn text(asked: &Asked, filter: &Filter) -> Box<str> {
    let query = &asked.query;
    let text = format!(
        "{:?} {filter:?} {:?} {:?}",
        query.filter, query.keys, asked.fields
    );
    text.into()
}

impl Bucket {
    /// Whether nobody asks anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    /// Whether all watches were planned for this version of the collection.
    pub(crate) fn is_of(&self, version: Option<u64>) -> bool {
        !self.is_mixed && self.version == version
    }

    pub(crate) fn query(&self, id: u32) -> Option<&Query> {
        self.queries.get(&id)
    }

    pub(crate) fn query_mut(&mut self, id: u32) -> Option<&mut Query> {
        self.queries.get_mut(&id)
    }

    /// Every query, given away.
    pub(crate) fn take_all(&mut self) -> Vec<Query> {
        let bucket = std::mem::take(self);
        self.next = bucket.next;
        bucket.queries.into_values().collect()
    }

    /// The ids of the queries that an object might be meant by, before or after; each once.
    pub(crate) fn candidates(&self, before: Option<&Record>, after: Option<&Record>) -> Vec<u32> {
        let mut found = self.rest.clone();
        for (field, by_key) in &self.anchored {
            for record in [before, after].into_iter().flatten() {
                keys_of(record, field, &mut |key| {
                    found.extend(by_key.get(&key).into_iter().flatten());
                });
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Adds a subscription; the query that it belongs to.
    pub(crate) fn add(
        &mut self,
        asked: &Arc<Asked>,
        watch: Watch,
        seat: usize,
        generation: u64,
        sub: Sub,
    ) -> u32 {
        if self.queries.is_empty() {
            self.version = watch.version();
        }
        self.is_mixed |= self.version != watch.version();
        let text = text(asked, watch.filter());
        let id = match self.by_text.get(&text) {
            Some(id) => *id,
            None => self.add_query(text, asked, watch.filter()),
        };
        if let Some(query) = self.queries.get_mut(&id) {
            let audiences = &mut query.audiences;
            match audiences.iter_mut().find(|known| known.seat == seat) {
                Some(audience) => {
                    audience.watch = watch;
                    audience.generation = generation;
                    audience.subs.push(sub);
                }
                None => audiences.push(Audience {
                    seat,
                    generation,
                    watch,
                    subs: vec![sub],
                }),
            }
        }
        id
    }

    fn add_query(&mut self, text: Box<str>, asked: &Arc<Asked>, filter: &Filter) -> u32 {
        self.next = self.next.wrapping_add(1);
        let id = self.next;
        let anchor = anchor(filter);
        match &anchor {
            None => self.rest.push(id),
            Some((field, keys)) => {
                let at = self.anchored.iter().position(|(known, _)| known == field);
                let at = at.unwrap_or_else(|| {
                    self.anchored.push((field.clone(), HashMap::new()));
                    self.anchored.len() - 1
                });
                for key in keys {
                    self.anchored[at].1.entry(key.clone()).or_default().push(id);
                }
            }
        }
        self.by_text.insert(text.clone(), id);
        self.queries.insert(
            id,
            Query {
                text,
                anchor,
                asked: Arc::clone(asked),
                filter: filter.clone(),
                audiences: Vec::new(),
            },
        );
        id
    }

    /// Removes a subscription, and what nobody is left of.
    pub(crate) fn remove(&mut self, id: u32, seat: usize, client: u64, number: u64) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        let Some(at) = query.audiences.iter().position(|known| known.seat == seat) else {
            return;
        };
        let subs = &mut query.audiences[at].subs;
        let sub = subs
            .iter()
            .position(|sub| sub.client == client && sub.number == number);
        if let Some(sub) = sub {
            subs.swap_remove(sub);
        }
        if subs.is_empty() {
            query.audiences.swap_remove(at);
        }
        if query.audiences.is_empty() {
            self.remove_query(id);
        }
    }

    fn remove_query(&mut self, id: u32) {
        let Some(query) = self.queries.remove(&id) else {
            return;
        };
        self.by_text.remove(&query.text);
        let Some((field, keys)) = query.anchor else {
            self.rest.retain(|known| *known != id);
            return;
        };
        let Some(at) = self.anchored.iter().position(|(known, _)| *known == field) else {
            return;
        };
        let by_key = &mut self.anchored[at].1;
        for key in keys {
            if let Some(ids) = by_key.get_mut(&key) {
                ids.retain(|known| *known != id);
                if ids.is_empty() {
                    by_key.remove(&key);
                }
            }
        }
        if by_key.is_empty() {
            self.anchored.swap_remove(at);
        }
    }
}

impl Bucket {
    /// Nothing up to the position is told any more.
    pub(crate) fn restart(&mut self, position: Position) {
        let audiences = self.queries.values_mut().flat_map(|q| &mut q.audiences);
        for sub in audiences.flat_map(|audience| &mut audience.subs) {
            sub.start = position;
        }
    }
}
