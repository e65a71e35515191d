//! Processes for code that is not trusted: the server's own program, started again in a jail, and
//! spoken to over a socket pair.
//!
//! The server keeps its program open ([`Program`]) and starts workers from it, so that an upgrade
//! of the file changes nothing. A worker locks itself in ([`enter`]) before it reads a byte of
//! anybody's code, says what it achieved ([`Jail`]), and from then on has one open descriptor: the
//! socket, on which [`frame`]s travel.
//!
//! What it must never know: JavaScript, apps, what a frame's payload means.

pub mod frame;
mod jail;
mod program;

pub use jail::{Jail, JailOptions, Level, enter};
pub use program::{Program, Started, usage_of};
