//! The Parse REST protocol: decode, one engine call, encode.
//!
//! A request goes through `api` (who calls, with which key and session), `routes` (the table), a
//! handler that decodes, makes one engine call and encodes, and `errors` (the other way out).
//!
//! What it must never know: SQL, how the store works, any other adapter.
//!
//! To add an operation, add a row to the table in `routes` and a function in `handlers`.

mod api;
mod app;
mod decode;
mod encode;
mod errors;
mod handlers;
mod inside;
mod json;
mod live;
mod reply;
mod request;
mod routes;
mod time;
mod transport;
mod webhooks;

pub use api::ParseApi;
pub use app::{App, Apps, Keys, Network, Options};
pub use errors::{Form, wire};
pub use inside::inside;
pub use live::{LiveEvents, LiveOptions, SessionRights, Sockets};
pub use transport::Cors;
pub use webhooks::ParseWire;

use basalt_base::{Result, Value};
use basalt_functions::RateRule;

/// Reads a rate limit as the options of Parse Server have them. Errors: `InvalidHook`.
pub fn rate_rule(declared: &Value) -> Result<RateRule> {
    decode::rate_rule(declared)
}

#[doc(hidden)]
pub mod fuzz;
