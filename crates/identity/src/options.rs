//! Product settings of one app that concern its users.

use std::time::Duration;

/// Product settings of one app that concern its users.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a session lasts; `None` for ever.
    pub session_length: Option<Duration>,
    /// Whether a session's end moves on with its use (at most once a day).
    pub extend_session_on_use: bool,
    /// Whether a changed password ends the user's other sessions.
    pub revoke_session_on_password_reset: bool,
    /// Whether users may sign up without the master key.
    pub allow_client_sign_up: bool,
    /// Whether users may sign up without a name and password.
    pub anonymous_users: bool,
    /// Whether a new user may be read by itself only.
    pub private_users: bool,
    /// Whether e-mail addresses are stored in lower case.
    pub convert_email_to_lowercase: bool,
    /// Whether user names are stored in lower case.
    pub convert_username_to_lowercase: bool,
    /// Longest user name and role name in bytes.
    pub name_bytes_max: usize,
    /// How long a resolved caller may be served from memory. Changes made on this node take effect
    /// at once; the time bounds what another node did.
    pub cache_time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            session_length: Some(Duration::from_hours(365 * 24)),
            extend_session_on_use: false,
            revoke_session_on_password_reset: true,
            allow_client_sign_up: true,
            anonymous_users: true,
            private_users: true,
            convert_email_to_lowercase: false,
            convert_username_to_lowercase: false,
            name_bytes_max: 512,
            cache_time: Duration::from_secs(5),
        }
    }
}
