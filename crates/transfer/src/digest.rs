//! What an app's data hashes to, the same in every store.

use crate::canonical;
use crate::format::Definition;
use basalt_store::Record;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// One collection: how many objects it has, and the hash over its definition and all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Its name.
    pub name: Arc<str>,
    /// How many objects.
    pub objects: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// A whole app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Each collection, in the order of names.
    pub collections: Vec<Sum>,
    /// SHA-256 over all of those, in hexadecimal.
    pub content: String,
}

impl Totals {
    /// Objects of all collections.
    pub fn objects(&self) -> u64 {
        self.collections.iter().map(|sum| sum.objects).sum()
    }

    /// The names of the collections that are not the same in both.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let differ = |a: &Self, b: &Self| -> Vec<String> {
            let missing = a
                .collections
                .iter()
                .filter(|sum| !b.collections.contains(sum));
            missing.map(|sum| sum.name.to_string()).collect()
        };
        let mut names = differ(self, other);
        names.extend(differ(other, self));
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Takes collections and objects in order and hashes them.
#[derive(Default)]
pub(crate) struct Hasher {
    done: Vec<Sum>,
    current: Option<(Arc<str>, u64, Sha256)>,
}

impl Hasher {
    pub(crate) fn collection(&mut self, definition: &Definition) {
        self.close();
        let mut hash = Sha256::new();
        hash.update(definition.canonical_text());
        self.current = Some((definition.name.clone(), 0, hash));
    }

    /// An object of the collection that was begun last.
    pub(crate) fn object(&mut self, record: &Record) {
        if let Some((_, objects, hash)) = &mut self.current {
            *objects += 1;
            hash.update(b"\n");
            hash.update(canonical::record_text(record));
        }
    }

    /// The collection that objects are taken for, and how many it had.
    pub(crate) fn current(&self) -> Option<(&Arc<str>, u64)> {
        self.current
            .as_ref()
            .map(|(name, objects, _)| (name, *objects))
    }

    /// Objects so far.
    pub(crate) fn objects(&self) -> u64 {
        let done: u64 = self.done.iter().map(|sum| sum.objects).sum();
        done + self.current().map_or(0, |(_, objects)| objects)
    }

    fn close(&mut self) {
        if let Some((name, objects, hash)) = self.current.take() {
            self.done.push(Sum {
                name,
                objects,
                sha256: hex::encode(hash.finalize()),
            });
        }
    }

    pub(crate) fn finish(mut self) -> Totals {
        self.close();
        let mut hash = Sha256::new();
        for sum in &self.done {
            hash.update(format!("{} {} {}\n", sum.name, sum.objects, sum.sha256));
        }
        Totals {
            collections: self.done,
            content: hex::encode(hash.finalize()),
        }
    }
}
