//! Signing in and out.

use crate::anonymous;
use crate::callers::{self, Affected, Caller, affected};
use crate::guard::{Shared, SystemGuard};
use crate::session::{self, NewSession};
use crate::system::{ANONYMOUS_ID, EMAIL_KEY, HASHED_PASSWORD, SESSION, USER};
use crate::tokens::{digest, new_token};
use crate::user::unique_key;
use basalt_base::{AppId, Error, Reason, Result, Secret, Value};
use basalt_data::{Call, Data, ObjectPage, ObjectQuery, Principal, Rank};
use basalt_store::{
    Action, FieldOp, Filter, Op, Path, Precondition, Query, ReadCheck, ReadOptions, Record,
    RecordWrite, Test, Write, WriteBatch,
};
use std::sync::Arc;

/// A sign-in as asked: one of the names, and the password.
#[derive(Clone, Debug)]
pub struct LogIn {
    /// The user name; an e-mail address is taken too when `email` is absent.
    pub username: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The password.
    pub password: Secret,
}

/// A signed-in user.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// The user, as it sees itself.
    pub user: ObjectPage,
    /// The new session's token; shown this once.
    pub session_token: Secret,
}

/// Users, sessions and roles of one app. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    pub(crate) data: Data,
    pub(crate) shared: Arc<Shared>,
}

/// How often a sign-in is tried again because its user is being changed.
const CONFLICTS_MAX: usize = 5;

/// A user whose password was right.
struct Authenticated {
    user: Record,
    /// Whether the stored hash is of an old kind.
    outdated: bool,
}

/// An empty ACL locks a user out.
fn is_locked_out(user: &Record) -> bool {
    let nobody = |list: &Option<Vec<_>>| list.as_ref().is_some_and(Vec::is_empty);
    nobody(&user.acl.read) && nobody(&user.acl.write)
}

fn wrong() -> Error {
    Error::new(Reason::InvalidCredentials, "Invalid username/password.")
}

/// Sessions are written past the engine, so that its refusal of the read-only master key has to
/// be made here too.
fn check_may_write(call: &Call) -> Result<()> {
    match call.principal.rank {
        Rank::ReadOnlyMaster => Err(Error::new(
            Reason::ReadOnly,
            "Cannot perform a write operation when using readOnlyMasterKey",
        )),
        Rank::Client | Rank::Master | Rank::Maintenance => Ok(()),
    }
}

impl Identity {
    /// Over the app's data and the guard that it was made with.
    pub fn new(data: Data, guard: &SystemGuard) -> Self {
        Self {
            data,
            shared: guard.shared.clone(),
        }
    }

    /// The caller of a request. A key of higher rank outweighs a session for the rights, and the
    /// session still says who it is. Errors: `InvalidSession`.
    pub async fn caller(&self, app: &AppId, rank: Rank, token: Option<&str>) -> Result<Caller> {
        let Some(token) = token else {
            return Ok(callers::without_session(app, rank));
        };
        match callers::resolve(&self.shared, app, token).await {
            Ok(mut caller) => {
                caller.principal.rank = rank;
                Ok(caller)
            }
            // A stale token must not lock the master key out.
            Err(e) if e.reason() == Reason::InvalidSession && rank != Rank::Client => {
                Ok(callers::without_session(app, rank))
            }
            Err(e) => Err(e),
        }
    }

    /// A stored object changed, here or on another node: forgets what that makes void, and says
    /// whose rights it may alter. Without the objects: all of the collection went.
    pub fn forget(
        &self,
        collection: &str,
        before: Option<&Record>,
        after: Option<&Record>,
    ) -> Affected {
        let affected = affected(collection, before, after);
        match &affected {
            Affected::Nobody => {}
            Affected::User(id) => self.shared.callers.forget_user(id),
            Affected::Everybody => self.forget_all(),
        }
        affected
    }

    /// Has every caller be resolved again.
    pub fn forget_all(&self) {
        self.shared.callers.forget_all();
    }

    /// Signs in and makes a session. Errors: `InvalidCredentials` (one message for every cause),
    /// `UsernameMissing`, `PasswordMissing`, `Overloaded`.
    pub async fn log_in(&self, call: &Call, log_in: LogIn) -> Result<LoggedIn> {
        let password = log_in.password.clone();
        let Authenticated { mut user, outdated } = self.authenticate(call, log_in).await?;
        self.run_before_login(call, &user).await?;
        for _ in 0..CONFLICTS_MAX {
            let why = NewSession::log_in();
            match self
                .start_session(call, &user.id, &why, Some(user.rev))
                .await
            {
                // Something changed the user since its password was checked: not that, please.
                Err(e) if e.reason() == Reason::TransactionConflict => {
                    let now = self.shared.store.get(USER, &user.id).await?;
                    let unchanged = |now: &Record| {
                        now.get(HASHED_PASSWORD) == user.get(HASHED_PASSWORD) && now.acl == user.acl
                    };
                    user = now.filter(unchanged).ok_or_else(wrong)?;
                }
                Ok(logged_in) => {
                    if outdated {
                        self.upgrade_hash(&user, password).await?;
                    }
                    self.run_after_login(call, &user).await;
                    return Ok(logged_in);
                }
                other => return other,
            }
        }
        Err(Error::new(
            Reason::TransactionConflict,
            "The user changes too often.",
        ))
    }

    /// Signs in by the data of a provider; `None` when nobody has signed up with it yet, and a
    /// create with the same data makes the user. Errors: `UnsupportedService`.
    pub async fn log_in_with(&self, call: &Call, auth_data: &Value) -> Result<Option<LoggedIn>> {
        let Some(id) = anonymous::id_of(auth_data)? else {
            return Ok(None);
        };
        // Those who signed up while it was possible are no exception.
        if !self.shared.options.anonymous_users {
            return Err(anonymous::unsupported());
        }
        let filter = Filter::test(ANONYMOUS_ID, Test::Eq(Value::String(id)));
        let query = Query::all(USER).filter(filter).limit(1);
        let found = self
            .shared
            .store
            .find(&query, ReadOptions::default())
            .await?;
        match found.records.first() {
            Some(user) if is_locked_out(user) && !call.principal.writes_everything() => Err(
                Error::new(Reason::AccountAlreadyLinked, "this auth is already used"),
            ),
            Some(user) => {
                self.run_before_login(call, user).await?;
                let why = NewSession::anonymous();
                let logged_in = self.start_session(call, &user.id, &why, None).await?;
                self.run_after_login(call, user).await;
                Ok(Some(logged_in))
            }
            None => Ok(None),
        }
    }

    /// Checks a password without making a session; the user as it sees itself.
    pub async fn verify_password(&self, call: &Call, log_in: LogIn) -> Result<ObjectPage> {
        let password = log_in.password.clone();
        let Authenticated { user, outdated } = self.authenticate(call, log_in).await?;
        if outdated {
            self.upgrade_hash(&user, password).await?;
        }
        self.user_page(call, &user.id).await
    }

    /// Makes a session for a user by the master key (not the read-only one).
    pub async fn log_in_as(&self, call: &Call, user_id: &str) -> Result<LoggedIn> {
        if !call.principal.writes_everything() {
            return Err(Error::new(
                Reason::OperationForbidden,
                "master key is required",
            ));
        }
        if self.shared.store.get(USER, user_id).await?.is_none() {
            return Err(Error::new(Reason::ObjectNotFound, "user not found"));
        }
        self.start_session(call, user_id, &NewSession::master(), None)
            .await
    }

    /// Ends the presented session. Without one: nothing.
    pub async fn log_out(&self, call: &Call) -> Result<()> {
        check_may_write(call)?;
        let Some(digest) = &call.session_digest else {
            return Ok(());
        };
        let ended = self.ending_session(digest).await?;
        let filter = Filter::test(
            crate::system::SESSION_TOKEN,
            Test::Eq(Value::from(&**digest)),
        );
        let step = Write::DeleteMatching {
            collection: SESSION.into(),
            filter,
            limit: 1,
        };
        self.apply(WriteBatch::of(vec![step])).await?;
        if let Some(id) = &call.principal.user {
            self.shared.callers.forget_user(id);
        }
        if let Some(session) = ended {
            self.run_after_logout(call, session).await;
        }
        Ok(())
    }

    /// The signed-in user as it sees itself. Errors: `InvalidSession`.
    pub async fn me(&self, call: &Call) -> Result<ObjectPage> {
        match (&call.session_digest, &call.principal.user) {
            (Some(_), Some(id)) => self.user_page(call, id).await,
            _ => Err(Error::new(Reason::InvalidSession, "Invalid session token")),
        }
    }

    /// The session with this token, for whoever knows it: also one that has expired, which says
    /// when it did and opens nothing else. Errors: `InvalidSession`.
    pub async fn session(&self, call: &Call, token: &str) -> Result<ObjectPage> {
        let invalid = || Error::new(Reason::InvalidSession, "Session token not found.");
        let session = callers::find_session(&self.shared, &digest(token))
            .await?
            .ok_or_else(invalid)?;
        let query = ObjectQuery {
            is_get: true,
            ..ObjectQuery::of(SESSION)
        };
        self.data.get(&call.as_master(), &session.id, query).await
    }

    /// The user whose name and password these are. Takes as long when there is none.
    async fn authenticate(&self, call: &Call, log_in: LogIn) -> Result<Authenticated> {
        let LogIn {
            username,
            email,
            password,
        } = log_in;
        if username.as_deref().unwrap_or_default().is_empty()
            && email.as_deref().unwrap_or_default().is_empty()
        {
            return Err(Error::new(
                Reason::UsernameMissing,
                "username/email is required.",
            ));
        }
        if password.expose().is_empty() {
            return Err(Error::new(Reason::PasswordMissing, "password is required."));
        }
        let user = self
            .find_user(username.as_deref(), email.as_deref())
            .await?;
        let stored = user
            .as_ref()
            .and_then(|u| u.get(HASHED_PASSWORD)?.as_str().map(str::to_owned));
        let verdict = self.shared.passwords.verify(password, stored).await?;
        let Some(user) = user.filter(|_| verdict.matches) else {
            return Err(wrong());
        };
        if is_locked_out(&user) && !call.principal.writes_everything() {
            return Err(wrong());
        }
        Ok(Authenticated {
            user,
            outdated: verdict.outdated,
        })
    }

    async fn find_user(
        &self,
        username: Option<&str>,
        email: Option<&str>,
    ) -> Result<Option<Record>> {
        let by_name = |name: &str| Filter::test("username", Test::Eq(Value::from(name)));
        let by_email =
            |email: &str| Filter::test(EMAIL_KEY, Test::Eq(Value::String(unique_key(email))));
        let filters = match (username, email) {
            (Some(name), Some(email)) => vec![by_name(name).and(by_email(email))],
            (None, Some(email)) => vec![by_email(email)],
            // A name wins over an equal e-mail address of somebody else.
            (Some(name), None) => vec![by_name(name), by_email(name)],
            (None, None) => Vec::new(),
        };
        for filter in filters {
            let query = Query::all(USER).filter(filter).limit(1);
            let found = self
                .shared
                .store
                .find(&query, ReadOptions::default())
                .await?;
            if let Some(user) = found.records.into_iter().next() {
                return Ok(Some(user));
            }
        }
        Ok(None)
    }

    /// Replaces a hash of an old kind, unless the password was changed meanwhile.
    async fn upgrade_hash(&self, user: &Record, password: Secret) -> Result<()> {
        let hash = self.shared.passwords.hash(password).await?;
        let op = FieldOp {
            path: Path::field(HASHED_PASSWORD),
            op: Op::Set(Value::String(hash)),
        };
        let write = RecordWrite {
            collection: USER.into(),
            id: user.id.clone(),
            precondition: Precondition::Revision(user.rev),
            action: Action::Update {
                ops: vec![op],
                acl: None,
                upsert: false,
            },
            at: user.updated_at,
        };
        match self.apply(WriteBatch::of(vec![Write::Record(write)])).await {
            Err(e) if e.reason() == Reason::PreconditionFailed => Ok(()),
            other => other,
        }
    }

    async fn start_session(
        &self,
        call: &Call,
        user_id: &str,
        why: &NewSession,
        rev: Option<u64>,
    ) -> Result<LoggedIn> {
        check_may_write(call)?;
        let token = new_token(&*self.shared.rng);
        let installation = call.installation_id.as_deref();
        let steps = session::create_steps(&self.shared, user_id, installation, why, &token);
        let check = rev.map(|rev| ReadCheck {
            collection: USER.into(),
            id: user_id.into(),
            rev: Some(rev),
        });
        let batch = WriteBatch {
            checks: check.into_iter().collect(),
            ..WriteBatch::of(steps)
        };
        self.apply(batch).await?;
        self.shared.callers.forget_user(user_id);
        Ok(LoggedIn {
            user: self.user_page(call, user_id).await?,
            session_token: token,
        })
    }

    /// The user as it sees itself.
    async fn user_page(&self, call: &Call, user_id: &str) -> Result<ObjectPage> {
        let app = call.principal.app.clone();
        let own = Call {
            principal: Principal::user(app, user_id, []),
            ..call.clone()
        };
        let query = ObjectQuery {
            is_get: true,
            ..ObjectQuery::of(USER)
        };
        self.data.get(&own, user_id, query).await
    }

    async fn apply(&self, batch: WriteBatch) -> Result<()> {
        for done in self.shared.store.write(vec![batch]).await? {
            done?;
        }
        Ok(())
    }
}
