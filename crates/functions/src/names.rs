//! The stored names of triggers.

use crate::On;
use basalt_data::EventKind;

use EventKind::{
    AfterDelete, AfterEvent, AfterFind, AfterLogin, AfterLogout, AfterSave, BeforeConnect,
    BeforeDelete, BeforeFind, BeforeLogin, BeforePasswordResetRequest, BeforeSave, BeforeSubscribe,
};

const TABLE: [(EventKind, &str); EventKind::COUNT] = [
    (BeforeSave, "beforeSave"),
    (AfterSave, "afterSave"),
    (BeforeDelete, "beforeDelete"),
    (AfterDelete, "afterDelete"),
    (BeforeFind, "beforeFind"),
    (AfterFind, "afterFind"),
    (BeforeLogin, "beforeLogin"),
    (AfterLogin, "afterLogin"),
    (AfterLogout, "afterLogout"),
    (BeforePasswordResetRequest, "beforePasswordResetRequest"),
    (BeforeConnect, "beforeConnect"),
    (BeforeSubscribe, "beforeSubscribe"),
    (AfterEvent, "afterEvent"),
];

/// The kind of a trigger by its name.
pub fn trigger(name: &str) -> Option<EventKind> {
    TABLE
        .iter()
        .find(|(_, n)| *n == name)
        .map(|(kind, _)| *kind)
}

/// The name of a kind of trigger.
pub fn trigger_name(kind: EventKind) -> &'static str {
    TABLE
        .iter()
        .find(|(k, _)| *k == kind)
        .map_or("", |(_, name)| name)
}

/// Why a trigger of this kind can't be on this collection.
pub(crate) fn refusal(kind: EventKind, collection: &str) -> Option<&'static str> {
    match (kind, collection) {
        (BeforeSave, "_PushStatus") => Some("Only afterSave is allowed on _PushStatus"),
        (BeforeLogin | AfterLogin | BeforePasswordResetRequest, name) if name != "_User" => Some(
            "Only the _User class is allowed for the beforeLogin, afterLogin, and \
             beforePasswordResetRequest triggers",
        ),
        (AfterLogout, name) if name != "_Session" => {
            Some("Only the _Session class is allowed for the afterLogout trigger.")
        }
        (kind, "_Session") if kind != AfterLogout => {
            Some("Only the afterLogout trigger is allowed for the _Session class.")
        }
        (BeforeConnect, name) if name != "@Connect" => {
            Some("Only @Connect is allowed for the beforeConnect trigger.")
        }
        // What keeps the server's own state must not depend on code outside of it.
        (
            _,
            "_Hooks" | "_Idempotency" | "_JobSchedule" | "_JobStatus" | "_GlobalConfig"
            | "_GraphQLConfig",
        ) => Some("This class takes no triggers."),
        _ => None,
    }
}

/// Whether what calls a hook can be kept until it is told.
pub(crate) fn may_be_durable(on: &On) -> bool {
    match on {
        On::Trigger(EventKind::AfterSave | EventKind::AfterDelete, collection) => {
            !collection.starts_with('@')
        }
        _ => false,
    }
}

/// Paths that have two spellings: what is a class of its own also has a route of its own.
const SPELLINGS: [(&str, &str); 4] = [
    ("/users", "/classes/_User"),
    ("/sessions", "/classes/_Session"),
    ("/roles", "/classes/_Role"),
    ("/installations", "/classes/_Installation"),
];

/// The other spelling of a path with a slash in front, such as `/classes/_User/ID` of `/users/ID`;
/// rules about one are about both.
pub fn other_spelling(path: &str) -> Option<String> {
    let other = |from: &str, to: &str| {
        let rest = path.strip_prefix(from)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| format!("{to}{rest}"))
    };
    let both = |(short, long): &(&str, &str)| other(short, long).or_else(|| other(long, short));
    SPELLINGS.iter().find_map(both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_kinds_belong_together() {
        for (kind, name) in TABLE {
            assert_eq!(trigger(name), Some(kind));
            assert_eq!(trigger_name(kind), name);
        }
        for name in ["", "constructor", "__proto__", "BeforeSave", "toString"] {
            assert_eq!(trigger(name), None, "{name}");
        }
    }

    #[test]
    fn some_classes_take_few_triggers() {
        assert!(refusal(BeforeLogin, "Post").is_some());
        assert!(refusal(BeforeLogin, "_User").is_none());
        assert!(refusal(BeforeSave, "_Session").is_some());
        assert!(refusal(AfterLogout, "_Session").is_none());
        assert!(refusal(BeforeSave, "@Config").is_none());
        assert!(refusal(AfterSave, "_Hooks").is_some());
    }
}
