//! Runs the same work on Basalt and its peers and prints what it cost.

mod arena;
mod child;
mod clock;
mod contest;
mod drive;
mod http;
mod instructions;
mod options;
mod peers;
mod publish;
mod report;
mod stats;
mod usage;
mod wire;
mod work;
mod world;

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::contest::Contest;
use crate::options::Options;
use crate::peers::Places;
use crate::stats::Spread;

fn main() -> ExitCode {
    match options::parse(std::env::args().skip(1)) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(options)) => match run(&options) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(error) => {
                eprintln!("bench: {error:#}");
                ExitCode::from(1)
            }
        },
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether every peer did everything.
fn run(options: &Options) -> Result<bool> {
    fs::create_dir_all(&options.dir)
        .with_context(|| format!("cannot make {}", options.dir.display()))?;
    let work = tempfile::Builder::new()
        .prefix("run-")
        .tempdir_in(options.dir.canonicalize()?)?;
    // PostgreSQL runs as another user below this folder.
    fs::set_permissions(work.path(), fs::Permissions::from_mode(0o755))?;
    child::clean_up_when_interrupted(work.path())?;
    let seconds = options.window.measure.as_secs_f64();
    let fsync = fsync_ms(work.path())?;
    let about = report::head(seconds, options.rounds, options.rows, fsync);
    println!("{about}");
    let places = Places {
        basalt: options.basalt.clone(),
        peers: Path::new(env!("CARGO_MANIFEST_DIR")).join(".peers"),
        work: work.path().to_owned(),
        counted: options.instructions.is_some(),
        postgres: RefCell::default(),
    };
    if options.instructions.is_some() {
        return instructions::run(options, &places).map(|()| true);
    }
    let mut contest = Contest::new(options, &places)?;
    contest.run();
    if let Some(path) = &options.json {
        report::save(path, contest.json())?;
    }
    if let Some(path) = &options.report {
        publish::write(
            path,
            options.store.name(),
            &about,
            &options.peers,
            contest.json(),
        )?;
    }
    Ok(!contest.failed())
}

/// How long the disk takes to make 4 KiB durable: the floor of a write without group commit.
fn fsync_ms(folder: &Path) -> Result<f64> {
    let path = folder.join("fsync");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..50 {
        let start = clock::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(clock::ms_since(start));
    }
    fs::remove_file(path)?;
    Ok(Spread::of(times).map_or(0.0, |spread| spread.median))
}
