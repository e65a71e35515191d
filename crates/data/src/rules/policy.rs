//! Rules made ready for use, kept per version of a collection.

use super::stored::decode;
use super::{FieldRule, Rules};
use crate::{Options, PermissionSet, system};
use basalt_base::Result;
use basalt_store::{Collection, CollectionId};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// What holds for a collection: its rules, and the hidden fields with those of the options.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) rules: Arc<Rules>,
    pub(crate) hidden: Vec<FieldRule>,
}

/// The policies of an app's collections.
#[derive(Default)]
pub(crate) struct Policies {
    by_id: RwLock<HashMap<CollectionId, (u64, Arc<Policy>)>>,
}

impl Policies {
    /// The policy of a collection as it stands.
    pub(crate) fn of(&self, collection: &Collection, options: &Options) -> Result<Arc<Policy>> {
        if let Some((version, policy)) = self.by_id.read().get(&collection.id)
            && *version == collection.version
        {
            return Ok(policy.clone());
        }
        let rules = match decode(&collection.rules)? {
            Some(rules) => rules,
            None => default_rules(&collection.name, options),
        };
        let policy = Arc::new(Policy::new(rules, &collection.name, options));
        self.by_id
            .write()
            .insert(collection.id, (collection.version, policy.clone()));
        Ok(policy)
    }

    /// The policy that a collection will have once it is made.
    pub(crate) fn of_new(name: &str, options: &Options) -> Arc<Policy> {
        Arc::new(Policy::new(default_rules(name, options), name, options))
    }
}

impl Policy {
    fn new(rules: Rules, collection: &str, options: &Options) -> Self {
        let mut hidden = rules.protected_fields.clone();
        for (_, more) in options
            .protected_fields
            .iter()
            .filter(|(name, _)| **name == *collection)
        {
            match hidden.iter_mut().find(|rule| rule.group == more.group) {
                Some(rule) => {
                    let added = more.fields.iter().filter(|f| !rule.fields.contains(f));
                    let added: Vec<_> = added.cloned().collect();
                    rule.fields.extend(added);
                }
                None => hidden.push(more.clone()),
            }
        }
        Self {
            rules: Arc::new(rules),
            hidden,
        }
    }
}

/// The rules of a collection for which nobody has set any.
pub(crate) fn default_rules(collection: &str, options: &Options) -> Rules {
    let open = options.new_collections_open;
    if collection.starts_with('_') {
        return match collection {
            _ if !system::is_for_clients(collection) => Rules::closed(),
            _ if open => Rules::open(),
            // The guard and the objects' ACLs protect these; adding fields to them, or a role that
            // some permission already names, is for the master key.
            system::ROLE => Rules {
                create: PermissionSet::default(),
                add_field: PermissionSet::default(),
                ..Rules::open()
            },
            _ => Rules {
                add_field: PermissionSet::default(),
                ..Rules::open()
            },
        };
    }
    if open { Rules::open() } else { Rules::closed() }
}
