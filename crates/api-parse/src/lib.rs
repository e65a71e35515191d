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
mod json;
mod reply;
mod request;
mod routes;
mod time;
mod transport;

pub use api::ParseApi;
pub use app::{App, Apps, Keys, Network, Options};
pub use errors::{Form, wire};
pub use transport::Cors;

#[doc(hidden)]
pub mod fuzz;
