//! The small API of the command line and, later, the console: apps of this server.
//!
//! | route | who | what |
//! |---|---|---|
//! | `GET /admin/apps` | operator | lists the apps |
//! | `POST /admin/apps` | operator | makes an app, answers its keys |
//! | `POST /admin/apps/APP/clear` | the app's master key, in development mode | deletes its data |
//!
//! An operator proves it by `Authorization: Bearer TOKEN`. Errors are
//! `{"error": text, "reason": stable name}`.
//!
//! What it must never know: SQL, any other adapter, how the server keeps apps.

mod api;
mod errors;

pub use api::{AdminApi, AdminApps, AppSummary, LogsAsked, MadeApp, NewApp};
pub use errors::{error_response, status};
