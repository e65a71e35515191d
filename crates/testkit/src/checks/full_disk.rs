//! A disk without space: writes fail and say so, reads go on, and with space all is well again.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::disk::{Ballast, Mount};
use crate::history::Outcome;
use crate::load::{ITEM, ROSTER};
use crate::parse::{Parse, class_path};
use crate::round::{Effort, Run};
use crate::server::{Server, Setup};
use crate::wait;

use super::Finding;

const DISK_MIB: u64 = 48;
const RECOVERS_LIMIT: Duration = Duration::from_secs(30);
/// Writes that must have failed before space is given back.
const FAILURES_MIN: usize = 20;

/// Runs a server on a small disk of its own; `None` where no disk can be mounted, with the reason.
pub fn check(setup: &Setup, seed: u64) -> anyhow::Result<Result<Finding, String>> {
    let scratch = tempfile::tempdir()?;
    let mount = match Mount::memory(scratch.path(), DISK_MIB) {
        Ok(mount) => mount,
        Err(error) => return Ok(Err(format!("{error:#}"))),
    };
    let data_dir = scratch.path().join("data");
    fs::create_dir(&data_dir)?;
    let setup = setup.at(&data_dir);
    let mut server = setup.start()?;
    let mut run = Run::begin(setup, &server, seed)?;
    let draw = run.draw();
    let effort = Effort {
        threads: 8,
        time: Duration::from_millis(200),
    };
    let mut broken = Vec::new();
    let mut refusals = 0;
    let address = server.address;
    let tally = run.load(address, &draw, effort, |_, _| {
        let ballast = Ballast::fill(scratch.path())?;
        let (failed, problems) = while_full(&mut server)?;
        refusals = failed;
        broken.extend(problems);
        drop(ballast);
        let mut client = Parse::rest(address);
        wait::until(RECOVERS_LIMIT, "writes to work again", || {
            probe(&mut client).err()
        })
    })?;
    let reason = run.history.failures.first().cloned().unwrap_or_default();
    run.history.failures.clear();
    broken.extend(run.check(&server)?.1);
    server.kill()?;
    let server = run.setup.start()?;
    broken.extend(run.check(&server)?.1);
    server.kill()?;
    broken.extend(run.verify()?);
    mount.unmount()?;
    let found = format!("{tally}, {refusals} probes failed while full, e.g. \"{reason}\"");
    Ok(Ok((found, broken)))
}

/// Writes until enough have failed; reads must go on.
fn while_full(server: &mut Server) -> anyhow::Result<(usize, Vec<String>)> {
    let mut client = Parse::rest(server.address);
    let mut failed = 0;
    wait::until(RECOVERS_LIMIT, "writes to fail on a full disk", || {
        failed += usize::from(probe(&mut client).is_ok());
        (failed >= FAILURES_MIN).then_some(())
    })?;
    let mut broken = Vec::new();
    if !server.is_alive() {
        broken.push(format!("the server is gone:\n{}", server.log()));
    }
    let mut reader = Parse::rest(server.address);
    for path in ["?limit=10", "?limit=0&count=1"] {
        if let Err(error) = reader.get(&format!("{}{path}", class_path(ITEM))) {
            broken.push(format!("reading while the disk is full: {error:#}"));
        }
    }
    Ok((failed, broken))
}

/// One write that leaves something behind: its refusal, or an error if it was accepted.
fn probe(client: &mut Parse) -> Result<Outcome, ()> {
    let body = json!({"entries": ["probe"], "space": "x".repeat(5000)});
    match client.write("POST", &class_path(ROSTER), Some(&body)) {
        Outcome::Acknowledged(_) => Err(()),
        outcome => Ok(outcome),
    }
}
