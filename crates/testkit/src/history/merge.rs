//! Putting the histories of several threads together.

use super::{Claim, Counter, History, Roster, Tally};

impl Tally {
    /// Adds the figures of `other`.
    pub fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.unknown += other.unknown;
    }

    /// What was counted after `before` had been taken.
    pub fn since(self, before: Self) -> Self {
        Self {
            acknowledged: self.acknowledged - before.acknowledged,
            refused: self.refused - before.refused,
            unknown: self.unknown - before.unknown,
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} acknowledged, {} refused, {} unknown",
            self.acknowledged, self.refused, self.unknown
        )
    }
}

impl Counter {
    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.unknown += other.unknown;
        self.returned.extend(other.returned);
    }
}

impl Roster {
    fn add(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.unknown.extend(other.unknown);
    }
}

impl Claim {
    fn add(&mut self, other: Self) {
        self.winners.extend(other.winners);
        self.taken += other.taken;
        self.unknown += other.unknown;
        self.token = self.token.take().or(other.token);
    }
}

impl History {
    /// Adds what another thread did. Objects and transactions belong to one thread, so that its word
    /// about them is the last.
    pub fn add(&mut self, other: Self) {
        self.tally.add(other.tally);
        self.objects.extend(other.objects);
        self.deeds.extend(other.deeds);
        self.surprises.extend(other.surprises);
        self.failures.extend(other.failures);
        for (id, counter) in other.counters {
            self.counters.entry(id).or_default().add(counter);
        }
        for (id, roster) in other.rosters {
            self.rosters.entry(id).or_default().add(roster);
        }
        for (name, claim) in other.claims {
            self.claims.entry(name).or_default().add(claim);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_things_add_up() {
        let mut whole = History::default();
        for unknown in [0, 1] {
            let mut part = History::default();
            let counter = part.counters.entry("a".into()).or_default();
            counter.acknowledged = 5;
            counter.unknown = unknown;
            let claim = part.claims.entry(("_Role".into(), "x".into())).or_default();
            claim.winners.push(format!("id{unknown}"));
            whole.add(part);
        }
        assert_eq!(whole.counters["a"].acknowledged, 10);
        assert_eq!(whole.counters["a"].unknown, 1);
        let claim = &whole.claims[&("_Role".into(), "x".into())];
        assert_eq!(claim.winners, ["id0", "id1"]);
    }
}
