//! The hooks of one app in the form in which they are asked for.

use crate::{Hook, On};
use basalt_data::EventKind;
use std::collections::HashMap;
use std::sync::Arc;

/// All hooks of an app. Never changed, only replaced.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    functions: HashMap<Box<str>, Arc<Hook>>,
    triggers: HashMap<Box<str>, Vec<(EventKind, Arc<Hook>)>>,
    /// One bit for each kind of which there is a trigger.
    kinds: u32,
    /// The same of durable ones.
    durable: u32,
}

impl Registry {
    pub fn new(hooks: impl IntoIterator<Item = Hook>) -> Self {
        let mut registry = Self::default();
        for hook in hooks {
            let hook = Arc::new(hook);
            match &hook.on {
                On::Function(name) => {
                    registry.functions.insert(name.clone(), hook);
                }
                On::Trigger(kind, collection) => {
                    registry.kinds |= bit(*kind);
                    if hook.durable {
                        registry.durable |= bit(*kind);
                    }
                    let own = registry.triggers.entry(collection.clone()).or_default();
                    own.retain(|(known, _)| known != kind);
                    own.push((*kind, hook));
                }
            }
        }
        registry
    }

    /// Whether there is a trigger of this kind at all, or on this collection.
    pub fn has(&self, kind: EventKind, collection: &str) -> bool {
        self.kinds & bit(kind) != 0 && self.trigger(kind, collection).is_some()
    }

    /// Whether there is a durable trigger of this kind on this collection.
    pub fn promises(&self, kind: EventKind, collection: &str) -> bool {
        let durable = |hook: &Arc<Hook>| hook.durable;
        self.durable & bit(kind) != 0 && self.trigger(kind, collection).is_some_and(durable)
    }

    pub fn trigger(&self, kind: EventKind, collection: &str) -> Option<&Arc<Hook>> {
        let own = self.triggers.get(collection)?;
        own.iter().find(|(k, _)| *k == kind).map(|(_, hook)| hook)
    }

    pub fn function(&self, name: &str) -> Option<&Arc<Hook>> {
        self.functions.get(name)
    }

    pub fn get(&self, on: &On) -> Option<&Arc<Hook>> {
        match on {
            On::Function(name) => self.function(name),
            On::Trigger(kind, collection) => self.trigger(*kind, collection),
        }
    }

    /// Whether there is any hook.
    pub fn is_empty(&self) -> bool {
        self.kinds == 0 && self.functions.is_empty()
    }

    /// All functions by name.
    pub fn functions(&self) -> Vec<Arc<Hook>> {
        let mut all: Vec<_> = self.functions.iter().collect();
        all.sort_by_key(|(name, _)| *name);
        all.into_iter().map(|(_, hook)| Arc::clone(hook)).collect()
    }

    /// All triggers by collection and kind.
    pub fn triggers(&self) -> Vec<Arc<Hook>> {
        let mut all: Vec<_> = self.triggers.iter().collect();
        all.sort_by_key(|(collection, _)| *collection);
        let mut hooks = Vec::new();
        for (_, own) in all {
            let mut own: Vec<_> = own.iter().collect();
            own.sort_by_key(|(kind, _)| *kind);
            hooks.extend(own.into_iter().map(|(_, hook)| Arc::clone(hook)));
        }
        hooks
    }
}

fn bit(kind: EventKind) -> u32 {
    1 << (kind as u32)
}
