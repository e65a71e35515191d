//! Who is there: clients, their subscriptions, and the callers that these belong to.

use crate::bucket::{Asked, Audience, Bucket, Query, Sub};
use crate::outbox::{Cut, Delivery, Outbox};
use crate::seat::{Affected, Seat, SeatKey, Standing, Who};
use crate::stats::Stats;
use basalt_base::{Error, Reason, Result};
use basalt_data::{Data, Watch};
use basalt_store::Position;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Where a subscription is kept.
struct Place {
    collection: Arc<str>,
    query: u32,
    seat: usize,
}

struct Entry {
    outbox: Arc<Outbox>,
    subs: HashMap<u64, Place>,
    /// The seat of the client's own session.
    seat: Option<usize>,
}

/// Everything that the engine's task keeps.
pub(crate) struct Registry {
    data: Data,
    stats: Arc<Stats>,
    pub buckets: HashMap<Arc<str>, Bucket>,
    pub seats: Vec<Option<Seat>>,
    free: Vec<usize>,
    by_key: HashMap<SeatKey, usize>,
    clients: HashMap<u64, Entry>,
}

/// A subscription to add.
pub(crate) struct NewSub {
    pub client: u64,
    pub number: u64,
    pub who: Arc<Who>,
    pub standing: Standing,
    pub asked: Arc<Asked>,
    pub watch: Watch,
    pub start: Position,
}

impl Registry {
    pub(crate) fn new(data: Data, stats: Arc<Stats>) -> Self {
        Self {
            data,
            stats,
            buckets: HashMap::new(),
            seats: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::new(),
            clients: HashMap::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    pub(crate) fn connect(&mut self, id: u64, outbox: Arc<Outbox>) {
        let entry = Entry {
            outbox,
            subs: HashMap::new(),
            seat: None,
        };
        self.clients.insert(id, entry);
    }

    /// Looks after the client's own session from now on.
    pub(crate) fn seat_client(&mut self, id: u64, who: Arc<Who>, standing: Standing) {
        if !self.clients.contains_key(&id) {
            return;
        }
        let seat = self.sit(who, standing);
        let entry = self.clients.get_mut(&id);
        if let Some(old) = entry.and_then(|entry| entry.seat.replace(seat)) {
            self.rise(old);
        }
    }

    pub(crate) fn disconnect(&mut self, id: u64) {
        let Some(entry) = self.clients.remove(&id) else {
            return;
        };
        for (number, place) in entry.subs {
            self.drop_place(id, number, &place);
        }
        if let Some(seat) = entry.seat {
            self.rise(seat);
        }
    }

    /// Whether the client has a subscription of that number.
    pub(crate) fn has(&self, client: u64, number: u64) -> bool {
        let entry = self.clients.get(&client);
        entry.is_some_and(|entry| entry.subs.contains_key(&number))
    }

    /// Adds a subscription, in the place of one of the same number.
    pub(crate) fn add(&mut self, new: NewSub) {
        let (client, number) = (new.client, new.number);
        self.remove(client, number);
        let Some(entry) = self.clients.get(&client) else {
            return;
        };
        let sub = Sub {
            client,
            number,
            start: new.start,
            outbox: Arc::clone(&entry.outbox),
        };
        let seat = self.sit(new.who, new.standing);
        let generation = self.generation(seat);
        let collection = Arc::clone(new.watch.collection());
        let bucket = self.buckets.entry(Arc::clone(&collection)).or_default();
        let query = bucket.add(&new.asked, new.watch, seat, generation, sub);
        let place = Place {
            collection,
            query,
            seat,
        };
        if let Some(entry) = self.clients.get_mut(&client) {
            entry.subs.insert(number, place);
            self.stats.subscriptions.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Removes a subscription; whether there was one.
    pub(crate) fn remove(&mut self, client: u64, number: u64) -> bool {
        let entry = self.clients.get_mut(&client);
        let Some(place) = entry.and_then(|entry| entry.subs.remove(&number)) else {
            return false;
        };
        self.drop_place(client, number, &place);
        true
    }

    fn drop_place(&mut self, client: u64, number: u64, place: &Place) {
        if let Some(bucket) = self.buckets.get_mut(&place.collection) {
            bucket.remove(place.query, place.seat, client, number);
            if bucket.is_empty() {
                self.buckets.remove(&place.collection);
            }
        }
        self.stats.subscriptions.fetch_sub(1, Ordering::Relaxed);
        self.rise(place.seat);
    }

    /// Ends a subscription because it may not go on.
    fn end(&mut self, client: u64, number: u64, error: &Arc<Error>) {
        if let Some(entry) = self.clients.get(&client) {
            entry.outbox.push(Delivery::Ended {
                subscription: number,
                error: Arc::clone(error),
            });
        }
        self.remove(client, number);
    }

    pub(crate) fn end_all(&mut self, subs: Vec<(u64, u64)>, error: Error) {
        let error = Arc::new(error);
        for (client, number) in subs {
            self.end(client, number, &error);
        }
    }

    /// A seat for a caller, the one that others of the same rights sit on.
    fn sit(&mut self, who: Arc<Who>, standing: Standing) -> usize {
        let key = who.key();
        if let Some(at) = self.by_key.get(&key)
            && let Some(seat) = &mut self.seats[*at]
        {
            seat.users += 1;
            return *at;
        }
        // What was read may be older than changes that were seen already: it is looked at again
        // before anything is told. Callers without a session have nothing that could change.
        let seat = Seat {
            is_stale: who.token.is_some(),
            key: key.clone(),
            who,
            standing,
            generation: 0,
            users: 1,
        };
        let at = self.free.pop().unwrap_or_else(|| {
            self.seats.push(None);
            self.seats.len() - 1
        });
        self.seats[at] = Some(seat);
        self.by_key.insert(key, at);
        at
    }

    fn rise(&mut self, at: usize) {
        let Some(seat) = &mut self.seats[at] else {
            return;
        };
        seat.users -= 1;
        if seat.users == 0 {
            self.by_key.remove(&seat.key);
            self.seats[at] = None;
            self.free.push(at);
        }
    }

    fn generation(&self, seat: usize) -> u64 {
        self.seats[seat].as_ref().map_or(0, |seat| seat.generation)
    }

    /// Marks the seats whose rights may have changed.
    pub(crate) fn mark(&mut self, affected: &Affected) {
        let concerned = |seat: &Seat| match affected {
            Affected::Nobody => false,
            Affected::User(id) => seat.standing.call.principal.user.as_deref() == Some(&**id),
            Affected::Everybody => seat.who.token.is_some(),
        };
        for seat in self.seats.iter_mut().flatten() {
            seat.is_stale |= concerned(seat);
        }
    }

    /// What a look at a seat's rights brought.
    pub(crate) fn settle(&mut self, at: usize, resolved: Result<Standing>) {
        match resolved {
            Ok(standing) => {
                if let Some(seat) = &mut self.seats[at] {
                    seat.standing = standing;
                    seat.generation += 1;
                    seat.is_stale = false;
                }
            }
            Err(error) => self.vacate(at, error),
        }
    }

    /// Ends everything of a seat.
    fn vacate(&mut self, at: usize, error: Error) {
        let error = Arc::new(error);
        let mut subs = Vec::new();
        let mut owners = Vec::new();
        for (client, entry) in &self.clients {
            let held = entry.subs.iter().filter(|(_, place)| place.seat == at);
            subs.extend(held.map(|(number, _)| (*client, *number)));
            if entry.seat == Some(at) {
                owners.push(*client);
            }
        }
        for (client, number) in subs {
            self.end(client, number, &error);
        }
        for client in owners {
            if let Some(entry) = self.clients.get_mut(&client) {
                entry.seat = None;
                let error = Arc::clone(&error);
                entry.outbox.push(Delivery::SessionEnded { error });
                self.rise(at);
            }
        }
    }

    /// Plans every watch of a collection again, since its schema or rules changed.
    pub(crate) fn rebuild(&mut self, collection: &Arc<str>) {
        let Some(bucket) = self.buckets.get_mut(collection) else {
            return;
        };
        for query in bucket.take_all() {
            self.replan(collection, query);
        }
        if self.buckets.get(collection).is_some_and(Bucket::is_empty) {
            self.buckets.remove(collection);
        }
    }

    fn replan(&mut self, collection: &Arc<str>, query: Query) {
        let asked = query.asked;
        for Audience { seat, subs, .. } in query.audiences {
            let Some(held) = &self.seats[seat] else {
                continue;
            };
            let (call, generation) = (&held.standing.call, held.generation);
            let planned = self
                .data
                .watch(call, asked.query.clone(), asked.fields.clone());
            let watch = match planned {
                Ok(watch) => watch,
                Err(error) => {
                    let subs = subs.iter().map(|sub| (sub.client, sub.number));
                    self.end_all(subs.collect(), error);
                    continue;
                }
            };
            for sub in subs {
                let (client, number) = (sub.client, sub.number);
                let bucket = self.buckets.entry(Arc::clone(collection)).or_default();
                let id = bucket.add(&asked, watch.clone(), seat, generation, sub);
                let entry = self.clients.get_mut(&client);
                if let Some(place) = entry.and_then(|entry| entry.subs.get_mut(&number)) {
                    place.query = id;
                }
            }
        }
    }

    /// Plans the watches of a query again whose callers' rights were resolved anew.
    pub(crate) fn refresh(&mut self, collection: &Arc<str>, id: u32) {
        let Some(bucket) = self.buckets.get_mut(collection) else {
            return;
        };
        let Some(query) = bucket.query_mut(id) else {
            return;
        };
        let mut refused = Vec::new();
        let asked = Arc::clone(&query.asked);
        for audience in &mut query.audiences {
            let Some(seat) = &self.seats[audience.seat] else {
                continue;
            };
            if seat.generation == audience.generation {
                continue;
            }
            let call = &seat.standing.call;
            let planned = self
                .data
                .watch(call, asked.query.clone(), asked.fields.clone());
            match planned {
                Ok(watch) => {
                    audience.watch = watch;
                    audience.generation = seat.generation;
                }
                Err(error) => {
                    let subs = audience.subs.iter().map(|sub| (sub.client, sub.number));
                    refused.push((subs.collect(), error));
                }
            }
        }
        for (subs, error) in refused {
            self.end_all(subs, error);
        }
    }

    /// The collections whose watches are not of the present catalogue.
    pub(crate) fn outdated(&self) -> Vec<Arc<str>> {
        let old = self.buckets.keys().filter(|name| self.is_outdated(name));
        old.cloned().collect()
    }

    /// Whether the watches of a collection are not of the present catalogue.
    pub(crate) fn is_outdated(&self, collection: &str) -> bool {
        let catalogue = self.data.deps().store.catalogue();
        let version = catalogue.collection(collection).map(|c| c.version);
        let bucket = self.buckets.get(collection);
        bucket.is_some_and(|bucket| !bucket.is_of(version))
    }

    /// Everybody missed changes: they go on after the position.
    pub(crate) fn missed(&mut self, position: Position) {
        for entry in self.clients.values() {
            for number in entry.subs.keys() {
                entry.outbox.push(Delivery::Missed {
                    subscription: *number,
                    position,
                });
            }
        }
        let mut subs: Vec<Arc<str>> = self.buckets.keys().cloned().collect();
        for name in subs.drain(..) {
            if let Some(bucket) = self.buckets.get_mut(&name) {
                bucket.restart(position);
            }
        }
    }

    pub(crate) fn outbox(&self, client: u64) -> Option<&Arc<Outbox>> {
        self.clients.get(&client).map(|entry| &entry.outbox)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        for entry in self.clients.values() {
            entry.outbox.cut(Cut::Closed);
            let subs = entry.subs.len();
            self.stats.subscriptions.fetch_sub(subs, Ordering::Relaxed);
        }
    }
}

/// The engine of an app that is closed takes no clients.
pub(crate) fn closed() -> Error {
    Error::new(Reason::StoreUnavailable, "The app is not served right now.")
}
