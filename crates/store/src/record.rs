//! An object as stored, and its ACL.

use basalt_base::{Timestamp, Value};
use std::sync::Arc;

/// Someone an ACL can name. Typed, so that a user whose id reads `role:admin` is never a role.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AclEntry {
    /// Everybody.
    Public,
    /// The user with this id.
    User(Box<str>),
    /// The members of the role with this name.
    Role(Box<str>),
}

impl AclEntry {
    /// The stored form: `*`, `u:ID` or `r:NAME`.
    pub fn token(&self) -> String {
        match self {
            Self::Public => "*".to_owned(),
            Self::User(id) => format!("u:{id}"),
            Self::Role(name) => format!("r:{name}"),
        }
    }

    /// From the stored form; `None` for anything else.
    pub fn from_token(token: &str) -> Option<Self> {
        match token {
            "*" => Some(Self::Public),
            _ => match token.split_at_checked(2)? {
                ("u:", id) => Some(Self::User(id.into())),
                ("r:", name) => Some(Self::Role(name.into())),
                _ => None,
            },
        }
    }
}

/// What an ACL is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reading the object.
    Read,
    /// Changing or deleting it.
    Write,
}

/// Most entries that the engine lets into one list of an ACL: every read compares them with the
/// caller's, and roles are there for more.
pub const ACL_ENTRIES_MAX: usize = 1_000;

/// An object's own permissions. `None` lets everybody in; an empty list nobody but the master key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    /// Who may read.
    pub read: Option<Vec<AclEntry>>,
    /// Who may write.
    pub write: Option<Vec<AclEntry>>,
}

impl Acl {
    /// Whether one of the principals is let in.
    pub fn allows(&self, access: Access, principals: &Principals) -> bool {
        let list = match access {
            Access::Read => &self.read,
            Access::Write => &self.write,
        };
        match list {
            None => true,
            Some(entries) => entries.iter().any(|entry| principals.contains(entry)),
        }
    }
}

/// Everyone that the caller counts as: the public, a user, roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principals {
    entries: Vec<AclEntry>,
    tokens: Vec<String>,
}

impl Principals {
    /// From entries; `Public` is always one of them.
    pub fn new(entries: impl IntoIterator<Item = AclEntry>) -> Self {
        let mut all = vec![AclEntry::Public];
        all.extend(entries.into_iter().filter(|e| *e != AclEntry::Public));
        let tokens = all.iter().map(AclEntry::token).collect();
        Self {
            entries: all,
            tokens,
        }
    }

    /// Whether the entry is one of them.
    pub fn contains(&self, entry: &AclEntry) -> bool {
        self.entries.contains(entry)
    }

    /// All entries.
    pub fn entries(&self) -> &[AclEntry] {
        &self.entries
    }

    /// The stored forms of all entries, for the dialects.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }
}

/// An object as stored.
#[derive(Clone, Debug)]
pub struct Record {
    /// The object's id, unique in its collection.
    pub id: Box<str>,
    /// When it was created (millisecond precision).
    pub created_at: Timestamp,
    /// When it was last written (millisecond precision).
    pub updated_at: Timestamp,
    /// The position of its last write: never the same for two states of an id.
    pub rev: u64,
    /// Its permissions.
    pub acl: Acl,
    /// The named fields that have a value (null included), in the collection's order; then nulls
    /// under names that are no fields, by name.
    pub fields: Vec<(Arc<str>, Value)>,
}

impl Record {
    /// The value of a named field; `None` when it is missing or was not read.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields
            .iter()
            .find(|(n, _)| &**n == name)
            .map(|(_, value)| value)
    }

    /// Sets or replaces a named field.
    pub fn set(&mut self, name: &Arc<str>, value: Value) {
        match self.fields.iter_mut().find(|(n, _)| n == name) {
            Some((_, slot)) => *slot = value,
            None => self.fields.push((name.clone(), value)),
        }
    }

    /// Removes a named field and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.fields.iter().position(|(n, _)| &**n == name)?;
        Some(self.fields.remove(at).1)
    }
}
