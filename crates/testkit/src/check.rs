//! Comparing what a server serves with what it had acknowledged.
//!
//! A check names each broken promise in a sentence, and settles the history: what was unknown is from
//! now on what the server showed, and must stay so.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::history::History;
use crate::load::{ACCOUNT, BADGE, COUNTER, ITEM, LINK, ROSTER, TRANSFER};
use crate::parse::{Parse, text};

mod names;
mod objects;
mod same;
mod shared;
mod transactions;

/// Everything that a server holds, by class.
#[derive(Debug, Default)]
pub struct Seen {
    classes: BTreeMap<String, Vec<Value>>,
}

impl Seen {
    /// Reads all classes that the history knows of.
    ///
    /// Errors: a query fails, or a count differs from the number of objects.
    pub fn read(client: &mut Parse, history: &History) -> anyhow::Result<Self> {
        let mut names: BTreeSet<&str> = BTreeSet::from([
            ITEM, COUNTER, ROSTER, ACCOUNT, TRANSFER, LINK, BADGE, "_User", "_Role",
        ]);
        names.extend(history.objects.values().map(|tracked| &*tracked.class));
        let mut seen = Self::default();
        for class in names {
            let objects = client.all(class)?;
            let count = client.count(class)?;
            if count != objects.len() as u64 {
                anyhow::bail!("{class} counts {count} objects and lists {}", objects.len());
            }
            seen.classes.insert(class.to_owned(), objects);
        }
        Ok(seen)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.classes.values().map(Vec::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn of(&self, class: &str) -> &[Value] {
        self.classes
            .get(class)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    fn by_id(&self, class: &str) -> BTreeMap<&str, &Value> {
        let objects = self.of(class).iter();
        objects.map(|o| (text(o, "objectId"), o)).collect()
    }
}

/// Every broken promise. Settles the history.
pub fn promises(seen: &Seen, history: &mut History) -> Vec<String> {
    let mut broken = consistency(seen);
    broken.extend(objects::check(seen, history));
    broken.extend(shared::counters(seen, history));
    broken.extend(shared::rosters(seen, history));
    broken.extend(transactions::check(seen, history));
    broken.extend(names::check(seen, history));
    broken
}

/// Everything that contradicts itself, whatever was acknowledged.
pub fn consistency(seen: &Seen) -> Vec<String> {
    let mut broken = Vec::new();
    for (class, objects) in &seen.classes {
        for pair in objects.windows(2) {
            if text(&pair[0], "objectId") >= text(&pair[1], "objectId") {
                broken.push(format!("{class} is not in the order of its ids: {pair:?}"));
            }
        }
        for object in objects {
            if object["number"] != object["twin"] {
                broken.push(format!("{class}: half of an update is there: {object}"));
            }
        }
    }
    broken.extend(transactions::torn(seen));
    broken.extend(names::twice(seen));
    broken
}
