//! The rules of a collection: who may do what, and which fields are hidden from whom.

mod hidden;
mod policy;
mod stored;

pub(crate) use hidden::Viewer;
pub(crate) use policy::{Policies, Policy, default_rules};
pub(crate) use stored::encode;

use crate::Operation;

/// Who may perform one operation. Empty means nobody but the master key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermissionSet {
    /// Everybody.
    pub public: bool,
    /// Every signed-in user.
    pub authenticated: bool,
    /// Users with these ids.
    pub users: Vec<Box<str>>,
    /// Members of the roles with these names.
    pub roles: Vec<Box<str>>,
    /// Users that one of these fields of the object refers to (a reference or a list of them).
    pub user_fields: Vec<Box<str>>,
}

impl PermissionSet {
    /// Everybody may.
    pub fn everybody() -> Self {
        Self {
            public: true,
            ..Self::default()
        }
    }
}

/// Fields hidden from a group of callers. A caller in several groups is hidden only what all hide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRule {
    /// Who: `*`, `authenticated`, `role:NAME`, a user id, or `userField:FIELD`.
    pub group: Box<str>,
    /// The hidden fields.
    pub fields: Vec<Box<str>>,
}

/// The rules of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Queries.
    pub find: PermissionSet,
    /// Counts.
    pub count: PermissionSet,
    /// Gets by id.
    pub get: PermissionSet,
    /// Creates.
    pub create: PermissionSet,
    /// Updates.
    pub update: PermissionSet,
    /// Deletes.
    pub delete: PermissionSet,
    /// Adding fields by writing them.
    pub add_field: PermissionSet,
    /// Users that one of these fields refers to may find, get and count the object.
    pub read_user_fields: Vec<Box<str>>,
    /// Users that one of these fields refers to may update and delete the object.
    pub write_user_fields: Vec<Box<str>>,
    /// Hidden fields.
    pub protected_fields: Vec<FieldRule>,
    /// The ACL that new objects get when they bring none, if the collection has one:
    /// entries with read and write; `currentUser` is the creator.
    pub default_acl: Option<Vec<(Box<str>, bool, bool)>>,
}

impl Rules {
    /// Everybody may do everything, and new objects are everybody's.
    pub fn open() -> Self {
        let everybody = PermissionSet::everybody;
        Self {
            default_acl: Some(vec![("*".into(), true, true)]),
            find: everybody(),
            count: everybody(),
            get: everybody(),
            create: everybody(),
            update: everybody(),
            delete: everybody(),
            add_field: everybody(),
            ..Self::default()
        }
    }

    /// Only the master key gets in.
    pub fn closed() -> Self {
        Self::default()
    }

    /// Who may perform the operation.
    pub fn permissions(&self, operation: Operation) -> &PermissionSet {
        match operation {
            Operation::Find => &self.find,
            Operation::Count => &self.count,
            Operation::Get => &self.get,
            Operation::Create => &self.create,
            Operation::Update => &self.update,
            Operation::Delete => &self.delete,
            Operation::AddField => &self.add_field,
        }
    }
}
