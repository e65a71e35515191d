//! What was attempted, and what the server said about it.
//!
//! A write is acknowledged, refused, or unknown: without an answer it may have happened or not, but
//! nothing in between. Each thread keeps its own history; they are merged when all have ended.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::http::{Answer, Failure};

mod merge;

/// The fields of an object, without those that the server adds.
pub type Fields = Map<String, Value>;

/// Parse's codes for what would have been a 5xx outside a batch.
const SERVER_CODES: [i64; 2] = [1, 100];

/// What a write came to, as its client saw it.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Status 2xx with this body: it happened and must last.
    Acknowledged(Value),
    /// Status 4xx: it did not happen. Parse's error code (0 if there is none) and the whole answer.
    Refused(i64, String),
    /// Status 5xx: it may have happened. The whole answer.
    Failed(String),
    /// No answer: it may have happened. Whether the server was seen to take the request.
    Unanswered(String),
    /// The server could not be reached: it did not happen.
    Unsent,
}

impl Outcome {
    /// Sorts an answer, or the lack of one.
    pub fn of(answer: Result<Answer, Failure>) -> Self {
        match answer {
            Ok(answer) if (200..300).contains(&answer.status) => Self::Acknowledged(answer.body),
            Ok(answer) => {
                let whole = format!("{} {}", answer.status, answer.body);
                if answer.status >= 500 {
                    Self::Failed(whole)
                } else {
                    Self::Refused(code(&answer.body), whole)
                }
            }
            Err(Failure::Unreachable(_)) => Self::Unsent,
            Err(failure) => Self::Unanswered(failure.to_string()),
        }
    }

    /// Sorts the answer to one part of a batch.
    pub fn of_part(part: &Value) -> Self {
        if let Some(success) = part.get("success") {
            return Self::Acknowledged(success.clone());
        }
        let whole = part.to_string();
        match code(part) {
            code if SERVER_CODES.contains(&code) => Self::Failed(whole),
            code => Self::Refused(code, whole),
        }
    }

    /// Whether the write may have happened without our knowing.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Unanswered(_))
    }
}

/// The code of an error, or of the first part of a batch that has one; 0 if there is none.
fn code(answer: &Value) -> i64 {
    let part = answer.as_array().and_then(|parts| {
        let errors = parts.iter().map(|part| &part["error"]);
        errors.into_iter().find(|error| error.is_object())
    });
    let error = part.or(answer.get("error")).unwrap_or(answer);
    let code = error.get("code").or(answer.get("code"));
    code.and_then(Value::as_i64).unwrap_or_default()
}

/// How many writes came to what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Acknowledged writes.
    pub acknowledged: u64,
    /// Refused writes.
    pub refused: u64,
    /// Writes that got no answer, or a 5xx.
    pub unknown: u64,
}

/// An object that one thread at a time writes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracked {
    /// Its class.
    pub class: String,
    /// Its id; `None` as long as its create is unknown.
    pub id: Option<String>,
    /// What was acknowledged last; `None` if it does not exist.
    pub now: Option<Fields>,
    /// What it would be after a write whose outcome is unknown.
    pub pending: Option<Option<Fields>>,
    /// The `updatedAt` of the last acknowledged write.
    pub stamp: Option<String>,
}

/// A number that many threads increment, always by 1 or more.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counter {
    /// The sum of what was acknowledged.
    pub acknowledged: u64,
    /// The sum of what may have happened.
    pub unknown: u64,
    /// The value at the last check: later answers are above it.
    pub floor: u64,
    /// The values in the answers since then.
    pub returned: Vec<u64>,
}

/// A list to which many threads add different entries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Roster {
    /// Entries that must be there.
    pub acknowledged: BTreeSet<String>,
    /// Entries that may be there.
    pub unknown: BTreeSet<String>,
}

/// What a transaction was known to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// All of it.
    Done,
    /// None of it.
    Undone,
    /// All or none.
    Either,
}

/// What a transaction consisted of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// So many new objects that point to the same one.
    Links(u64),
    /// An amount from one account to another, and a record of it.
    Transfer {
        /// The account that gives.
        from: String,
        /// The account that gets.
        to: String,
        /// How much.
        amount: i64,
    },
}

/// Who tried to take a unique name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// The ids of those who got it.
    pub winners: Vec<String>,
    /// How many were told that it is taken.
    pub taken: u64,
    /// How many do not know.
    pub unknown: u64,
    /// The session token of the winner, for users.
    pub token: Option<String>,
}

/// Everything that was attempted.
#[derive(Debug, Default, Clone)]
pub struct History {
    /// Figures over all kinds.
    pub tally: Tally,
    /// Objects by the value of their field `key`.
    pub objects: BTreeMap<String, Tracked>,
    /// Counters by id.
    pub counters: BTreeMap<String, Counter>,
    /// Lists by id.
    pub rosters: BTreeMap<String, Roster>,
    /// Transactions by the value of their members' field `batch`.
    pub deeds: BTreeMap<String, (Deed, Fate)>,
    /// Claims by class and name.
    pub claims: BTreeMap<(String, String), Claim>,
    /// Refusals that no correct server gives.
    pub surprises: Vec<String>,
    /// Answers with status 5xx.
    pub failures: Vec<String>,
}

impl History {
    /// Counts an outcome. `expected` are the codes of Parse that are no surprise as a refusal.
    pub fn count(&mut self, what: &str, outcome: &Outcome, expected: &[i64]) {
        match outcome {
            Outcome::Acknowledged(_) => self.tally.acknowledged += 1,
            Outcome::Refused(code, whole) => {
                self.tally.refused += 1;
                if !expected.contains(code) {
                    self.surprises.push(format!("{what}: {whole}"));
                }
            }
            Outcome::Failed(whole) => {
                self.tally.unknown += 1;
                self.failures.push(format!("{what}: {whole}"));
            }
            Outcome::Unanswered(_) => self.tally.unknown += 1,
            Outcome::Unsent => {}
        }
    }

    /// Takes it that no unknown write happened: what a server owes that said farewell in good order.
    pub fn nothing_unknown_happened(&mut self) {
        self.objects
            .values_mut()
            .for_each(|tracked| tracked.pending = None);
        self.counters
            .values_mut()
            .for_each(|counter| counter.unknown = 0);
        self.rosters
            .values_mut()
            .for_each(|roster| roster.unknown.clear());
        self.claims.values_mut().for_each(|claim| claim.unknown = 0);
        for (_, fate) in self.deeds.values_mut() {
            if *fate == Fate::Either {
                *fate = Fate::Undone;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn outcomes_follow_the_status() {
        let of = |status, body| Outcome::of(Ok(Answer { status, body }));
        assert_eq!(of(201, json!(1)), Outcome::Acknowledged(json!(1)));
        let refused = of(400, json!({"code": 137}));
        assert_eq!(refused, Outcome::Refused(137, "400 {\"code\":137}".into()));
        let parts = json!([{"success": {}}, {"error": {"code": 101}}]);
        assert!(matches!(of(400, parts.clone()), Outcome::Refused(101, _)));
        assert_eq!(
            Outcome::of_part(&parts[0]),
            Outcome::Acknowledged(json!({}))
        );
        assert!(matches!(
            Outcome::of_part(&parts[1]),
            Outcome::Refused(101, _)
        ));
        assert!(Outcome::of_part(&json!({"error": {"code": 100}})).is_unknown());
        assert!(of(503, json!(null)).is_unknown());
        let lost = || std::io::Error::other("x");
        assert_eq!(
            Outcome::of(Err(Failure::Unreachable(lost()))),
            Outcome::Unsent
        );
        assert!(Outcome::of(Err(Failure::CutOff(lost()))).is_unknown());
    }

    #[test]
    fn only_unexpected_refusals_surprise() {
        let mut history = History::default();
        let refused = Outcome::Refused(137, "400".into());
        history.count("role", &refused, &[137]);
        assert!(history.surprises.is_empty());
        history.count("create", &refused, &[]);
        assert_eq!(history.surprises, ["create: 400"]);
        assert_eq!(history.tally.refused, 2);
    }
}
