//! Objects that one thread at a time wrote to: each is as it was acknowledged, or as a write without
//! an answer would have made it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::history::{Fields, History, Tracked};
use crate::parse::text;

use super::Seen;
use super::same::{fields, same_fields};

pub(super) fn check(seen: &Seen, history: &mut History) -> Vec<String> {
    let mut broken = Vec::new();
    let mut found: BTreeMap<&str, (&str, &Value)> = BTreeMap::new();
    for (class, objects) in &seen.classes {
        for object in objects {
            let key = text(object, "key");
            if key.is_empty() {
                continue;
            }
            if found.insert(key, (class, object)).is_some() {
                broken.push(format!("{class}: {key} is there twice"));
            }
            if !history.objects.contains_key(key) {
                broken.push(format!("{class}: nobody created {object}"));
            }
        }
    }
    for (key, tracked) in &mut history.objects {
        let object = found.get(key.as_str()).copied();
        if let Err(message) = judge(tracked, object) {
            broken.push(format!("{} {key}: {message}", tracked.class));
        }
        settle(tracked, object.map(|(_, object)| object));
    }
    broken
}

fn judge(tracked: &Tracked, found: Option<(&str, &Value)>) -> Result<(), String> {
    let there = found.map(|(_, object)| fields(object));
    let is = |expected: &Option<Fields>| match (expected, &there) {
        (None, None) => true,
        (Some(expected), Some(there)) => same_fields(expected, there),
        _ => false,
    };
    let as_acknowledged = is(&tracked.now);
    if !as_acknowledged && !tracked.pending.as_ref().is_some_and(is) {
        return Err(difference(tracked, there));
    }
    let Some((class, object)) = found else {
        return Ok(());
    };
    if class != tracked.class {
        return Err(format!("is in {class}"));
    }
    let id = text(object, "objectId");
    if tracked.id.as_deref().is_some_and(|known| known != id) {
        return Err(format!("has the id {id}, not {:?}", tracked.id));
    }
    let stamp = text(object, "updatedAt");
    let expected = tracked.stamp.as_deref().unwrap_or_default();
    if tracked.pending.is_none() && stamp != expected {
        return Err(format!("updated at {stamp}, acknowledged {expected}"));
    }
    Ok(())
}

/// What is wrong, without the fields that are right.
fn difference(tracked: &Tracked, there: Option<Fields>) -> String {
    let id = tracked.id.as_deref().unwrap_or("no id");
    let doubt = if tracked.pending.is_some() {
        ", even though a write is unknown"
    } else {
        ""
    };
    match (&tracked.now, there) {
        (Some(_), None) => format!("{id} is lost{doubt}"),
        (None, Some(_)) => format!("{id} was deleted and is there{doubt}"),
        (None, None) => format!("{id} is not there{doubt}"),
        (Some(now), Some(there)) => {
            let names: BTreeSet<&String> = now.keys().chain(there.keys()).collect();
            let differ = names
                .into_iter()
                .filter(|name| now.get(*name) != there.get(*name));
            let differ: Vec<String> = differ
                .map(|name| {
                    let show = |value: Option<&Value>| {
                        value.map_or("nothing".to_owned(), Value::to_string)
                    };
                    let (now, there) = (show(now.get(name)), show(there.get(name)));
                    format!("{name}: acknowledged {now}, found {there}")
                })
                .collect();
            format!("{id} differs{doubt}: {}", differ.join("; "))
        }
    }
}

fn settle(tracked: &mut Tracked, found: Option<&Value>) {
    tracked.pending = None;
    tracked.now = found.map(fields);
    if let Some(object) = found {
        tracked.id = Some(text(object, "objectId").to_owned());
        tracked.stamp = Some(text(object, "updatedAt").to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const STAMP: &str = "2026-11-21T00:00:00.000Z";

    fn some_fields(number: u64) -> Option<Fields> {
        json!({"key": "k", "number": number}).as_object().cloned()
    }

    fn tracked(now: Option<Fields>, pending: &[Option<Fields>]) -> Tracked {
        Tracked {
            class: "Item".into(),
            id: Some("id".into()),
            now,
            pending: pending.first().cloned(),
            stamp: Some(STAMP.into()),
        }
    }

    fn seen(numbers: &[u64]) -> Seen {
        let objects = numbers.iter().map(|number| {
            json!({"objectId": "id", "key": "k", "number": number, "createdAt": STAMP, "updatedAt": STAMP})
        });
        Seen {
            classes: [("Item".to_owned(), objects.collect())].into(),
        }
    }

    fn problems(tracked: Tracked, numbers: &[u64]) -> usize {
        let mut history = History::default();
        history.objects.insert("k".into(), tracked);
        let broken = check(&seen(numbers), &mut history);
        assert_eq!(history.objects["k"].pending, None);
        broken.len()
    }

    #[test]
    fn what_was_acknowledged_must_be_there() {
        assert_eq!(problems(tracked(some_fields(1), &[]), &[1]), 0);
        assert_eq!(problems(tracked(some_fields(1), &[]), &[]), 1);
        assert_eq!(problems(tracked(some_fields(1), &[]), &[2]), 1);
        assert_eq!(problems(tracked(None, &[]), &[1]), 1);
        assert_eq!(problems(tracked(some_fields(1), &[]), &[1, 1]), 1);
    }

    #[test]
    fn what_is_unknown_is_all_or_nothing() {
        let pending = || tracked(some_fields(1), &[some_fields(2)]);
        assert_eq!(problems(pending(), &[1]), 0);
        assert_eq!(problems(pending(), &[2]), 0);
        assert_eq!(problems(pending(), &[3]), 1);
        assert_eq!(problems(pending(), &[]), 1);
        let deleted = tracked(some_fields(1), &[None]);
        assert_eq!(problems(deleted, &[]), 0);
    }

    #[test]
    fn an_older_update_and_a_stranger_are_seen() {
        let mut late = tracked(some_fields(1), &[]);
        late.stamp = Some("2026-11-21T00:00:01.000Z".into());
        assert_eq!(problems(late, &[1]), 1);
        assert_eq!(check(&seen(&[1]), &mut History::default()).len(), 1);
    }
}
