//! Anonymous users: the one sign-in provider that needs nobody else. Others are refused by name
//! until they are built.

use crate::changes::{Wish, take, touches, unset, wish};
use crate::guard::Shared;
use crate::system::ANONYMOUS_ID;
use basalt_base::{Error, Map, Reason, Result, Value, object_id};
use basalt_data::{Call, Draft, DraftKind, FieldChange};
use basalt_store::{FieldOp, Op, Path, Record};

/// The field with the data of sign-in providers, and the one provider there is.
pub const AUTH_DATA: &str = "authData";
const ANONYMOUS: &str = "anonymous";
/// Length of the name that an anonymous user gets.
const USERNAME_LENGTH: usize = 25;

/// What a write makes of the anonymous provider.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Link {
    Keep,
    To(String),
    Unlink,
}

/// The refusal of a provider.
pub fn unsupported() -> Error {
    Error::new(
        Reason::UnsupportedService,
        "This authentication method is unsupported.",
    )
}

/// The id in `authData`, when it names the anonymous provider and nothing else but nulls.
/// Errors: `UnsupportedService` for anything else.
fn link_of(auth_data: &Map) -> Result<Link> {
    let mut link = Link::Keep;
    for (provider, data) in auth_data {
        link = match (provider.as_str(), data) {
            (ANONYMOUS, Value::Null) => Link::Unlink,
            // `null` unlinks a provider; there is none to unlink.
            (_, Value::Null) => continue,
            (ANONYMOUS, Value::Map(data)) => match data.get("id") {
                Some(Value::String(id)) if !id.is_empty() && id.len() <= 256 => {
                    Link::To(id.clone())
                }
                _ => return Err(unsupported()),
            },
            _ => return Err(unsupported()),
        };
    }
    Ok(link)
}

/// The anonymous id of a sign-in by `authData`. Errors: `UnsupportedService`.
pub fn id_of(auth_data: &Value) -> Result<Option<String>> {
    match auth_data {
        Value::Map(map) => Ok(match link_of(map)? {
            Link::To(id) => Some(id),
            Link::Keep | Link::Unlink => None,
        }),
        Value::Null => Ok(None),
        _ => Err(unsupported()),
    }
}

/// Completes the draft; true when it makes an anonymous user.
pub fn prepare(shared: &Shared, draft: &mut Draft) -> Result<bool> {
    let link = match wish(draft, AUTH_DATA) {
        Wish::Keep if touches(draft, AUTH_DATA) => return Err(unsupported()),
        Wish::Keep => Link::Keep,
        Wish::Unset | Wish::Set(Value::Null) => Link::Unlink,
        Wish::Set(Value::Map(map)) => link_of(map)?,
        _ => return Err(unsupported()),
    };
    take(draft, AUTH_DATA);
    match link {
        Link::Keep => Ok(false),
        Link::Unlink => {
            if draft.kind == DraftKind::Update {
                unset(draft, ANONYMOUS_ID);
                unset(draft, AUTH_DATA);
                // Clients keep what they sent unless they are told what is left of it.
                let left = Value::Map(Map::new());
                draft.answer.push((AUTH_DATA.into(), left));
            }
            Ok(false)
        }
        Link::To(_) if !shared.options.anonymous_users => Err(unsupported()),
        Link::To(id) => {
            let data = Map::from_iter([("id".to_owned(), Value::String(id.clone()))]);
            let data = Map::from_iter([(ANONYMOUS.to_owned(), Value::Map(data))]);
            draft
                .changes
                .push(FieldChange::set(ANONYMOUS_ID, Value::String(id)));
            draft
                .changes
                .push(FieldChange::set(AUTH_DATA, Value::Map(data)));
            let create = draft.kind == DraftKind::Create;
            if create && matches!(wish(draft, "username"), Wish::Keep) {
                let name = object_id(&*shared.rng, USERNAME_LENGTH);
                let path = Path::field("username");
                let op = Op::Set(Value::String(name.clone()));
                draft.changes.push(FieldChange::Field(FieldOp { path, op }));
                draft.answer.push(("username".into(), Value::String(name)));
            }
            Ok(create)
        }
    }
}

/// Only the user itself and the master key see how the user signs in.
pub fn conceal(call: &Call, record: &mut Record) {
    let own = call.principal.user.as_deref() == Some(&*record.id);
    let empty = matches!(record.get(AUTH_DATA), Some(Value::Map(map)) if map.is_empty());
    if empty || !(own || call.principal.reads_everything()) {
        record.remove(AUTH_DATA);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(provider: &str, data: Value) -> Value {
        Value::Map(Map::from_iter([(provider.to_owned(), data)]))
    }

    #[test]
    fn ids_are_text_and_other_providers_are_refused() {
        let good = map(ANONYMOUS, map("id", Value::from("abc")));
        assert_eq!(id_of(&good).unwrap().as_deref(), Some("abc"));
        assert_eq!(id_of(&map("facebook", Value::Null)).unwrap(), None);
        let bad = [
            map("facebook", map("id", Value::from("abc"))),
            map(ANONYMOUS, map("id", map("$ne", Value::Null))),
            map(ANONYMOUS, map("id", Value::from(""))),
            Value::from("anonymous"),
        ];
        for value in bad {
            assert_eq!(
                id_of(&value).unwrap_err().reason(),
                Reason::UnsupportedService
            );
        }
    }
}
