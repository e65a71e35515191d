//! `kill -9` under a load of durable hooks and jobs: is everything told, and nothing too often?

use std::process::ExitCode;
use std::time::Duration;

use basalt_testkit::arguments::Arguments;
use basalt_testkit::draw::{self, Draw};
use basalt_testkit::report::{Report, conduct, say};
use basalt_testkit::server::Setup;
use basalt_testkit::tasks::Run;

const HELP: &str = "\
Kills a server under a load of durable hooks and jobs, starts it again and checks that each was told,
in order per object, and none again after its success was recorded.

usage: tasks [--rounds N] [--seed N] [--folder PATH]
  --rounds N     how often to kill it (default 6)
  --seed N       repeat the choices of an earlier run (threads still race)
  --folder PATH  where the server keeps its data, and it stays there
BASALT_BIN names the server's binary (default: the one beside this program). BASALT_DATABASE_URL names an
empty database to use.
example: BASALT_BIN=target/fast/basalt tasks --rounds 3";

const ROUNDS: u64 = 6;

fn main() -> ExitCode {
    conduct(HELP, &["--rounds", "--seed", "--folder"], run)
}

fn run(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let seed = arguments.get("--seed")?.unwrap_or_else(draw::any_seed);
    let rounds = arguments.get("--rounds")?.unwrap_or(ROUNDS);
    say(&format!("seed {seed}"));
    let scratch = tempfile::Builder::new().prefix("basalt-tasks-").tempdir()?;
    let folder = arguments.get::<std::path::PathBuf>("--folder")?;
    let folder = folder.unwrap_or_else(|| scratch.path().join("data"));
    let (mut run, mut server) = Run::begin(Setup::new(&folder)?)?;
    let draw = Draw::new(seed);
    for round in 1..=rounds {
        let time = Duration::from_millis(draw.between(200, 1_500));
        let (after, found) =
            run.round(server, draw.between(4, 12), time, |server, _| server.kill())?;
        server = after;
        report.step(&format!("tasks round {round}"), &found, &[]);
    }
    report.outcome("tasks told", run.check(&server));
    server.kill()?;
    report.outcome("verify", run.verify().map(|broken| (String::new(), broken)));
    if report.has_failed() {
        say(&format!("the data is in {}", scratch.keep().display()));
    }
    Ok(())
}
