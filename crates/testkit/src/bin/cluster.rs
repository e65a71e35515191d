//! Servers behind a balancer are killed, frozen and cut off under load: is everything kept?

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use basalt_testkit::arguments::Arguments;
use basalt_testkit::cluster::{Fault, Network, Options, Topology, watch};
use basalt_testkit::load::Signals;
use basalt_testkit::report::{Report, conduct, say};
use basalt_testkit::round::{Effort, Run};
use basalt_testkit::{draw, wait};

const HELP: &str = "\
Runs servers behind HAProxy, breaks them under load, and checks what they had acknowledged.

usage: cluster [--rounds N] [--nodes N] [--seconds-max N] [--seed N] [--network MODE]
               [--database KIND] [--bus KIND]
  --rounds N       how many faults (default 3)
  --nodes N        how many servers (default 1; more need BASALT_DATABASE_URL)
  --seconds-max N  the longest time that one stays broken (default 4)
  --seed N         repeat the choices of an earlier run (threads still race)
  --network MODE   `isolated`: a namespace each, in a network namespace of this process' own;
                   `loopback`: no partitions (default)
  --database KIND  `standby`: the servers share a PostgreSQL with a synchronous standby, made for
                   this run; needs `--network isolated`
  --bus KIND       `nats`: the servers are connected over a NATS, made for this run
BASALT_BIN names the server's binary; BASALT_DATABASE_URL and BASALT_NATS_URL are handed on.
example: BASALT_BIN=target/fast/basalt unshare --net cluster --network isolated --rounds 20";

const NAMES: [&str; 7] = [
    "--bus",
    "--database",
    "--rounds",
    "--nodes",
    "--seconds-max",
    "--seed",
    "--network",
];
const ROUNDS: u64 = 3;
const SECONDS_MAX: u64 = 4;
const THREADS: usize = 8;
/// Load before a fault and after it.
const AROUND: Duration = Duration::from_millis(700);
/// Requests that were under way when something broke have ended by then, one way or the other: a
/// database gives up a silent peer's transaction after 5 s.
const SETTLE: Duration = Duration::from_secs(6);
/// The same where the other side was told: a process that is gone leaves no silent peer.
const SETTLE_TOLD: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    conduct(HELP, &NAMES, run)
}

fn run(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let seed = arguments.get("--seed")?.unwrap_or_else(draw::any_seed);
    let rounds = arguments.get("--rounds")?.unwrap_or(ROUNDS);
    let seconds_max = arguments.get("--seconds-max")?.unwrap_or(SECONDS_MAX);
    let nodes = arguments.get("--nodes")?.unwrap_or(1);
    let database: Option<String> = arguments.get("--database")?;
    let made_bus: Option<String> = arguments.get("--bus")?;
    let mode: Option<String> = arguments.get("--network")?;
    let network = if mode.as_deref() == Some("isolated") {
        Network::isolated()?
    } else {
        say("on loopback: no partitions");
        Network::loopback()
    };
    say(&format!("seed {seed}"));
    let scratch = tempfile::Builder::new()
        .prefix("basalt-cluster-")
        .tempdir()?;
    let bus = std::env::var_os("BASALT_NATS_URL");
    let bus = bus.map(|url| {
        let url = url.to_string_lossy().into_owned();
        ("BASALT_NATS_URL".to_owned(), url)
    });
    let options = Options {
        nodes,
        environment: bus.into_iter().collect(),
        database: database.as_deref() == Some("standby"),
        bus: made_bus.as_deref() == Some("nats"),
    };
    let mut topology = Topology::start(scratch.path(), network, &options)?;
    let setup = topology.setup().clone();
    let mut run = Run::begin_at(setup, topology.front.address, seed)?.with_own_ids();
    let mut longest = Duration::ZERO;
    for round in 1..=rounds {
        let faults = topology.faults();
        let fault = faults[(round as usize - 1) % faults.len()];
        let blow = (round, fault, seconds_max);
        longest = longest.max(one_round(&mut run, &mut topology, blow, report)?);
    }
    if nodes > 1 {
        rolling(&mut run, &mut topology, report)?;
    }
    topology.stop()?;
    let found = format!(
        "{}; an ended session was good for {} ms at most",
        run.history.tally,
        longest.as_millis()
    );
    report.outcome("verify", run.verify().map(|broken| (found, broken)));
    if report.has_failed() {
        say(&format!("the data is in {}", scratch.keep().display()));
    }
    Ok(())
}

/// Loads, breaks one node or what connects them, waits until all are well, checks; for how long a
/// session that was ended was good somewhere.
fn one_round(
    run: &mut Run,
    topology: &mut Topology,
    (round, fault, seconds_max): (u64, Fault, u64),
    report: &mut Report,
) -> anyhow::Result<Duration> {
    let draw = run.draw();
    let (front, nodes) = (topology.front.address, topology.addresses());
    let index = draw.place(nodes.len());
    let time = Duration::from_millis(draw.between(200, seconds_max * 1000));
    let stop = AtomicBool::new(false);
    let tag = format!("ends{round}");
    let effort = Effort {
        threads: THREADS,
        time: AROUND,
    };
    let (tally, ends) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(front, &nodes, &stop, &tag));
        let tally = run.load_with(Signals::that_go_on(), front, &draw, effort, |_, _| {
            topology.strike(fault, index, time)?;
            wait::last(AROUND);
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        (tally, watching.join())
    });
    let tally = tally?;
    let Ok(ends) = ends else {
        anyhow::bail!("the watch over sessions panicked");
    };
    run.history.add(ends.history);
    let failures = std::mem::take(&mut run.history.failures);
    // While something is broken, an answer of 5xx is what it should be; NATS is not missed.
    let failures = Some(failures).filter(|_| fault.is_of_bus());
    match fault {
        Fault::Kill | Fault::FailOver => wait::last(SETTLE_TOLD),
        fault if fault.is_of_bus() => {}
        _ => wait::last(SETTLE),
    }
    topology.is_well()?;
    let (objects, mut broken) = run.check_at(front)?;
    broken.extend(failures.into_iter().flatten());
    broken.extend(ends.broken);
    let found = format!(
        "{fault:?} of node {} for {} ms: {tally}; {} sessions ended, good for {} ms at most; {objects} objects",
        index + 1,
        time.as_millis(),
        ends.ended,
        ends.good_for.as_millis(),
    );
    report.step(&format!("round {round}"), &found, &broken);
    Ok(ends.good_for)
}

/// All nodes are restarted one after the other under load: nothing may fail.
fn rolling(run: &mut Run, topology: &mut Topology, report: &mut Report) -> anyhow::Result<()> {
    let draw = run.draw();
    let front = topology.front.address;
    let effort = Effort {
        threads: THREADS,
        time: AROUND,
    };
    let tally = run.load_with(Signals::that_go_on(), front, &draw, effort, |_, _| {
        topology.restart_all()
    })?;
    let mut broken = std::mem::take(&mut run.history.failures);
    if tally.unknown > 0 {
        broken.push(format!("{} requests without a good answer", tally.unknown));
    }
    broken.extend(run.check_at(front)?.1);
    report.step("rolling restart", &tally.to_string(), &broken);
    Ok(())
}
