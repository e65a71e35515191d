//! `basalt export` and `basalt import`.

use crate::cli::{Export, Import};
use crate::settings::{block_on, load};
use basalt_base::{Clock, SystemClock};
use basalt_server::transfer::{self, Progress, Report, Totals};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Seconds between two lines about how far it is.
const REPORT_SECONDS: u64 = 2;

pub fn export(arguments: &Export) -> anyhow::Result<ExitCode> {
    let settings = load(&arguments.flags, None)?;
    let how = (arguments.resume, arguments.keys);
    let app = arguments.app.as_deref();
    let report = reporter();
    let exporting = transfer::export(&settings, app, &arguments.out, how, &report);
    let done = block_on(exporting)??;
    say_totals(&done.totals);
    println!("exported {} to {}", done.app, arguments.out.display());
    Ok(ExitCode::SUCCESS)
}

pub fn import(arguments: &Import) -> anyhow::Result<ExitCode> {
    if arguments.dry_run {
        let seen = transfer::inspect(&arguments.file)?;
        say_totals(&seen.totals);
        println!(
            "{} is whole and holds app {}",
            arguments.file.display(),
            seen.header.app
        );
        return Ok(ExitCode::SUCCESS);
    }
    let settings = load(&arguments.flags, None)?;
    let how = (arguments.resume, arguments.keys);
    let app = arguments.app.as_deref();
    let report = reporter();
    let importing = transfer::import(&settings, app, &arguments.file, how, &report);
    let done = block_on(importing)??;
    say_totals(&done.totals);
    if !done.is_new {
        eprintln!(
            "app {} was there already: its settings are as they were",
            done.app
        );
    }
    if done.has_keys && !arguments.keys {
        eprintln!("the file holds keys, which were left out; --keys takes them over");
    }
    println!(
        "imported {}; what it holds was compared with the file",
        done.app
    );
    Ok(ExitCode::SUCCESS)
}

/// Says every few seconds how far it is.
fn reporter() -> Report {
    let begun = SystemClock.monotonic();
    let told = AtomicU64::new(0);
    Arc::new(move |progress| match progress {
        Progress::Resumed(objects) => eprintln!("going on after {objects} objects"),
        Progress::Comparing => eprintln!("comparing"),
        Progress::Objects { done, total } => {
            let seconds = SystemClock.monotonic().since(begun).as_secs();
            let last = told.load(Ordering::Relaxed);
            if done == total || seconds >= last + REPORT_SECONDS {
                told.store(seconds, Ordering::Relaxed);
                let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
                eprintln!("{done} of {total} objects ({percent} %)");
            }
        }
    })
}

fn say_totals(totals: &Totals) {
    for sum in &totals.collections {
        println!("{}  {} objects  {}", sum.name, sum.objects, sum.sha256);
    }
    println!(
        "{} objects in {} classes",
        totals.objects(),
        totals.collections.len()
    );
    println!("content {}", totals.content);
}
