//! The grammar of names: collections, fields, and what may stand in a path.

use crate::system;
use basalt_store::{FieldRef, Path};

/// Longest name of a collection or field in bytes.
const NAME_BYTES_MAX: usize = 200;
/// Longest id that a client may choose, in bytes.
const ID_BYTES_MAX: usize = 255;

/// What paths call the id of an object, also of one that a reference names.
pub(crate) const ID: &str = "objectId";

/// Names of the parts that every object has, which no field may take.
const RESERVED: [&str; 4] = [ID, "createdAt", "updatedAt", "ACL"];

/// A letter, then letters, digits and `_`.
pub(crate) fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= NAME_BYTES_MAX
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether a field of this collection may have the name; internal ones (`_x`) may not.
pub(crate) fn is_field(name: &str, collection: &str) -> bool {
    is_identifier(name) && name != "length" && (name != "className" || collection == "_Hooks")
}

/// Whether the name is one of the parts that every object has.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Whether a collection may have the name.
pub(crate) fn is_collection(name: &str) -> bool {
    if name.starts_with('_') {
        return system::is_system(name) || is_join(name);
    }
    is_identifier(name) && name != "length" && name != "className"
}

/// Whether the name is that of a join collection, `_Join:FIELD:COLLECTION`.
pub(crate) fn is_join(name: &str) -> bool {
    name.strip_prefix("_Join:")
        .and_then(|rest| rest.split_once(':'))
        .is_some_and(|(field, owner)| {
            is_identifier(field) && (is_identifier(owner) || system::is_system(owner))
        })
}

/// The collection that keeps a relation field's pairs.
pub(crate) fn join(collection: &str, field: &str) -> String {
    format!("_Join:{field}:{collection}")
}

/// Whether a client may choose this id.
pub(crate) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.chars().any(char::is_control)
}

/// Whether the name is that of a field that only the maintenance key sees.
pub(crate) fn is_internal(name: &str) -> bool {
    name.starts_with('_')
}

/// The steps below a path's root are plain: letters, digits and `_`.
pub(crate) fn has_plain_steps(path: &Path) -> bool {
    path.rest.iter().all(|step| {
        !step.is_empty() && step.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// The path as messages show it.
pub(crate) fn dotted(path: &Path) -> String {
    let root = match &path.root {
        FieldRef::Id => ID,
        FieldRef::CreatedAt => "createdAt",
        FieldRef::UpdatedAt => "updatedAt",
        FieldRef::Named(name) => name,
    };
    path.rest.iter().fold(root.to_owned(), |mut text, step| {
        text.push('.');
        text.push_str(step);
        text
    })
}

/// The field that a dotted key begins with.
pub(crate) fn root(key: &str) -> &str {
    key.split('.').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_are_identifiers_or_known_system_names() {
        for good in [
            "Post",
            "a_1",
            "_User",
            "_Join:likes:Post",
            "_Join:users:_Role",
        ] {
            assert!(is_collection(good), "{good}");
        }
        let bad = [
            "",
            "1a",
            "_Post",
            "a-b",
            "a.b",
            "a'b",
            "Über",
            "length",
            "className",
            "_Join:a",
            "_Join:a;b:Post",
            "_Join:a:_Nope",
            "__proto__",
        ];
        for name in bad {
            assert!(!is_collection(name), "{name}");
        }
        assert!(!is_collection(&"a".repeat(NAME_BYTES_MAX + 1)));
    }

    #[test]
    fn fields_are_identifiers_without_reserved_words() {
        assert!(is_field("title", "Post") && is_field("className", "_Hooks"));
        for name in ["_x", "a b", "a\"b", "length", "className", "9", ""] {
            assert!(!is_field(name, "Post"), "{name}");
        }
    }
}
