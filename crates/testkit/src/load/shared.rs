//! Writes to what several threads fight for: counters, lists, unique names.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::history::Outcome;
use crate::parse::{object_path, text};

use super::{BADGE, COUNTER, ROSTER, Worker};

/// Parse's codes for a value, a user name and an e-mail address that are taken.
const TAKEN: &[i64] = &[137, 202, 203];
/// Attempts at each name, from whichever threads come by.
const CLAIMANTS: u64 = 4;

impl Worker<'_> {
    /// Increments one of the counters that everybody increments.
    pub(super) fn increment_hot(&mut self) {
        if let Some(id) = self.draw.pick(&self.plan.stage.hot).cloned() {
            self.increment(id);
        }
    }

    /// Increments one of many counters.
    pub(super) fn increment_cold(&mut self) {
        if let Some(id) = self.draw.pick(&self.plan.stage.cold).cloned() {
            self.increment(id);
        }
    }

    fn increment(&mut self, id: String) {
        let amount = self.draw.between(1, 3);
        let body = json!({"value": {"__op": "Increment", "amount": amount}});
        let path = object_path(COUNTER, &id);
        let outcome = self.send("PUT", &path, Some(&body), &[]);
        let counter = self.history.counters.entry(id).or_default();
        match outcome {
            Outcome::Acknowledged(answer) => {
                counter.acknowledged += amount;
                match answer["value"].as_u64() {
                    Some(value) => counter.returned.push(value),
                    None => self
                        .history
                        .surprises
                        .push(format!("increment without a value: {answer}")),
                }
            }
            outcome if outcome.is_unknown() => counter.unknown += amount,
            _ => {}
        }
    }

    /// Adds an entry to the list of this round.
    pub(super) fn add_unique(&mut self) {
        let entry = self.new_key();
        let body = json!({"entries": {"__op": "AddUnique", "objects": [entry, entry]}});
        let id = self.plan.roster.clone();
        let outcome = self.send("PUT", &object_path(ROSTER, &id), Some(&body), &[]);
        let roster = self.history.rosters.entry(id).or_default();
        match outcome {
            Outcome::Acknowledged(_) => {
                roster.acknowledged.insert(entry);
            }
            outcome if outcome.is_unknown() => {
                roster.unknown.insert(entry);
            }
            _ => {}
        }
    }

    /// Tries to create a role whose name others want too.
    pub(super) fn make_role(&mut self) {
        let name = self.contested("role");
        let body = json!({"name": name, "ACL": {"*": {"read": true}}});
        let outcome = self.note("POST", "/roles", TAKEN, |worker| {
            worker.master.write("POST", "/roles", Some(&body))
        });
        self.claim("_Role", name, outcome);
    }

    /// Tries to sign up under a name that others want too.
    pub(super) fn sign_up(&mut self) {
        let name = self.contested("user");
        let body = json!({"username": name, "password": format!("secret of {name}")});
        let outcome = self.send("POST", "/users", Some(&body), TAKEN);
        self.claim("_User", name, outcome);
    }

    /// Tries to create an object with an id that others want too.
    pub(super) fn take_badge(&mut self) {
        let id = self.contested("badge");
        let body = json!({"objectId": id, "taker": self.number});
        let path = format!("/classes/{BADGE}");
        let outcome = self.send("POST", &path, Some(&body), TAKEN);
        self.claim(BADGE, id, outcome);
    }

    fn contested(&self, kind: &str) -> String {
        let turn = self.plan.names.fetch_add(1, Ordering::Relaxed);
        format!("{kind}{}x{}", self.plan.round, turn / CLAIMANTS)
    }

    fn claim(&mut self, class: &str, name: String, outcome: Outcome) {
        let claim = self.history.claims.entry((class.to_owned(), name));
        let claim = claim.or_default();
        match outcome {
            Outcome::Acknowledged(answer) => {
                claim.winners.push(text(&answer, "objectId").to_owned());
                claim.token = answer
                    .get("sessionToken")
                    .and_then(Value::as_str)
                    .map(str::to_owned);
            }
            Outcome::Refused(code, _) if TAKEN.contains(&code) => claim.taken += 1,
            outcome if outcome.is_unknown() => claim.unknown += 1,
            _ => {}
        }
    }
}
