//! The `basalt` program: sub-commands and nothing else.

mod app;
mod check;
mod cli;
mod job;
mod logs;
mod operate;
mod queue;
mod settings;
mod transfer;
mod up;

use clap::Parser;
use std::process::ExitCode;

/// Returns memory to the system and does not fragment under many small, short-lived values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(basalt_server::WORKER) {
        return basalt_server::worker();
    }
    let outcome = cli::Cli::parse().run();
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
