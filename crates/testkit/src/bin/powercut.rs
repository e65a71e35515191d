//! Power cuts under load, many times over: does the server keep what it acknowledged?

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use basalt_testkit::arguments::Arguments;
use basalt_testkit::disk::{Mount, make_image};
use basalt_testkit::load::ITEM;
use basalt_testkit::parse::{Parse, object_path};
use basalt_testkit::report::{Report, conduct, say};
use basalt_testkit::round::{Effort, Run};
use basalt_testkit::server::Setup;
use basalt_testkit::{draw, tasks, wait};
use serde_json::json;

const HELP: &str = "\
Cuts the power of a server's disk under load, starts it again and checks what it had acknowledged.
It needs root, xfs_io (Debian: xfsprogs) and a free loop device, and is not part of script/test.

The disk is an ext4 file system in a file. A cut shuts that file system down without flushing its
journal: what no fsync had waited for is lost, and the server sees errors until it is killed. The
file system is then mounted again, which replays its journal. What a disk itself may lose after it
has said that it flushed is not simulated.

usage: powercut [--rounds N] [--seed N] [--synchronous full|normal]
  --rounds N       how many cuts (default 20)
  --seed N         repeat the choices of an earlier run (threads still race)
  --synchronous S  the server's durability; with normal, losses are what is to be seen
BASALT_BIN names the server's binary (default: the one beside this program).
example: sudo BASALT_BIN=target/fast/basalt powercut --rounds 5";

const ROUNDS: u64 = 20;
const FIRST_WRITES: u64 = 3;
const DISK_MIB: u64 = 1024;
/// How long the server goes on without its disk, in which it must acknowledge nothing.
const WITHOUT_DISK: Duration = Duration::from_millis(30);
/// Cuts under durable hooks and jobs.
const TASKS_ROUNDS: u64 = 6;
const TASKS_THREADS: u64 = 8;
const TASKS_TIME: Duration = Duration::from_millis(700);
const END_LIMIT: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    conduct(HELP, &["--rounds", "--seed", "--synchronous"], run)
}

fn run(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let seed = arguments.get("--seed")?.unwrap_or_else(draw::any_seed);
    let rounds = arguments.get("--rounds")?.unwrap_or(ROUNDS);
    say(&format!("seed {seed}"));
    let scratch = tempfile::Builder::new().prefix("basalt-power-").tempdir()?;
    let (image, point) = (scratch.path().join("image"), scratch.path().join("disk"));
    fs::create_dir(&point)?;
    make_image(&image, DISK_MIB)?;
    let mut setup = Setup::new(&point.join("data"))?;
    if let Some(synchronous) = arguments.get::<String>("--synchronous")? {
        let setting = ("BASALT_SYNCHRONOUS".to_owned(), synchronous);
        setup.environment.push(setting);
    }
    let mut disk = Mount::image(&image, &point)?;
    disk = first_writes(&setup, disk, (&image, &point), report)?;
    let server = setup.start()?;
    let mut run = Run::begin(setup, &server, seed)?;
    server.kill()?;
    let mut lost = 0;
    for round in 1..=rounds {
        let (mounted, broken) = one_round(&mut run, disk, (&image, &point), round, report)?;
        disk = mounted;
        lost += broken;
    }
    report.outcome("verify", {
        let found = format!("{}, {lost} lost in {rounds} cuts", run.history.tally);
        run.verify().map(|broken| (found, broken))
    });
    disk = tasks_rounds(&run.setup, disk, (&image, &point), report)?;
    disk.unmount()
}

/// Cuts under a load of durable hooks and jobs.
fn tasks_rounds(
    setup: &Setup,
    disk: Mount,
    (image, point): (&Path, &Path),
    report: &mut Report,
) -> anyhow::Result<Mount> {
    let (mut run, mut server) = tasks::Run::begin(setup.at(&point.join("tasks")))?;
    let mut mounted = Some(disk);
    for round in 1..=TASKS_ROUNDS {
        let (after, found) = run.round(server, TASKS_THREADS, TASKS_TIME, |server, doubt| {
            if let Some(disk) = mounted.take() {
                doubt.store(true, Ordering::SeqCst);
                disk.cut()?;
                wait::last(WITHOUT_DISK);
                server.kill()?;
                disk.unmount()?;
            }
            mounted = Some(Mount::image(image, point)?);
            Ok(())
        })?;
        server = after;
        report.step(&format!("tasks cut {round}"), &found, &[]);
    }
    report.outcome("tasks told", run.check(&server));
    server.kill()?;
    mounted.context("the disk is gone")
}

/// Cuts right after the first write to an empty folder, a few times: the files are there at all.
fn first_writes(
    setup: &Setup,
    mut disk: Mount,
    (image, point): (&Path, &Path),
    report: &mut Report,
) -> anyhow::Result<Mount> {
    let mut broken = Vec::new();
    for number in 0..FIRST_WRITES {
        let setup = setup.at(&point.join(format!("first{number}")));
        let server = setup.start()?;
        let id = Parse::rest(server.address).create(ITEM, &json!({"number": number}))?;
        disk.cut()?;
        server.kill()?;
        disk.unmount()?;
        disk = Mount::image(image, point)?;
        let server = setup.start()?;
        let item = Parse::rest(server.address).get(&object_path(ITEM, &id));
        broken.extend(item.err().map(|error| format!("{error:#}")));
        server.kill()?;
    }
    report.step("first writes", &format!("{FIRST_WRITES} cuts"), &broken);
    Ok(disk)
}

/// Starts, loads, cuts, kills, mounts again, starts again, checks.
fn one_round(
    run: &mut Run,
    disk: Mount,
    (image, point): (&Path, &Path),
    round: u64,
    report: &mut Report,
) -> anyhow::Result<(Mount, usize)> {
    let draw = run.draw();
    let effort = Effort {
        threads: draw.between(8, 16) as usize,
        time: Duration::from_millis(draw.between(50, 600)),
    };
    let server = run.setup.start()?;
    let goes_on = draw.chance(50);
    let tally = run.load(server.address, &draw, effort, |_, signals| {
        if !goes_on {
            server.kill()?;
            return disk.cut();
        }
        signals.cut(&disk)?;
        let cut = wait::now();
        wait::until(END_LIMIT, "the end of a spell without a disk", || {
            (wait::now().since(cut) > WITHOUT_DISK).then_some(())
        })?;
        server.kill()
    })?;
    disk.unmount()?;
    let disk = Mount::image(image, point)?;
    let server = run.setup.start()?;
    // Without a disk a write may fail; it must only not be acknowledged.
    let failed = std::mem::take(&mut run.history.failures).len();
    let (objects, broken) = run.check(&server)?;
    let found = format!(
        "{} threads, cut after {} ms, {}: {tally} ({failed} with an error); ready in {} ms; {objects} objects checked, {} lost",
        effort.threads,
        effort.time.as_millis(),
        if goes_on {
            "server goes on"
        } else {
            "server dies"
        },
        server.ready_after.as_millis(),
        broken.len(),
    );
    report.step(&format!("round {round}"), &found, &broken);
    server.kill()?;
    Ok((disk, broken.len()))
}
