//! `kill -9` under load, many times over: does the server keep what it acknowledged?

use std::process::ExitCode;
use std::time::Duration;

use basalt_testkit::arguments::Arguments;
use basalt_testkit::checks::{drain, full_disk, second_server, short_log};
use basalt_testkit::report::{Report, conduct, say};
use basalt_testkit::round::{Effort, Run};
use basalt_testkit::server::{Server, Setup};
use basalt_testkit::{copy, draw, wait};

const HELP: &str = "\
Kills a server under load, starts it again and checks what it had acknowledged.

usage: crash [--rounds N] [--seconds N] [--seed N]
  --rounds N   how often to kill it (default 20)
  --seconds N  begin no more rounds after this time, instead of a number of rounds
  --seed N     repeat the choices of an earlier run (threads still race)
BASALT_BIN names the server's binary (default: the one beside this program). BASALT_DATABASE_URL names an
empty database to use; the checks of files are left out then.
example: BASALT_BIN=target/fast/basalt crash --rounds 5";

const ROUNDS: u64 = 20;
/// Rounds between two in which the index of the write-ahead log is deleted.
const ROUNDS_TO_LOST_INDEX: u64 = 3;

fn main() -> ExitCode {
    conduct(HELP, &["--rounds", "--seconds", "--seed"], run)
}

fn run(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let seed = arguments.get("--seed")?.unwrap_or_else(draw::any_seed);
    let seconds = arguments.get("--seconds")?.map(Duration::from_secs);
    let rounds = match (arguments.get("--rounds")?, seconds) {
        (Some(rounds), _) => rounds,
        (None, Some(_)) => u64::MAX,
        (None, None) => ROUNDS,
    };
    say(&format!("seed {seed}"));
    let started = wait::now();
    let scratch = tempfile::Builder::new().prefix("basalt-crash-").tempdir()?;
    let setup = Setup::new(&scratch.path().join("data"))?;
    let mut server = setup.start()?;
    let mut run = Run::begin(setup, &server, seed)?;
    for round in 1..=rounds {
        if seconds.is_some_and(|seconds| wait::now().since(started) > seconds) {
            break;
        }
        server = one_round(&mut run, round, server, report)?;
    }
    let in_folder = !run.setup.has_database();
    if in_folder {
        report.outcome("second server", second_server::check(&mut run, &server));
        let (after, finding) = short_log::check(&mut run, server)?;
        report.outcome("log cut short", Ok(finding));
        server = after;
    }
    let (server, finding) = drain::check(&mut run, server)?;
    report.outcome("drain", Ok(finding));
    server.kill()?;
    if in_folder {
        match full_disk::check(&run.setup, seed)? {
            Ok(finding) => report.outcome("full disk", Ok(finding)),
            Err(reason) => say(&format!("full disk: SKIPPED, it needs root: {reason}")),
        }
    }
    let took = wait::now().since(started).as_secs_f64();
    let found = format!("{}, {took:.1} s", run.history.tally);
    report.outcome("verify", run.verify().map(|broken| (found, broken)));
    if report.has_failed() {
        say(&format!("the data is in {}", scratch.keep().display()));
    }
    Ok(())
}

/// Loads, kills, starts again, checks.
fn one_round(
    run: &mut Run,
    round: u64,
    server: Server,
    report: &mut Report,
) -> anyhow::Result<Server> {
    let draw = run.draw();
    let effort = Effort {
        threads: draw.between(8, 16) as usize,
        time: Duration::from_millis(draw.between(50, 600)),
    };
    let tally = run.load(server.address, &draw, effort, |_, _| server.kill())?;
    let in_folder = !run.setup.has_database();
    let loses_index = in_folder && round.is_multiple_of(ROUNDS_TO_LOST_INDEX);
    if loses_index {
        copy::remove(&run.setup.data_dir, "-shm")?;
    }
    let dies_again = draw.chance(50);
    if dies_again {
        let time = Duration::from_millis(draw.between(1, 40));
        run.setup.start_in_vain(time)?;
    }
    let server = run.setup.start()?;
    let checking = wait::now();
    let (objects, mut broken) = run.check(&server)?;
    // Only a server that dies leaves a write without an answer; none may fail.
    broken.append(&mut run.history.failures);
    let found = format!(
        "{} threads, killed after {} ms: {tally}; {}{}ready in {} ms; {objects} objects checked in {} ms",
        effort.threads,
        effort.time.as_millis(),
        if loses_index { "-shm deleted; " } else { "" },
        if dies_again {
            "killed at the start; "
        } else {
            ""
        },
        server.ready_after.as_millis(),
        wait::now().since(checking).as_millis(),
    );
    report.step(&format!("round {round}"), &found, &broken);
    Ok(server)
}
