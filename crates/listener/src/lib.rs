//! Sockets, TLS, limits, request ids and dispatch. Adapters get requests with the raw, undecoded
//! path and query, and stream bodies both ways.
//!
//! What it must never know: an adapter's paths or wire format, apps, the store.

mod exchange;

pub use exchange::{Client, Request, RequestBody, Response, ResponseBody, bytes_response};
