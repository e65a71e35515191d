//! One decision for every door.

use crate::{Principal, Rank, Rules, system};
use basalt_base::{Error, Reason, Reference, Value};
use basalt_store::{AclEntry, Filter, Test};

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

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 7] = [
        Self::Find,
        Self::Count,
        Self::Get,
        Self::Create,
        Self::Update,
        Self::Delete,
        Self::AddField,
    ];

    /// The word that messages use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Find => "find",
            Self::Count => "count",
            Self::Get => "get",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::AddField => "addField",
        }
    }

    /// Whether it changes nothing.
    pub fn is_read(self) -> bool {
        matches!(self, Self::Find | Self::Count | Self::Get)
    }
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
///
/// The refusal names what is missing; callers that show it to clients go through the engine, which
/// hides the details where the app wants that. Creates are never allowed by a reference in the new
/// object, since whoever makes it chooses what it refers to.
pub fn decide(
    principal: &Principal,
    collection: &str,
    rules: &Rules,
    operation: Operation,
) -> Decision {
    match principal.rank {
        Rank::Master | Rank::Maintenance => Decision::Allow,
        Rank::ReadOnlyMaster if operation.is_read() => Decision::Allow,
        Rank::ReadOnlyMaster => Decision::Deny(Error::new(
            Reason::ReadOnly,
            format!(
                "read-only masterKey isn't allowed to perform the {} operation.",
                operation.word()
            ),
        )),
        Rank::Client => match unreachable_for_clients(collection, operation) {
            Some(error) => Decision::Deny(error),
            None => by_rules(principal, collection, rules, operation),
        },
    }
}

fn unreachable_for_clients(collection: &str, operation: Operation) -> Option<Error> {
    if !collection.starts_with('_') {
        return None;
    }
    let word = match operation {
        Operation::Count => "find",
        Operation::AddField => "update",
        other => other.word(),
    };
    let refused = |what: &str| {
        let text = format!(
            "Clients aren't allowed to perform the {word} operation on the {what} collection."
        );
        Some(Error::new(Reason::OperationForbidden, text))
    };
    match (collection, operation) {
        (system::INSTALLATION, Operation::Find | Operation::Count | Operation::Delete) => {
            refused("installation")
        }
        _ if system::is_for_clients(collection) => None,
        _ => refused(collection),
    }
}

fn by_rules(
    principal: &Principal,
    collection: &str,
    rules: &Rules,
    operation: Operation,
) -> Decision {
    let set = rules.permissions(operation);
    let user = principal.user.as_deref();
    let named = || user.is_some_and(|id| set.users.iter().any(|u| **u == *id));
    let member = || {
        let entries = principal.principals.entries();
        let is_role = |e: &AclEntry| matches!(e, AclEntry::Role(r) if set.roles.contains(r));
        !set.roles.is_empty() && entries.iter().any(is_role)
    };
    if set.public || named() || member() {
        return Decision::Allow;
    }
    if set.authenticated && user.is_none() {
        return Decision::Deny(Error::new(
            Reason::ObjectNotFound,
            "Permission denied, user needs to be authenticated.",
        ));
    }
    let shared = match operation {
        Operation::Find | Operation::Count | Operation::Get => &*rules.read_user_fields,
        Operation::Update | Operation::Delete | Operation::AddField => &*rules.write_user_fields,
        Operation::Create => &[],
    };
    let mut fields = set.user_fields.iter().chain(shared).peekable();
    if operation != Operation::Create && fields.peek().is_some() {
        return Decision::Filter(match user {
            Some(id) => refers_to(id, fields),
            None => Filter::Nothing,
        });
    }
    if set.authenticated {
        return Decision::Allow;
    }
    Decision::Deny(Error::new(
        Reason::AccessDenied,
        format!(
            "Permission denied for action {} on class {collection}.",
            operation.word()
        ),
    ))
}

/// One of the fields refers to the user, alone or in a list.
fn refers_to<'a>(user: &str, fields: impl Iterator<Item = &'a Box<str>>) -> Filter {
    let reference = Reference {
        collection: system::USER.to_owned(),
        id: user.to_owned(),
    };
    let mut names: Vec<&str> = Vec::new();
    for field in fields {
        if !names.contains(&&**field) {
            names.push(field);
        }
    }
    let test = |name: &str| Filter::test(name, Test::Eq(Value::Reference(reference.clone())));
    match &*names {
        [name] => test(name),
        names => Filter::Or(names.iter().map(|name| test(name)).collect()),
    }
}
