//! Writing from many threads, each write noted.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use crate::draw::Draw;
use crate::history::{Fields, History, Outcome, Tracked};
use crate::parse::Parse;
use crate::wait;

mod objects;
mod shared;
mod signals;
mod stage;
mod transactions;

pub use signals::Signals;
pub use stage::{Plan, Stage};

/// The class of objects that always exists.
pub const ITEM: &str = "Item";
/// The class of counters.
pub const COUNTER: &str = "Counter";
/// The class of lists.
pub const ROSTER: &str = "Roster";
/// The class of accounts.
pub const ACCOUNT: &str = "Account";
/// The class of records about transfers between accounts.
pub const TRANSFER: &str = "Transfer";
/// The class of the members of transactions.
pub const LINK: &str = "Link";

/// The class of objects whose ids are fought for.
pub const BADGE: &str = "Badge";

/// A thread that goes on without a server does not hurry.
const BREATH: Duration = Duration::from_millis(50);

/// One thread that writes until it is told to stop or the server is gone.
#[derive(Debug)]
pub struct Worker<'a> {
    /// Its number in the round.
    number: usize,
    plan: &'a Plan,
    signals: &'a Signals,
    draw: Draw,
    rest: Parse,
    master: Parse,
    /// Objects that exist and that only this thread writes to, with their keys.
    mine: Vec<(String, Tracked)>,
    history: History,
    /// Makes keys unique within the thread.
    made: u64,
    gone: bool,
}

impl<'a> Worker<'a> {
    /// A thread's state; `mine` are objects that no other thread has.
    pub fn new(
        number: usize,
        plan: &'a Plan,
        signals: &'a Signals,
        address: SocketAddr,
        mine: Vec<(String, Tracked)>,
    ) -> Self {
        Self {
            number,
            plan,
            signals,
            draw: Draw::new(plan.seed.wrapping_mul(31).wrapping_add(number as u64)),
            rest: Parse::rest(address),
            master: Parse::master(address),
            mine,
            history: History::default(),
            made: 0,
            gone: false,
        }
    }

    /// Writes; what came of it.
    pub fn run(mut self) -> History {
        while !self.gone && !self.signals.stop.load(Ordering::Relaxed) {
            let before = self.history.tally.acknowledged;
            self.step();
            if self.history.tally.acknowledged > before {
                self.signals.begun.store(true, Ordering::Relaxed);
            }
            if self.gone && self.signals.goes_on {
                self.gone = false;
                wait::last(BREATH);
            }
        }
        self.history.objects.extend(self.mine);
        self.history
    }

    fn step(&mut self) {
        // Hashing a password takes as long as hundreds of other writes: few threads sign up.
        let signs_up = self.number.is_multiple_of(4);
        match self.draw.below(100) {
            0..26 => self.create(),
            26..48 => self.update(),
            48..60 => self.increment_hot(),
            60..66 => self.increment_cold(),
            66..72 => self.add_unique(),
            72..77 => self.delete(),
            77..80 => self.batch_of_creates(),
            80..86 => self.link_transaction(),
            86..93 => self.transfer(),
            93..95 => self.failing_transaction(),
            95..97 => self.make_role(),
            97 if self.plan.stage.own_ids => self.take_badge(),
            _ if signs_up => self.sign_up(),
            _ => self.create(),
        }
    }

    /// Sends a write as an app's client, counts it, and remembers whether the server is gone.
    fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        expected: &[i64],
    ) -> Outcome {
        self.note(method, path, expected, |worker| {
            worker.rest.write(method, path, body)
        })
    }

    fn note(
        &mut self,
        method: &str,
        path: &str,
        expected: &[i64],
        write: impl FnOnce(&mut Self) -> Outcome,
    ) -> Outcome {
        let what = format!("{method} {path}");
        let disk_was_dead = self.signals.disk_is_dead.load(Ordering::SeqCst);
        let mut outcome = write(self);
        if self.signals.disk_dies.load(Ordering::SeqCst)
            && let Outcome::Acknowledged(answer) = &outcome
        {
            // A batch is answered with 200 even if each of its parts failed.
            let parts = answer.as_array();
            let has_success = |parts: &Vec<Value>| parts.iter().any(|p| p.get("success").is_some());
            if disk_was_dead && parts.is_none_or(has_success) {
                let surprise = format!("{what}: acknowledged without a disk: {answer}");
                self.history.surprises.push(surprise);
            }
            outcome = Outcome::Failed("acknowledged while the disk died".to_owned());
        }
        self.history.count(&what, &outcome, expected);
        self.gone |= match outcome {
            Outcome::Unanswered(_) | Outcome::Unsent => true,
            // A balancer says so when it has nobody to ask.
            Outcome::Failed(_) => self.signals.goes_on,
            _ => false,
        };
        outcome
    }

    /// A name that nothing else in the whole run has.
    fn new_key(&mut self) -> String {
        self.made += 1;
        format!("r{}w{}n{}", self.plan.round, self.number, self.made)
    }

    fn new_fields(&mut self, key: &str) -> Fields {
        let number = self.draw.below(1 << 40);
        let mut fields = Fields::new();
        fields.insert("key".into(), key.into());
        fields.insert("number".into(), number.into());
        fields.insert("twin".into(), number.into());
        let len = self.draw.below(200);
        fields.insert("body".into(), self.draw.text(len).into());
        fields.insert("tags".into(), serde_json::json!(["a", number, null, true]));
        fields.insert(
            "place".into(),
            serde_json::json!({"a": {"b": number}, "c": []}),
        );
        let day = self.draw.between(10, 28);
        let date = format!("2026-11-{day}T01:02:03.{:03}Z", number % 1000);
        fields.insert(
            "at".into(),
            serde_json::json!({"__type": "Date", "iso": date}),
        );
        fields
    }
}
