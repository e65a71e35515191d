//! The small API of the command line and, later, the console: apps of this server.
//!
//! | route | who | what |
//! |---|---|---|
//! | `GET /admin/apps` | operator | lists the apps |
//! | `POST /admin/apps` | operator | makes an app, answers its keys |
//! | `POST /admin/apps/APP/clear` | the app's master key, in development mode | deletes its data |
//! | `GET /admin/usage?app=APP` | operator, or the app's master key | what its functions have used |
//! | `GET /admin/apps/APP/queues` | operator | how its queues stand |
//! | `GET /admin/apps/APP/queues/QUEUE?dead=1&after=ID` | operator | tasks, 100 at a time |
//! | `POST /admin/apps/APP/queues/QUEUE/retry` | operator | makes tasks visible now, by default the dead |
//! | `POST /admin/apps/APP/queues/QUEUE/purge` | operator | removes tasks, by default the dead |
//! | `GET /admin/apps/APP/jobs?schedule=ID&limit=N` | operator, master key | the last runs of jobs |
//! | `POST /admin/apps/APP/jobs` | operator, master key | starts a job |
//! | `POST /admin/apps/APP/jobs/RUN/cancel` | operator, master key | cancels a run |
//! | `GET /admin/apps/APP/schedules` | operator, master key | schedules with their next ticks |
//! | `POST /admin/apps/APP/schedules/ID/start` | operator, master key | runs a schedule's job now |
//! | `POST /admin/apps/APP/schedules/ID/pause`, `…/resume` | operator, master key | as it says |
//!
//! An operator proves it by `Authorization: Bearer TOKEN`. Errors are
//! `{"error": text, "reason": stable name}`.
//!
//! What it must never know: SQL, any other adapter, how the server keeps apps.

mod api;
mod errors;
mod jobs;
mod queues;
mod work;

pub use api::{AdminApi, AdminApps, AppSummary, LogsAsked, MadeApp, NewApp, operate};
pub use errors::{error_response, status};
