//! Which fields a query reads and shows.

use crate::rules::Viewer;
use crate::{Include, ObjectQuery, names};
use basalt_store::{Catalogue, Collection, FieldType, Projection, Record};
use std::collections::HashSet;
use std::sync::Arc;

/// Which named fields of the found objects are shown.
#[derive(Debug, Default)]
pub(super) struct Shown {
    keys: Option<HashSet<Box<str>>>,
    excluded: HashSet<Box<str>>,
}

impl Shown {
    /// What the query asks for.
    pub(super) fn of(query: &ObjectQuery, collection: Option<&Collection>) -> Self {
        let root = |key: &str| -> Box<str> { names::root(key).into() };
        let mut keys: Option<HashSet<Box<str>>> = query
            .keys
            .as_ref()
            .map(|keys| keys.iter().map(|key| root(key)).collect());
        if let (Some(keys), true, Some(collection)) = (&mut keys, query.include_all, collection) {
            keys.extend(followed(collection).map(Box::from));
        }
        let excluded = query.exclude_keys.iter();
        Self {
            keys,
            excluded: excluded.filter(|key| !key.contains('.')).cloned().collect(),
        }
    }

    /// What to read from the store; `needs` are read in any case.
    pub(super) fn projection(
        &self,
        collection: Option<&Collection>,
        viewer: &Viewer<'_>,
    ) -> Projection {
        let needs = viewer.needs().map(Arc::from);
        match (&self.keys, collection) {
            (Some(keys), _) => {
                let kept = keys.iter().filter(|key| !self.excluded.contains(*key));
                Projection::Only(kept.map(|key| Arc::from(&**key)).chain(needs).collect())
            }
            (None, Some(collection)) if !self.excluded.is_empty() => {
                let names = collection.fields.iter().map(|f| &f.def.name);
                let kept = names.filter(|name| !self.excluded.contains(&***name));
                Projection::Only(kept.cloned().chain(needs).collect())
            }
            _ => Projection::All,
        }
    }

    /// Takes out of an object what was not asked for.
    pub(super) fn keep(&self, record: &mut Record) {
        if self.keys.is_none() && self.excluded.is_empty() {
            return;
        }
        record.fields.retain(|(name, _)| {
            let asked = self.keys.as_ref().is_none_or(|keys| keys.contains(&**name));
            asked && !self.excluded.contains(&**name)
        });
    }
}

/// The fields that "include everything" follows.
fn followed(collection: &Collection) -> impl Iterator<Item = &str> {
    collection
        .fields
        .iter()
        .filter(|f| matches!(f.def.ty, FieldType::Reference(_) | FieldType::Array))
        .map(|f| &*f.def.name)
}

/// The tree of what to include, with everything of the collection where that is asked for.
pub(super) fn include(
    query: &mut ObjectQuery,
    collection: Option<&Collection>,
    catalogue: &Catalogue,
) -> Include {
    let mut include = std::mem::take(&mut query.include);
    let Some(collection) = collection else {
        return include;
    };
    if query.include_all {
        for name in followed(collection) {
            include.child_mut(name).here = true;
        }
    }
    for key in query.exclude_keys.iter().filter(|key| key.contains('.')) {
        exclude(&mut include, collection, catalogue, key);
    }
    include
}

/// Leaves a field of included objects out: the keys of its node become all others. Needs to know
/// the objects' collection, so it has no effect below lists and maps.
fn exclude(include: &mut Include, collection: &Collection, catalogue: &Catalogue, key: &str) {
    let Some((above, field)) = key.rsplit_once('.') else {
        return;
    };
    let (mut node, mut collection) = (include, collection);
    for step in above.split('.') {
        let target = collection.field(step).and_then(|f| match &f.def.ty {
            FieldType::Reference(target) => catalogue.collection(target),
            _ => None,
        });
        let (Some(target), true) = (target, node.child(step).is_some()) else {
            return;
        };
        (node, collection) = (node.child_mut(step), target);
    }
    let all = || {
        let names = collection.fields.iter().map(|f| Box::from(&*f.def.name));
        names.collect()
    };
    node.keys.get_or_insert_with(all).retain(|k| **k != *field);
}
