//! The listener through real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on fails"
)]

mod bodies;
mod drain;
mod floods;
mod framing;
mod limits;
mod protocols;
mod server;
