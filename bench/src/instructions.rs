//! Instructions for each request, counted by Valgrind's callgrind.
//!
//! Unlike a rate or a time they are the same on a busy machine, so that two builds can be told
//! apart by single percents; and the files it leaves say in which function they went. What the
//! kernel does is not among them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::arena::Arena;
use crate::drive::{Lane, Traffic, drive};
use crate::options::Options;
use crate::peers::{self, Places};
use crate::stats::grouped;
use crate::work::{self, Flow, Kind, Work};

/// The command before the program's own: counts nothing until it is told to.
pub fn wrap(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--instr-atstart=no", "--quiet"])
        .arg(format!(
            "--callgrind-out-file={}",
            folder.join("callgrind").display()
        ))
        .arg(program);
    command
}

/// Counts every wanted workload on one Basalt. The files that callgrind leaves are called
/// `callgrind.WORKLOAD` and lie in `options.dir`.
pub fn run(options: &Options, places: &Places) -> Result<()> {
    let requests = options.instructions.context("no number of requests")?;
    let mut peer = peers::find("basalt", places)?;
    let mut arena = Arena::open(&mut *peer, &places.work.join("data"), options.rows)?;
    println!("\n| work | instructions/request |\n|---|---|");
    let wanted = |load: &&Work| options.wants(load.name) && load.kind != Kind::Login;
    for load in work::LOADS.iter().filter(wanted) {
        let requests = if load.kind == Kind::Batch {
            requests.div_ceil(10)
        } else {
            requests
        };
        arena.probe(load.kind)?;
        let file = count(&mut arena, load, requests, &places.work)?;
        let kept = options.dir.join(format!("callgrind.{}", load.name));
        std::fs::copy(&file, &kept)?;
        let each = total(&file)? / requests as u64;
        println!("| {} | {} |", load.name, grouped(each));
    }
    Ok(())
}

/// Loads the server twice, the second time under observation; gives the file with the counts.
fn count(arena: &mut Arena, work: &Work, requests: usize, folder: &Path) -> Result<PathBuf> {
    let pid = arena.server.process.pid().to_string();
    send(arena, work, requests.div_ceil(4), 1)?;
    control(&["-i", "on", &pid])?;
    send(arena, work, requests, 2)?;
    let before = dumps(folder)?;
    control(&["-d", &pid])?;
    control(&["-i", "off", &pid])?;
    let after = dumps(folder)?;
    let new = after.into_iter().find(|path| !before.contains(path));
    new.context("callgrind wrote no file")
}

fn send(arena: &Arena, work: &Work, requests: usize, seed: u64) -> Result<()> {
    let mut traffic = Counted {
        flow: Flow::new(work.kind, &*arena.wire, &arena.world, seed),
        left: requests,
    };
    let mut lanes = [Lane {
        callers: work.callers,
        rest: None,
        traffic: &mut traffic,
    }];
    let tallies = drive(&arena.server.addrs(), &mut lanes, None, &mut |_| Ok(()))?;
    let refusal = tallies[0].first_refusal.as_deref().unwrap_or_default();
    ensure!(tallies[0].refused == 0, "refused: {refusal}");
    Ok(())
}

/// So many requests of a flow.
struct Counted<'a> {
    flow: Flow<'a>,
    left: usize,
}

impl Traffic for Counted<'_> {
    fn next(&mut self, out: &mut Vec<u8>) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        self.flow.next(out)
    }

    fn accept(&mut self, tag: u64, status: u16, body: &[u8]) -> bool {
        self.flow.accept(tag, status, body)
    }
}

fn control(arguments: &[&str]) -> Result<()> {
    let output = Command::new("callgrind_control")
        .args(arguments)
        .output()
        .context("callgrind_control")?;
    ensure!(output.status.success(), "callgrind_control failed");
    Ok(())
}

fn dumps(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("callgrind.") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The sum over all threads of a file.
fn total(file: &Path) -> Result<u64> {
    let text = std::fs::read_to_string(file)?;
    let line = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("totals: "));
    let total = line.context("no total in callgrind's file")?;
    Ok(total.trim().parse()?)
}
