//! What the earlier steps of a transaction leave behind, for the hooks and the guard of later
//! ones: nothing of it is in the store yet.

use crate::BatchStep;
use basalt_store::{Collection, Record};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

type Key = (Arc<str>, Box<str>);

/// The outcome of earlier steps, as far as later ones will ask for it.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    /// Objects that several steps are about.
    wanted: HashSet<Key>,
    objects: HashMap<Key, Option<Arc<Record>>>,
    collections: HashMap<Arc<str>, Arc<Collection>>,
}

impl Earlier {
    /// Nothing happened yet. `looks` says which steps look at their object.
    pub(super) fn of(steps: &[BatchStep], looks: impl Fn(&BatchStep) -> bool) -> Self {
        let looking = steps.iter().filter(|step| looks(step));
        let wanted: HashSet<Key> = looking.filter_map(key).collect();
        Self {
            wanted,
            ..Self::default()
        }
    }

    /// Whether a later step may look at the object.
    pub(super) fn wants(&self, collection: &Arc<str>, id: &str) -> bool {
        !self.wanted.is_empty() && self.wanted.contains(&(collection.clone(), id.into()))
    }

    /// The object as earlier steps left it: `None` when they did not touch it, `Some(None)` when
    /// they deleted it.
    #[expect(clippy::option_option, reason = "untouched and deleted are two things")]
    pub(super) fn object(&self, collection: &Arc<str>, id: &str) -> Option<Option<Arc<Record>>> {
        if self.objects.is_empty() {
            return None;
        }
        self.objects.get(&(collection.clone(), id.into())).cloned()
    }

    /// The collection with the fields that earlier steps add.
    pub(super) fn collection(&self, name: &str) -> Option<Arc<Collection>> {
        self.collections.get(name).cloned()
    }

    /// Takes in what a step leaves behind.
    pub(super) fn keep(&mut self, collection: &Arc<str>, id: &str, left: Left) {
        let (record, schema) = match left {
            Left::Unknown => return,
            Left::Gone => (None, None),
            Left::Object(record, schema) => (Some(record), Some(schema)),
        };
        if let Some(schema) = schema {
            self.collections.insert(collection.clone(), schema);
        }
        self.objects.insert((collection.clone(), id.into()), record);
    }
}

/// The object that a step addresses by its id.
fn key(step: &BatchStep) -> Option<Key> {
    match step {
        BatchStep::Create(_) => None,
        BatchStep::Update(update) => Some((update.collection.clone(), update.id.clone())),
        BatchStep::Delete(delete) => Some((delete.collection.clone(), delete.id.clone())),
    }
}

/// What a step leaves behind.
#[derive(Debug, Default)]
pub(super) enum Left {
    /// Nobody asks.
    #[default]
    Unknown,
    /// The object is gone.
    Gone,
    /// The object, and its collection.
    Object(Arc<Record>, Arc<Collection>),
}
