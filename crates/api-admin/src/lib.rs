//! The small API of the command line and, later, the console: apps of this server.
//!
//! | route | who | what |
//! |---|---|---|
//! | `GET /admin/apps` | operator | lists the apps |
//! | `POST /admin/apps` | operator | makes an app, answers its keys |
//! | `POST /admin/apps/APP/clear` | the app's master key, in development mode | deletes its data |
//! | `GET /admin/apps/APP/queues` | operator | how its queues stand |
//! | `GET /admin/apps/APP/queues/QUEUE?dead=1&after=ID` | operator | tasks, 100 at a time |
//! | `POST /admin/apps/APP/queues/QUEUE/retry` | operator | makes tasks visible now, by default the dead |
//! | `POST /admin/apps/APP/queues/QUEUE/purge` | operator | removes tasks, by default the dead |
//!
//! An operator proves it by `Authorization: Bearer TOKEN`. Errors are
//! `{"error": text, "reason": stable name}`.
//!
//! What it must never know: SQL, any other adapter, how the server keeps apps.

mod api;
mod errors;
mod queues;

pub use api::{AdminApi, AdminApps, AppSummary, LogsAsked, MadeApp, NewApp};
pub use errors::{error_response, status};
