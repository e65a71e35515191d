//! Sessions: made by the server only, seen by their owner only, stored without their token.

use crate::callers;
use crate::changes::{Wish, set, take, touches, wish};
use crate::guard::Shared;
use crate::system::{self, SESSION, SESSION_TOKEN};
use crate::tokens::{digest, new_token};
use crate::user;
use basalt_base::{Error, Map, Reason, Result, Secret, Value, object_id};
use basalt_data::{Call, Draft, DraftKind, FieldChange, ObjectQuery, Where};
use basalt_store::{
    Acl, AclEntry, Action, Filter, Path, Precondition, ReadCheck, Record, RecordWrite, SortKey,
    Test, Write,
};
use std::sync::Arc;

/// Why a session is made; becomes its `createdWith`.
pub struct NewSession {
    action: &'static str,
    provider: Option<&'static str>,
}

impl NewSession {
    /// By signing up with a password.
    pub fn sign_up() -> Self {
        Self {
            action: "signup",
            provider: Some("password"),
        }
    }

    /// By logging in with a password.
    pub fn log_in() -> Self {
        Self {
            action: "login",
            provider: Some("password"),
        }
    }

    /// As an anonymous user.
    pub fn anonymous() -> Self {
        Self {
            action: "login",
            provider: Some("anonymous"),
        }
    }

    /// By the master key.
    pub fn master() -> Self {
        Self {
            action: "login",
            provider: Some("masterkey"),
        }
    }

    fn created_with(&self) -> Value {
        let mut map = Map::from_iter([("action".to_owned(), Value::from(self.action))]);
        if let Some(provider) = self.provider {
            map.insert("authProvider".to_owned(), Value::from(provider));
        }
        Value::Map(map)
    }
}

/// The fields of a new session, without what the client may add.
fn fields(
    shared: &Shared,
    user_id: &str,
    why: &NewSession,
    token: &Secret,
) -> Vec<(Arc<str>, Value)> {
    let mut fields: Vec<(Arc<str>, Value)> = vec![
        (SESSION_TOKEN.into(), Value::String(digest(token.expose()))),
        ("user".into(), user::reference(user_id)),
        ("createdWith".into(), why.created_with()),
    ];
    if let Some(length) = shared.options.session_length {
        let end = shared.clock.now().plus(length).truncate_to_millis();
        fields.push(("expiresAt".into(), Value::Timestamp(end)));
    }
    fields
}

/// Only the session's own user may see or end it.
fn own_acl(user_id: &str) -> Acl {
    let own = Some(vec![AclEntry::User(user_id.into())]);
    Acl {
        read: own.clone(),
        write: own,
    }
}

/// The steps that make a session, and end the one of the same installation.
pub fn create_steps(
    shared: &Shared,
    user_id: &str,
    installation: Option<&str>,
    why: &NewSession,
    token: &Secret,
) -> Vec<Write> {
    let mut steps = system::missing(&shared.store.catalogue(), SESSION);
    let mut fields = fields(shared, user_id, why, token);
    if let Some(installation) = installation {
        let same = Filter::And(vec![
            Filter::test("user", Test::Eq(user::reference(user_id))),
            Filter::test("installationId", Test::Eq(Value::from(installation))),
        ]);
        steps.push(Write::DeleteMatching {
            collection: SESSION.into(),
            filter: same,
            limit: u64::MAX,
        });
        fields.push(("installationId".into(), Value::from(installation)));
    }
    steps.push(Write::Record(RecordWrite {
        collection: SESSION.into(),
        id: object_id(&*shared.rng, shared.id_length).into(),
        precondition: Precondition::Absent,
        action: Action::Create {
            fields,
            acl: own_acl(user_id),
        },
        at: shared.clock.now(),
    }));
    steps
}

/// The step that ends every session of a user.
pub fn end_all_of(user_id: &str) -> Write {
    let filter = Filter::test("user", Test::Eq(user::reference(user_id)));
    Write::DeleteMatching {
        collection: SESSION.into(),
        filter,
        limit: u64::MAX,
    }
}

/// Has the write refused unless the caller's session is there when it is applied. A caller is known
/// for a moment after its session ended; what it makes in that moment must not outlive it.
pub async fn hold(shared: &Shared, call: &Call, draft: &mut Draft) -> Result<()> {
    let (Some(digest), false) = (&call.session_digest, call.principal.writes_everything()) else {
        return Ok(());
    };
    let session = callers::find_session(shared, digest).await?;
    let session = session.ok_or_else(callers::invalid)?;
    draft.checks.push(ReadCheck {
        collection: SESSION.into(),
        id: session.id,
        rev: Some(session.rev),
    });
    Ok(())
}

/// Adds a new session to the draft of its user; the answer carries the token.
pub fn start(shared: &Shared, call: &Call, draft: &mut Draft, why: NewSession) {
    let token = new_token(&*shared.rng);
    let installation = call.installation_id.as_deref();
    let steps = create_steps(shared, &draft.id, installation, &why, &token);
    draft.writes_after.extend(steps);
    draft.answer.push((
        SESSION_TOKEN.into(),
        Value::String(token.expose().to_owned()),
    ));
}

/// After a changed password: ends the sessions and gives the user a new one.
pub fn restart(shared: &Shared, call: &Call, draft: &mut Draft) {
    if shared.options.revoke_session_on_password_reset {
        draft.writes_after.push(end_all_of(&draft.id));
        if !call.principal.writes_everything() {
            start(shared, call, draft, NewSession::log_in());
        }
    }
}

/// Clients see their own sessions only, and nobody searches by anything but a whole token.
pub fn rewrite_query(call: &Call, query: &mut ObjectQuery) -> Result<()> {
    translate_tokens(&mut query.filter)?;
    let token = Path::field(SESSION_TOKEN);
    if query
        .sort
        .iter()
        .any(|sort| matches!(&sort.key, SortKey::Path(path) if *path == token))
    {
        return Err(compared_whole());
    }
    if call.principal.reads_everything() {
        return Ok(());
    }
    let Some(user_id) = &call.principal.user else {
        return Err(Error::new(Reason::InvalidSession, "Invalid session token"));
    };
    let own = Where::Test(Path::field("user"), Test::Eq(user::reference(user_id)));
    let asked = std::mem::replace(&mut query.filter, Where::everything());
    query.filter = Where::And(vec![asked, own]);
    Ok(())
}

/// Replaces tokens by their digests; any other test on the token is refused, so that it can't be
/// guessed piece by piece.
fn translate_tokens(filter: &mut Where) -> Result<()> {
    match filter {
        Where::And(list) | Where::Or(list) => list.iter_mut().try_for_each(translate_tokens),
        Where::Not(inner) => translate_tokens(inner),
        Where::Test(path, test) if *path == Path::field(SESSION_TOKEN) => translate_test(test),
        Where::InQuery { path, .. } | Where::Select { path, .. } | Where::OnTime(path, _)
            if *path == Path::field(SESSION_TOKEN) =>
        {
            Err(compared_whole())
        }
        Where::Test(..)
        | Where::OnTime(..)
        | Where::InQuery { .. }
        | Where::Select { .. }
        | Where::RelatedTo { .. } => Ok(()),
    }
}

fn compared_whole() -> Error {
    Error::new(
        Reason::InvalidQuery,
        "A session token can only be compared whole.",
    )
}

fn translate_test(test: &mut Test) -> Result<()> {
    let translate = |value: &mut Value| match value {
        Value::String(token) => {
            *token = digest(token);
            Ok(())
        }
        _ => Err(Error::new(Reason::InvalidSession, "Invalid session token")),
    };
    match test {
        Test::Eq(value) | Test::Ne(value) => translate(value),
        Test::In(values) | Test::NotIn(values) => values.iter_mut().try_for_each(translate),
        Test::Exists(_) => Ok(()),
        _ => Err(compared_whole()),
    }
}

/// Refuses what nobody may write to a session from outside.
pub fn check_input(call: &Call, draft: &Draft) -> Result<()> {
    if call.principal.writes_everything() {
        return Ok(());
    }
    let Some(user_id) = &call.principal.user else {
        let message = match draft.kind {
            DraftKind::Delete => "Invalid session token",
            DraftKind::Create | DraftKind::Update => "Session token required.",
        };
        return Err(Error::new(Reason::InvalidSession, message));
    };
    if draft.acl.is_some() {
        return Err(Error::new(
            Reason::InvalidFieldName,
            "Cannot set ACL on a Session.",
        ));
    }
    let fixed = [
        "user",
        "installationId",
        SESSION_TOKEN,
        "expiresAt",
        "createdWith",
    ];
    // A new session is its maker's, whomever it names; an update may repeat whose it is.
    let harmless = match wish(draft, "user") {
        Wish::Set(value) => draft.kind == DraftKind::Create || *value == user::reference(user_id),
        _ => false,
    };
    let refused = |field: &&&str| touches(draft, field) && !(harmless && **field == "user");
    match fixed.iter().find(refused) {
        Some(field) => Err(Error::new(
            Reason::InvalidFieldName,
            format!("Invalid key name: {field}"),
        )),
        None => Ok(()),
    }
}

/// Completes a session's write: clients get what the server makes, the master key what it says.
pub async fn prepare(shared: &Shared, call: &Call, draft: &mut Draft) -> Result<()> {
    match draft.kind {
        DraftKind::Delete => return of_caller(call, draft),
        DraftKind::Create => {
            draft
                .writes_before
                .extend(system::missing(&shared.store.catalogue(), SESSION));
            if let (Some(user_id), false) = (
                call.principal.user.clone(),
                call.principal.writes_everything(),
            ) {
                hold(shared, call, draft).await?;
                let token = new_token(&*shared.rng);
                let why = NewSession {
                    action: "create",
                    provider: None,
                };
                for (name, value) in fields(shared, &user_id, &why, &token) {
                    draft.answer.push((name.clone(), value.clone()));
                    set(draft, &name, value);
                }
                let shown = Value::String(token.expose().to_owned());
                draft.answer.retain(|(name, _)| &**name != SESSION_TOKEN);
                draft.answer.push((SESSION_TOKEN.into(), shown));
                draft.acl = Some(own_acl(&user_id));
                return Ok(());
            }
        }
        DraftKind::Update => of_caller(call, draft)?,
    }
    store_digest(draft)
}

/// Sessions that the master key made have no ACL; they are their user's all the same.
fn of_caller(call: &Call, draft: &Draft) -> Result<()> {
    let own = call.principal.user.as_deref().map(user::reference);
    let whose = draft
        .before
        .as_ref()
        .and_then(|session| session.get("user"));
    if call.principal.writes_everything() || (own.is_some() && whose == own.as_ref()) {
        return Ok(());
    }
    Err(Error::new(Reason::ObjectNotFound, "Object not found."))
}

/// The master key may write a token; what is stored is its digest.
fn store_digest(draft: &mut Draft) -> Result<()> {
    let stored = match wish(draft, SESSION_TOKEN) {
        Wish::Set(Value::String(token)) => digest(token),
        Wish::Keep => return Ok(()),
        _ => {
            return Err(Error::new(
                Reason::InvalidFieldName,
                "Invalid key name: sessionToken",
            ));
        }
    };
    take(draft, SESSION_TOKEN);
    draft
        .changes
        .push(FieldChange::set(SESSION_TOKEN, Value::String(stored)));
    Ok(())
}

/// Takes out the digest; the caller's own session shows the token that the caller presented.
pub fn conceal(call: &Call, record: &mut Record) {
    let stored = record.remove(SESSION_TOKEN);
    let own = stored.as_ref().and_then(Value::as_str) == call.session_digest.as_deref();
    if let (true, Some(token)) = (own && stored.is_some(), &call.session_token) {
        record.set(&SESSION_TOKEN.into(), Value::from(token.expose()));
    }
    // The ACL of a session is the server's own means.
    record.acl = Acl::default();
}
