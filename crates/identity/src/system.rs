//! The collections that identity keeps, as schema steps. The engine makes their public fields; the
//! internal ones and the indexes are made here, before the first write that needs them.

use basalt_base::Map;
use basalt_store::{
    Catalogue, FieldDef, FieldRef, FieldType, IndexColumn, IndexDef, IndexKind, SchemaChange, Write,
};
use std::sync::Arc;

/// The users.
pub const USER: &str = "_User";
/// The sessions.
pub const SESSION: &str = "_Session";
/// The roles.
pub const ROLE: &str = "_Role";
/// Members of roles.
pub const ROLE_USERS: &str = "_Join:users:_Role";
/// Roles within roles.
pub const ROLE_ROLES: &str = "_Join:roles:_Role";

/// The stored password hash.
pub const HASHED_PASSWORD: &str = "_hashed_password";
/// The user name in the form in which it is unique.
pub const USERNAME_KEY: &str = "_username_key";
/// The e-mail address in the form in which it is unique.
pub const EMAIL_KEY: &str = "_email_key";
/// The session's token; its digest is what is stored.
pub const SESSION_TOKEN: &str = "sessionToken";

/// The id of an anonymous user.
pub const ANONYMOUS_ID: &str = "_auth_anonymous";

type FieldRow = (&'static str, fn() -> FieldType);
type IndexRow = (&'static str, IndexKind, &'static str);

fn text() -> FieldType {
    FieldType::String
}

fn user_fields() -> Vec<FieldRow> {
    vec![
        ("username", text),
        ("password", text),
        ("email", text),
        ("emailVerified", || FieldType::Boolean),
        ("authData", || FieldType::Object),
        (HASHED_PASSWORD, text),
        (USERNAME_KEY, text),
        (EMAIL_KEY, text),
        (ANONYMOUS_ID, text),
    ]
}

fn session_fields() -> Vec<FieldRow> {
    vec![
        ("user", || FieldType::Reference(USER.into())),
        ("installationId", text),
        (SESSION_TOKEN, text),
        ("expiresAt", || FieldType::Date),
        ("createdWith", || FieldType::Object),
    ]
}

const USER_INDEXES: &[IndexRow] = &[
    (USERNAME_KEY, IndexKind::Unique, USERNAME_KEY),
    (EMAIL_KEY, IndexKind::Unique, EMAIL_KEY),
    (ANONYMOUS_ID, IndexKind::Unique, ANONYMOUS_ID),
    ("_username", IndexKind::Ordered, "username"),
    ("_email", IndexKind::Ordered, "email"),
];

const SESSION_INDEXES: &[IndexRow] = &[
    ("_session_token", IndexKind::Unique, SESSION_TOKEN),
    ("_user", IndexKind::Ordered, "user"),
];

const ROLE_INDEXES: &[IndexRow] = &[("_role_name", IndexKind::Unique, "name")];

/// The schema steps that the collection still lacks; empty in the steady state.
pub fn missing(catalogue: &Catalogue, collection: &str) -> Vec<Write> {
    let (fields, indexes) = match collection {
        USER => (user_fields(), USER_INDEXES),
        SESSION => (session_fields(), SESSION_INDEXES),
        ROLE => (vec![("name", text as fn() -> FieldType)], ROLE_INDEXES),
        _ => return Vec::new(),
    };
    let present = catalogue.collection(collection);
    let name: Arc<str> = collection.into();
    let mut steps = Vec::new();
    if present.is_none() {
        steps.push(SchemaChange::EnsureCollection {
            name: name.clone(),
            rules: Map::new(),
        });
    }
    for (field, ty) in fields {
        if present.is_none_or(|c| c.field(field).is_none()) {
            let field = FieldDef::new(field, ty());
            steps.push(SchemaChange::EnsureField {
                collection: name.clone(),
                field,
            });
        }
    }
    for (index, kind, field) in indexes {
        if present.is_none_or(|c| c.indexes.iter().all(|i| &*i.name != *index)) {
            let column = IndexColumn {
                field: FieldRef::Named((*field).into()),
                descending: false,
            };
            let index = IndexDef {
                name: (*index).into(),
                kind: *kind,
                columns: vec![column],
            };
            steps.push(SchemaChange::CreateIndex {
                collection: name.clone(),
                index,
            });
        }
    }
    steps.into_iter().map(Write::Schema).collect()
}
