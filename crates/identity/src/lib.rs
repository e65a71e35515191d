//! Users, sessions, roles and passwords: who a caller is.
//!
//! [`SystemGuard`] looks after the system collections inside the data engine's pipeline;
//! [`Identity`] resolves callers and signs users in and out.
//!
//! What it must never know: HTTP, an adapter's wire names, SQL.

use basalt_base::{AppId, Error, Result, Secret};
use basalt_data::{Call, Data, ObjectPage, Principal, Rank};
use std::sync::Arc;
use std::time::Duration;

/// Product settings of one app that concern its users.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a session lasts; `None` for ever.
    pub session_length: Option<Duration>,
    /// Whether a session's end moves on with its use.
    pub extend_session_on_use: bool,
    /// Whether a changed password ends the user's other sessions.
    pub revoke_session_on_password_reset: bool,
    /// Whether users may sign up without a session of the master key.
    pub allow_client_sign_up: bool,
    /// Whether e-mail addresses are stored in lower case.
    pub convert_email_to_lowercase: bool,
    /// Whether user names are stored in lower case.
    pub convert_username_to_lowercase: bool,
    /// How long a resolved caller may be served from memory; at most 5 s.
    pub cache_time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            session_length: Some(Duration::from_secs(31_536_000)),
            extend_session_on_use: false,
            revoke_session_on_password_reset: true,
            allow_client_sign_up: true,
            convert_email_to_lowercase: false,
            convert_username_to_lowercase: false,
            cache_time: Duration::from_secs(5),
        }
    }
}

/// A resolved caller.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// The digest of the session's token, when there is a session.
    pub session_digest: Option<Arc<str>>,
}

/// A sign-in as asked: one of the names, and the password.
#[derive(Clone, Debug)]
pub struct LogIn {
    /// The user name.
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
    data: Data,
    options: Arc<Options>,
}

impl Identity {
    /// Over the app's data.
    pub fn new(data: Data, options: Options) -> Self {
        Self {
            data,
            options: Arc::new(options),
        }
    }

    /// The caller behind a session token. Errors: `InvalidSession`.
    pub async fn caller(&self, app: &AppId, rank: Rank, token: Option<&str>) -> Result<Caller> {
        let _ = (app, rank, token, &self.data, &self.options);
        Err(Error::internal("not there yet"))
    }

    /// Signs in and makes a session. Errors: `InvalidCredentials` (one message for every cause),
    /// `UsernameMissing`, `PasswordMissing`, `Overloaded`.
    pub async fn log_in(&self, call: &Call, log_in: LogIn) -> Result<LoggedIn> {
        let _ = (call, log_in);
        Err(Error::internal("not there yet"))
    }

    /// Checks a password without making a session; the user as it sees itself.
    pub async fn verify_password(&self, call: &Call, log_in: LogIn) -> Result<ObjectPage> {
        let _ = (call, log_in);
        Err(Error::internal("not there yet"))
    }

    /// Makes a session for a user by the master key (not the read-only one).
    pub async fn log_in_as(&self, call: &Call, user_id: &str) -> Result<LoggedIn> {
        let _ = (call, user_id);
        Err(Error::internal("not there yet"))
    }

    /// Ends the presented session. Without one: nothing.
    pub async fn log_out(&self, call: &Call) -> Result<()> {
        let _ = call;
        Err(Error::internal("not there yet"))
    }

    /// The signed-in user as it sees itself. Errors: `InvalidSession`.
    pub async fn me(&self, call: &Call) -> Result<ObjectPage> {
        let _ = call;
        Err(Error::internal("not there yet"))
    }

    /// The presented session. Errors: `InvalidSession`.
    pub async fn current_session(&self, call: &Call) -> Result<ObjectPage> {
        let _ = call;
        Err(Error::internal("not there yet"))
    }

    /// Makes an additional, restricted session for the signed-in user; the answer carries its
    /// token. Errors: `InvalidSession`, refused fields.
    pub async fn create_session(&self, call: &Call) -> Result<LoggedIn> {
        let _ = call;
        Err(Error::internal("not there yet"))
    }
}
