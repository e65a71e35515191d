//! Writes that are to be told, and jobs, from one thread.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::{CLASS, JOB};
use crate::http::{Answer, Failure};
use crate::parse::{Parse, class_path, object_path, text};

/// Objects that a thread writes to in turn.
const OBJECTS: usize = 4;
/// Of so many requests one starts a job.
const JOB_EVERY: u64 = 5;
/// Writes to an object before another takes its place.
const WRITES_EACH: u64 = 6;

/// What the server said that it did.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// Objects with the number of their last write, counted from 0.
    pub objects: BTreeMap<String, u64>,
    /// What jobs were started with.
    pub jobs: BTreeSet<String>,
}

impl Acknowledged {
    /// Takes over what another thread or round did.
    pub fn add(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.jobs.extend(other.jobs);
    }

    /// How many writes.
    pub fn writes(&self) -> u64 {
        self.objects.values().map(|last| last + 1).sum()
    }
}

/// What threads and whoever started them tell each other.
#[derive(Debug, Default)]
pub struct Signals {
    /// The first write was acknowledged.
    pub begun: AtomicBool,
    /// The disk may be dying: what is acknowledged from now on may be lost with it.
    pub doubt: AtomicBool,
    /// Enough was written.
    pub stop: AtomicBool,
}

/// Writes until it is told to stop or the server is gone; what was acknowledged, and how many
/// writes may have happened or not.
pub fn write(address: SocketAddr, name: &str, signals: &Signals) -> (Acknowledged, u64) {
    let mut rest = Parse::rest(address);
    let mut master = Parse::master(address);
    let mut done = Acknowledged::default();
    let mut open: Vec<(String, u64)> = Vec::new();
    for number in 0.. {
        if signals.stop.load(Ordering::Relaxed) {
            break;
        }
        let place = number as usize % OBJECTS;
        let (done_by_it, answer) = if number % JOB_EVERY == 0 {
            let key = format!("{name}n{number}");
            let body = json!({ "key": key });
            let answer = master.send("POST", &format!("/jobs/{JOB}"), Some(&body));
            (Done::Job(key), answer)
        } else if let Some((id, seq)) = open.get_mut(place).filter(|(_, seq)| *seq < WRITES_EACH) {
            *seq += 1;
            let answer = rest.send(
                "PUT",
                &object_path(CLASS, id),
                Some(&json!({ "seq": *seq })),
            );
            (Done::Update(id.clone(), *seq), answer)
        } else {
            let answer = rest.send("POST", &class_path(CLASS), Some(&json!({ "seq": 0 })));
            (Done::Create, answer)
        };
        match answer {
            Ok(_) if signals.doubt.load(Ordering::SeqCst) => return (done, 1),
            Ok(answer) if answer.status < 300 => {
                signals.begun.store(true, Ordering::Relaxed);
                done.note(done_by_it, &answer, place, &mut open);
            }
            Ok(_) => {}
            Err(Failure::Unreachable(_)) => return (done, 0),
            Err(_) => return (done, 1),
        }
    }
    (done, 0)
}

/// What a request does.
enum Done {
    Job(String),
    Update(String, u64),
    Create,
}

impl Acknowledged {
    fn note(&mut self, done: Done, answer: &Answer, place: usize, open: &mut Vec<(String, u64)>) {
        match done {
            Done::Job(key) => {
                self.jobs.insert(key);
            }
            Done::Update(id, seq) => {
                self.objects.insert(id, seq);
            }
            Done::Create => {
                let id = text(&answer.body, "objectId").to_owned();
                self.objects.insert(id.clone(), 0);
                match open.get_mut(place) {
                    Some(slot) => *slot = (id, 0),
                    None => open.push((id, 0)),
                }
            }
        }
    }
}
