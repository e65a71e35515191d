//! Users on their way through the pipeline: names, passwords, e-mail addresses, sessions.

use crate::anonymous;
use crate::changes::{Wish, set, take, touches, unset, wish};
use crate::guard::Shared;
use crate::session::{self, NewSession};
use crate::system::{
    self, ANONYMOUS_ID, EMAIL_KEY, HASHED_PASSWORD, SESSION_TOKEN, USER, USERNAME_KEY,
};
use basalt_base::{Error, Reason, Reference, Result, Secret, Value};
use basalt_data::{Call, Draft, DraftKind, ObjectQuery, Where};
use basalt_store::{AclEntry, FieldRef, Path, Record, SortKey};
use unicode_normalization::UnicodeNormalization;

/// Fields that nobody is shown, not even the maintenance key.
const SECRET_FIELDS: [&str; 6] = [
    SESSION_TOKEN,
    HASHED_PASSWORD,
    USERNAME_KEY,
    EMAIL_KEY,
    ANONYMOUS_ID,
    "password",
];

/// Fields by which nobody searches or sorts: with either they could be guessed piece by piece.
const UNSEARCHED_FIELDS: [&str; 2] = [SESSION_TOKEN, HASHED_PASSWORD];

/// Refuses queries that are about secrets, those of the maintenance key too.
pub fn rewrite_query(query: &ObjectQuery) -> Result<()> {
    let refuse = |path: &Path| match &path.root {
        FieldRef::Named(name) if UNSEARCHED_FIELDS.contains(&&**name) => Err(Error::new(
            Reason::InvalidFieldName,
            format!("Invalid key name: {name}"),
        )),
        _ => Ok(()),
    };
    for sort in &query.sort {
        if let SortKey::Path(path) = &sort.key {
            refuse(path)?;
        }
    }
    each_path(&query.filter, &refuse)
}

fn each_path(filter: &Where, visit: &impl Fn(&Path) -> Result<()>) -> Result<()> {
    match filter {
        Where::And(list) | Where::Or(list) => list.iter().try_for_each(|w| each_path(w, visit)),
        Where::Not(inner) => each_path(inner, visit),
        Where::Test(path, _)
        | Where::OnTime(path, _)
        | Where::InQuery { path, .. }
        | Where::Select { path, .. } => visit(path),
        Where::RelatedTo { .. } => Ok(()),
    }
}

/// The form in which user names and e-mail addresses are unique: composed and in lower case.
pub fn unique_key(text: &str) -> String {
    text.nfc()
        .collect::<String>()
        .to_lowercase()
        .nfc()
        .collect()
}

/// Refuses what a client can't do to users.
pub fn check_input(call: &Call, draft: &Draft, shared: &Shared) -> Result<()> {
    if call.principal.writes_everything() {
        return Ok(());
    }
    if touches(draft, "emailVerified") {
        return Err(Error::new(
            Reason::OperationForbidden,
            "Clients aren't allowed to manually update email verification.",
        ));
    }
    let signed_in = call.principal.user.is_some();
    match draft.kind {
        DraftKind::Create if !shared.options.allow_client_sign_up => Err(Error::new(
            Reason::OperationForbidden,
            "This app does not let clients sign up.",
        )),
        DraftKind::Update if !signed_in => Err(Error::new(
            Reason::SessionMissing,
            format!("Cannot modify user {}.", draft.id),
        )),
        DraftKind::Delete if call.principal.user.as_deref() != Some(&*draft.id) => Err(Error::new(
            Reason::SessionMissing,
            "Insufficient auth to delete user",
        )),
        _ => Ok(()),
    }
}

/// Validates and completes a user's write.
pub async fn prepare(shared: &Shared, call: &Call, draft: &mut Draft) -> Result<()> {
    if draft.kind == DraftKind::Delete {
        draft.writes_after.push(session::end_all_of(&draft.id));
        return Ok(());
    }
    if draft.id.starts_with("role:") {
        return Err(Error::new(Reason::OperationForbidden, "Invalid object ID."));
    }
    // Clients send back what a sign-in gave them; tokens are made by the server and belong to
    // sessions.
    take(draft, SESSION_TOKEN);
    let opens = ["password", "email", "username", "authData"];
    if draft.kind == DraftKind::Update && opens.iter().any(|field| touches(draft, field)) {
        session::hold(shared, call, draft).await?;
    }
    let anonymous = anonymous::prepare(shared, draft)?;
    prepare_username(shared, draft)?;
    prepare_email(shared, draft)?;
    let password_changed = prepare_password(shared, draft, anonymous).await?;
    prepare_acl(shared, call, draft);
    draft
        .writes_before
        .extend(system::missing(&shared.store.catalogue(), USER));
    match draft.kind {
        DraftKind::Create if anonymous => {
            session::start(shared, call, draft, NewSession::anonymous());
        }
        DraftKind::Create => session::start(shared, call, draft, NewSession::sign_up()),
        _ if password_changed => session::restart(shared, call, draft),
        _ => {}
    }
    Ok(())
}

fn prepare_username(shared: &Shared, draft: &mut Draft) -> Result<()> {
    let bad = || {
        Err(Error::new(
            Reason::UsernameMissing,
            "bad or missing username",
        ))
    };
    let name = match wish(draft, "username") {
        Wish::Keep if draft.kind == DraftKind::Update => return Ok(()),
        Wish::Set(Value::String(name)) if !name.is_empty() => name.clone(),
        _ => return bad(),
    };
    let max = shared.options.name_bytes_max;
    if name.len() > max {
        return Err(Error::new(
            Reason::ValidationFailed,
            format!("A user name may have {max} bytes."),
        ));
    }
    let stored = if shared.options.convert_username_to_lowercase {
        name.to_lowercase()
    } else {
        name.clone()
    };
    set(draft, USERNAME_KEY, Value::String(unique_key(&name)));
    set(draft, "username", Value::String(stored));
    Ok(())
}

fn prepare_email(shared: &Shared, draft: &mut Draft) -> Result<()> {
    let email = match wish(draft, "email") {
        Wish::Keep => return Ok(()),
        Wish::Unset | Wish::Set(Value::Null) => {
            unset(draft, EMAIL_KEY);
            return Ok(());
        }
        Wish::Set(Value::String(email)) if looks_like_email(email) => email.clone(),
        _ => {
            return Err(Error::new(
                Reason::InvalidEmail,
                "Email address format is invalid.",
            ));
        }
    };
    let stored = if shared.options.convert_email_to_lowercase {
        email.to_lowercase()
    } else {
        email.clone()
    };
    set(draft, EMAIL_KEY, Value::String(unique_key(&email)));
    set(draft, "email", Value::String(stored));
    Ok(())
}

/// Longest e-mail address: 64 bytes before the `@` and 255 after it.
const EMAIL_BYTES_MAX: usize = 320;

/// As lenient as Parse: something, an `@`, something; no control characters, since addresses end
/// up in the headers of mail.
fn looks_like_email(text: &str) -> bool {
    text.len() <= EMAIL_BYTES_MAX
        && !text.chars().any(char::is_control)
        && text
            .split_once('@')
            .is_some_and(|(left, right)| !left.is_empty() && !right.is_empty())
}

/// Replaces the password by its hash; true when there was one.
async fn prepare_password(shared: &Shared, draft: &mut Draft, optional: bool) -> Result<bool> {
    let password = match wish(draft, "password") {
        Wish::Keep if optional || draft.kind == DraftKind::Update => return Ok(false),
        Wish::Set(Value::String(password)) if !password.is_empty() => Secret::new(password.clone()),
        _ => return Err(Error::new(Reason::PasswordMissing, "password is required")),
    };
    take(draft, "password");
    let hash = shared.passwords.hash(password).await?;
    set(draft, HASHED_PASSWORD, Value::String(hash));
    Ok(true)
}

/// A user can't lock itself out, only the master key can.
fn prepare_acl(shared: &Shared, call: &Call, draft: &mut Draft) {
    if draft.kind == DraftKind::Update && call.principal.writes_everything() {
        return;
    }
    let own = AclEntry::User(draft.id.clone());
    let acl = match (&mut draft.acl, draft.kind) {
        (Some(acl), _) => acl,
        (slot @ None, DraftKind::Create) => {
            let everybody = (!shared.options.private_users).then_some(AclEntry::Public);
            slot.insert(basalt_store::Acl {
                read: Some(everybody.into_iter().collect()),
                write: Some(Vec::new()),
            })
        }
        (None, _) => return,
    };
    for list in [&mut acl.read, &mut acl.write].into_iter().flatten() {
        if !list.contains(&own) {
            list.push(own.clone());
        }
    }
}

/// Takes out what nobody is shown.
pub fn conceal(call: &Call, record: &mut Record) {
    anonymous::conceal(call, record);
    record
        .fields
        .retain(|(name, _)| !SECRET_FIELDS.contains(&&**name));
}

/// A reference to the user.
pub fn reference(id: &str) -> Value {
    Value::Reference(Reference {
        collection: USER.to_owned(),
        id: id.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_in_composed_lower_case() {
        assert_eq!(unique_key("ÉMILE"), unique_key("e\u{301}mile"));
        assert_ne!(unique_key("anna"), unique_key("anne"));
    }

    #[test]
    fn email_addresses_need_both_sides() {
        assert!(looks_like_email("a@b"));
        assert!(
            ["", "a", "@b", "a@", "a@b\r\nBcc: c@d"]
                .iter()
                .all(|bad| !looks_like_email(bad))
        );
    }
}
