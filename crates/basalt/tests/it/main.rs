//! The program from outside: its commands, output and exit codes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on fails"
)]

mod commands;
mod program;
mod serve;
