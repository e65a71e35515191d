//! Sockets, TLS, limits, request ids and dispatch. Adapters get requests with the raw, undecoded
//! path and query, and stream bodies both ways.
//!
//! A connection passes `gate` (how many there may be), TLS if there is a certificate, `guard`
//! (slow peers, and the strict reading of HTTP/1 in `strict`), hyper, and `service`, which gives
//! the request its id and its client, keeps a panic from spreading, and calls [`Dispatch`].
//!
//! What it must never know: an adapter's paths or wire format, apps, the store.

mod accept;
mod answer;
mod body;
mod budget;
mod connection;
mod exchange;
mod forwarded;
mod gate;
mod guard;
mod ids;
mod options;
mod service;
mod stats;
mod strict;
mod tls;
mod websocket;

pub use accept::Listener;
pub use answer::json_response;
pub use basalt_base::Network;
pub use exchange::{Client, Request, RequestBody, Response, ResponseBody, Route, bytes_response};
pub use options::{Limits, Options, TlsFiles};
pub use service::Dispatch;
pub use stats::{Stats, StatsView};
pub use websocket::{CloseReason, Received, Socket, SocketLimits, Upgrading};
