//! `basalt logs`

use crate::cli::Flags;
use crate::settings::{block_on, load};
use anyhow::Context;
use basalt_server::tools::AppLogs;
use std::process::ExitCode;

pub fn run(
    id: Option<String>,
    follow: bool,
    level: &str,
    size: usize,
    flags: &Flags,
) -> anyhow::Result<ExitCode> {
    let mut settings = load(flags, None)?;
    basalt_server::settle(&mut settings)?;
    let first = settings.apps.first().map(|app| app.id.clone());
    let id = id.or(first).context("there is no app")?;
    let logs = AppLogs::open(&settings, &id)?;
    block_on(async {
        let (_, mut point) = logs.more("", level).await?;
        for line in logs.last(size, level).await? {
            println!("{line}");
        }
        if !follow {
            return Ok(ExitCode::SUCCESS);
        }
        loop {
            let (lines, next) = logs.more(&point, level).await?;
            for line in lines {
                println!("{line}");
            }
            point = next;
        }
    })?
}
