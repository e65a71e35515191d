//! The program from outside: its commands, output and exit codes.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod commands;
mod fsync;
mod program;
mod queues;
mod serve;
