//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::drive::Window;
use crate::peers;
use crate::work;

/// What to run and where.
pub struct Options {
    pub peers: Vec<String>,
    pub only: Vec<String>,
    pub window: Window,
    pub rounds: usize,
    pub rows: usize,
    pub grow: Vec<usize>,
    pub basalt: PathBuf,
    pub dir: PathBuf,
    pub json: Option<PathBuf>,
    /// The Markdown file whose table is written anew.
    pub report: Option<PathBuf>,
    pub store: Store,
    /// How many requests of each workload to count the instructions of, instead of timing them.
    pub instructions: Option<usize>,
}

const HELP: &str = "\
Usage: bench/run [options]

  --peers A,B     servers to compare (default basalt,parse-server,pocketbase)
  --store S       embedded or postgres: whom to compare there by default (default embedded)
  --only W,X      workloads to run (default all but grow)
  --seconds N     length of a measured round, fractions allowed (default 5)
  --rounds N      rounds for each workload and peer (default 5)
  --rows N        items in the data set, in hundreds (default 100000)
  --grow N,M      sizes for the workload grow (default 10000,100000,1000000)
  --basalt FILE   the Basalt binary (default target/release/basalt)
  --dir FOLDER    where data is written: a real disk, or fsync is no test (default bench/.work)
  --json FILE     also writes every round, one JSON object a line
  --report FILE   writes the table in FILE anew, such as docs/benchmarks.md; 3 rounds of 2 s and
                  grow as well, unless other options follow: some 12 minutes on a quiet machine
  --instructions N  counts Basalt's instructions over N requests of each workload instead, with
                  Valgrind; leaves DIR/callgrind.WORKLOAD for callgrind_annotate

Example: bench/run --peers basalt,pocketbase --only read,create --seconds 3 --rounds 3
";

/// Reads the arguments; `None` when only help was asked for.
pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>> {
    let bench = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut options = Options {
        peers: list(Store::Embedded.peers()),
        only: work::names_by_default(),
        window: window(5.0),
        rounds: 5,
        rows: 100_000,
        grow: vec![10_000, 100_000, 1_000_000],
        basalt: bench.join("../target/release/basalt"),
        dir: bench.join(".work"),
        json: None,
        report: None,
        store: Store::Embedded,
        instructions: None,
    };
    while let Some(flag) = arguments.next() {
        if flag == "--help" || flag == "-h" {
            print!("{HELP}\n{}", work::help(peers::NAMES));
            return Ok(None);
        }
        let value = arguments
            .next()
            .with_context(|| format!("{flag} wants a value"))?;
        let number = || {
            let number = value.parse::<usize>().ok().filter(|number| *number > 0);
            number.with_context(|| format!("{flag} wants a whole number above 0, not {value}"))
        };
        match flag.as_str() {
            "--peers" => options.peers = list(&value),
            "--only" => options.only = list(&value),
            "--seconds" => options.window = window(value.parse().context("--seconds")?),
            "--rounds" => options.rounds = number()?,
            "--rows" => options.rows = number()?,
            "--grow" => options.grow = sizes(&value)?,
            "--basalt" => options.basalt = PathBuf::from(value),
            "--dir" => options.dir = PathBuf::from(value),
            "--instructions" => options.instructions = Some(number()?),
            "--store" => {
                options.store = Store::of(&value)?;
                options.peers = list(options.store.peers());
            }
            "--report" => {
                options.report = Some(PathBuf::from(value));
                options.window = window(2.0);
                options.rounds = 3;
                options.only.push(work::GROW.to_owned());
            }
            "--json" => options.json = Some(PathBuf::from(value)),
            _ => bail!("unknown option {flag}; see --help"),
        }
    }
    for name in &options.only {
        ensure!(work::exists(name), "unknown workload {name}; see --help");
    }
    let whole = |rows: &usize| rows.is_multiple_of(100);
    ensure!(
        whole(&options.rows) && options.grow.iter().all(whole),
        "rows come in hundreds, a board each"
    );
    Ok(Some(options))
}

/// Where Basalt keeps its data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Embedded,
    Postgres,
}

impl Store {
    fn of(text: &str) -> Result<Self> {
        match text {
            "embedded" => Ok(Self::Embedded),
            "postgres" => Ok(Self::Postgres),
            _ => bail!("--store wants embedded or postgres, not {text}"),
        }
    }

    fn peers(self) -> &'static str {
        match self {
            Self::Embedded => "basalt,parse-server,pocketbase",
            Self::Postgres => "basalt-postgres,basalt-postgres-2,basalt-postgres-3,parse-server",
        }
    }

    /// What its table is called in a report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "figures on the embedded store",
            Self::Postgres => "figures on PostgreSQL",
        }
    }
}

impl Options {
    pub fn wants(&self, work: &str) -> bool {
        self.only.iter().any(|name| name == work)
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|name| name.trim().to_owned()).collect()
}

fn sizes(text: &str) -> Result<Vec<usize>> {
    let sizes: Result<Vec<usize>, _> = text.split(',').map(str::parse).collect();
    let sizes = sizes.context("--grow")?;
    ensure!(sizes.is_sorted(), "--grow wants rising sizes");
    Ok(sizes)
}

/// A fifth more, at least half a second, goes before the measured part as a warm-up.
fn window(seconds: f64) -> Window {
    Window {
        warm_up: Duration::from_secs_f64((seconds / 5.0).max(0.5)),
        measure: Duration::from_secs_f64(seconds),
    }
}
