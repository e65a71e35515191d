//! Counters and lists: between what was acknowledged and what may have happened besides.

use std::collections::BTreeSet;

use crate::history::History;
use crate::load::{COUNTER, ROSTER};

use super::Seen;

pub(super) fn counters(seen: &Seen, history: &mut History) -> Vec<String> {
    let mut broken = Vec::new();
    let found = seen.by_id(COUNTER);
    for (id, counter) in &mut history.counters {
        let value = found.get(id.as_str());
        let Some(value) = value.and_then(|object| object["value"].as_u64()) else {
            broken.push(format!("counter {id} is gone"));
            continue;
        };
        let (low, high) = (counter.acknowledged, counter.acknowledged + counter.unknown);
        if !(low..=high).contains(&value) {
            broken.push(format!("counter {id} is {value}, not from {low} to {high}"));
        }
        let returned: BTreeSet<u64> = counter.returned.iter().copied().collect();
        if returned.len() != counter.returned.len() {
            broken.push(format!("counter {id} answered the same value twice"));
        }
        let outside = |answer: &u64| *answer <= counter.floor || *answer > value;
        if let Some(answer) = returned.iter().copied().find(outside) {
            let floor = counter.floor;
            broken.push(format!(
                "counter {id} answered {answer} on its way from {floor} to {value}"
            ));
        }
        counter.acknowledged = value;
        counter.unknown = 0;
        counter.floor = value;
        counter.returned.clear();
    }
    broken
}

pub(super) fn rosters(seen: &Seen, history: &mut History) -> Vec<String> {
    let mut broken = Vec::new();
    let found = seen.by_id(ROSTER);
    for (id, roster) in &mut history.rosters {
        let list = found.get(id.as_str());
        let Some(list) = list.and_then(|object| object["entries"].as_array()) else {
            broken.push(format!("list {id} is gone"));
            continue;
        };
        let entries = list.iter().filter_map(|entry| entry.as_str());
        let entries: BTreeSet<String> = entries.map(str::to_owned).collect();
        if entries.len() != list.len() {
            broken.push(format!("list {id} has an entry twice"));
        }
        for lost in roster.acknowledged.difference(&entries) {
            broken.push(format!("list {id} lost {lost}"));
        }
        let strangers = entries
            .iter()
            .filter(|e| !roster.acknowledged.contains(*e) && !roster.unknown.contains(*e));
        broken.extend(strangers.map(|entry| format!("list {id}: nobody added {entry}")));
        roster.acknowledged = entries;
        roster.unknown.clear();
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Counter, Roster};
    use serde_json::{Value, json};

    fn seen(class: &str, object: Value) -> Seen {
        Seen {
            classes: [(class.to_owned(), vec![object])].into(),
        }
    }

    #[test]
    fn counters_stay_between_their_bounds() {
        let problems = |value: u64, returned: &[u64]| {
            let counter = Counter {
                acknowledged: 10,
                unknown: 3,
                floor: 5,
                returned: returned.to_vec(),
            };
            let mut history = History::default();
            history.counters.insert("c".into(), counter);
            let seen = seen(COUNTER, json!({"objectId": "c", "value": value}));
            let broken = counters(&seen, &mut history).len();
            assert_eq!(history.counters["c"].acknowledged, value);
            broken
        };
        assert_eq!(problems(10, &[6, 10]), 0);
        assert_eq!(problems(13, &[]), 0);
        assert_eq!(problems(9, &[]), 1);
        assert_eq!(problems(14, &[]), 1);
        assert_eq!(problems(10, &[7, 7]), 1);
        assert_eq!(problems(10, &[5]), 1);
        assert_eq!(problems(10, &[11]), 1);
    }

    #[test]
    fn lists_have_each_entry_once() {
        let problems = |entries: Value| {
            let roster = Roster {
                acknowledged: ["a".to_owned()].into(),
                unknown: ["b".to_owned()].into(),
            };
            let mut history = History::default();
            history.rosters.insert("l".into(), roster);
            rosters(
                &seen(ROSTER, json!({"objectId": "l", "entries": entries})),
                &mut history,
            )
            .len()
        };
        assert_eq!(problems(json!(["a"])), 0);
        assert_eq!(problems(json!(["b", "a"])), 0);
        assert_eq!(problems(json!(["b"])), 1);
        assert_eq!(problems(json!(["a", "a"])), 1);
        assert_eq!(problems(json!(["a", "c"])), 1);
    }
}
