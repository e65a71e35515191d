//! The catalogue and its physical side.

pub(crate) mod ddl;
mod indexes;
mod layout;
pub(crate) mod load;
pub(crate) mod migrate;
mod views;

pub(crate) use ddl::stop_builds_sql;
pub(crate) use indexes::{duplicate, physical, sql as index_sql};
pub(crate) use layout::{Layout, cast, declared};
pub(crate) use views::refresh as refresh_views;

pub(crate) use basalt_store::columns::{Column, HEAD, HEAD_LEN, Shape};
use basalt_store::{Catalogue, Collection};
use std::collections::HashMap;
use std::sync::Arc;

/// A catalogue with the layout of each table. Immutable.
#[derive(Debug)]
pub(crate) struct Schema {
    /// The PostgreSQL schema that holds the app: `basalt_app_1`.
    pub(crate) name: Arc<str>,
    pub(crate) catalogue: Arc<Catalogue>,
    layouts: HashMap<Arc<str>, Arc<Layout>>,
}

impl Schema {
    /// Lays out the catalogue; collections that `old` holds too keep their layout.
    pub(crate) fn of(name: &Arc<str>, catalogue: Catalogue, old: Option<&Schema>) -> Self {
        let schema = name;
        let layouts = catalogue
            .collections
            .iter()
            .map(|(name, collection)| {
                let kept = old.and_then(|old| old.layout(name));
                let layout = match kept {
                    Some(layout) if Arc::ptr_eq(&layout.collection, collection) => layout.clone(),
                    _ => Arc::new(Layout::of(schema, collection.clone())),
                };
                (name.clone(), layout)
            })
            .collect();
        Self {
            name: schema.clone(),
            catalogue: Arc::new(catalogue),
            layouts,
        }
    }

    /// The layout of the collection of that name.
    pub(crate) fn layout(&self, collection: &str) -> Option<&Arc<Layout>> {
        self.layouts.get(collection)
    }

    /// All layouts.
    pub(crate) fn layouts(&self) -> impl Iterator<Item = &Arc<Layout>> {
        self.layouts.values()
    }

    /// The next version with one collection put in, changed, or taken out.
    pub(crate) fn with(&self, name: &Arc<str>, collection: Option<Collection>) -> Self {
        let mut collections = self.catalogue.collections.clone();
        match collection {
            Some(collection) => collections.insert(name.clone(), Arc::new(collection)),
            None => collections.remove(name),
        };
        let catalogue = Catalogue {
            version: self.catalogue.version + 1,
            collections,
        };
        Self::of(&self.name, catalogue, Some(self))
    }
}
