//! `basalt serve` and `basalt dev`.

use crate::cli::Flags;
use crate::settings;
use anyhow::{Context, bail};
use basalt_server::config::{Mode, Settings};
use basalt_server::{Ready, serve as serve_with, settle, spare_memory, start_logging};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Threads for work that blocks, such as opening databases; they end when they have nothing to do.
const BLOCKING_THREADS_MAX: usize = 32;
const BLOCKING_IDLE: Duration = Duration::from_secs(5);

pub fn serve(flags: &Flags) -> anyhow::Result<ExitCode> {
    run(settings::load(flags, None)?, false)
}

pub fn dev(flags: &Flags) -> anyhow::Result<ExitCode> {
    let settings = settings::load(flags, Some(Mode::Development))?;
    if settings.mode != Mode::Development {
        bail!(
            "`basalt dev` is development mode, but the settings say production; use `basalt serve`"
        );
    }
    run(settings, true)
}

fn run(mut settings: Settings, is_dev: bool) -> anyhow::Result<ExitCode> {
    spare_memory();
    settle(&mut settings)?;
    start_logging(&settings.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("basalt")
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_keep_alive(BLOCKING_IDLE)
        .build()?;
    runtime.block_on(async {
        let stop = stop_signal()?;
        serve_with(settings, is_dev, |ready| say_ready(ready, is_dev), stop).await?;
        anyhow::Ok(())
    })?;
    // Work that nobody waits for any more must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(ExitCode::SUCCESS)
}

/// Done when the process is told to stop.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM can't be caught")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT can't be caught")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The one line on standard output. Whoever closed it does not want to know.
fn say_ready(ready: &Ready, is_dev: bool) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "listening on {}", ready.url);
    let _ = out.flush();
    if is_dev {
        eprintln!(
            "app {}: {}/parse, keys by `basalt app keys`",
            ready.app, ready.url
        );
    }
}
