//! Reading settings, and `basalt config`.

use crate::cli::{ConfigCommand, Flags};
use anyhow::Context;
use basalt_server::config::{self, Mode, Settings, Sources};
use basalt_server::tools;
use std::future::Future;
use std::process::ExitCode;

/// The settings from all places. `mode_default` is what holds when nothing sets the mode.
pub fn load(flags: &Flags, mode_default: Option<Mode>) -> anyhow::Result<Settings> {
    let environment = std::env::vars_os().filter_map(|(name, value)| {
        // Names that are no text are none of ours.
        Some((name.into_string().ok()?, value.into_string().ok()?))
    });
    Ok(config::load(&Sources {
        flags: flags.given(),
        environment: environment.collect(),
        folder: std::env::current_dir().context("there is no current folder")?,
        mode_default,
    })?)
}

/// Runs a future to its end. Commands need no more than one thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(future))
}

pub fn run(command: ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Print { default: true, .. } => print!("{}", config::print_default()),
        ConfigCommand::Print { flags, .. } => {
            let mut settings = load(&flags, None)?;
            basalt_server::settle(&mut settings)?;
            let stored = block_on(tools::stored_apps(&settings))?;
            let stored = stored.as_deref().map_err(basalt_base::Error::message);
            print!("{}", config::print_effective(&settings, stored));
        }
        ConfigCommand::Docs { folder } => {
            let pages = [
                ("settings.md", config::settings_page()),
                ("parse-options.md", config::options_page()),
            ];
            for (name, page) in pages {
                let path = folder.join(name);
                std::fs::write(&path, page).with_context(|| path.display().to_string())?;
                println!("wrote {}", path.display());
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
