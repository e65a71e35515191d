//! Users, sessions, roles and passwords: who a caller is.
//!
//! [`SystemGuard`] looks after the system collections inside the data engine's pipeline, so that
//! no door can make a user without a hashed password or a session by hand; [`Identity`] resolves
//! callers and signs users in and out. One [`PasswordPool`] serves every app of the process.
//!
//! What it must never know: HTTP, an adapter's wire names, SQL.

mod anonymous;
mod callers;
mod changes;
mod follow;
mod guard;
mod hooks;
mod installation;
mod options;
mod passwords;
mod role;
mod session;
mod sign_in;
mod system;
mod tokens;
mod user;

pub use callers::{Affected, Caller, affected};
pub use guard::{GuardDeps, SystemGuard};
pub use options::Options;
pub use passwords::PasswordPool;
pub use sign_in::{Identity, LogIn, LoggedIn};
pub use tokens::digest;
