//! The one table that `docs/benchmarks.md` holds: a line for each promise, a column for each peer.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::stats::{Spread, grouped, number};
use crate::work::GROW;

/// What a line shows of the measurements of one peer.
enum Shows {
    /// Processor time and rate of a workload, and whether the stored data is right.
    Load(&'static str),
    /// The query's processor time at each size.
    Growth,
    /// Log-ins, and the latency of what runs beside them.
    Logins,
    /// Figures of a kind whose names start so, in this order.
    Figures(&'static str, &'static [&'static str]),
}

const LINES: &[(&str, Shows, &str)] = &[
    (
        "read by id, session and ACL, 32 callers",
        Shows::Load("read"),
        "≤ 0.03 ms, ≥ 45,000/s",
    ),
    ("indexed query, 20 rows", Shows::Load("query"), "≤ 0.1 ms"),
    (
        "the same with an include",
        Shows::Load("include"),
        "≤ 0.13 ms",
    ),
    ("the query as data grows", Shows::Growth, "flat"),
    (
        "create, 64 callers",
        Shows::Load("create"),
        "≤ 0.08 ms, ≥ 12,000/s",
    ),
    (
        "increment of one hot object",
        Shows::Load("increment-hot"),
        "≤ 0.08 ms, exact",
    ),
    (
        "increment of random objects",
        Shows::Load("increment-random"),
        "≤ 0.08 ms, exact",
    ),
    (
        "batch of 50 creates, 8 callers",
        Shows::Load("batch"),
        "≤ 1.5 ms",
    ),
    (
        "200 callers log in, 4 others read",
        Shows::Logins,
        "reads' p99 < 50 ms",
    ),
    (
        "start: empty / first object of the data set",
        Shows::Figures("start", &["start to first 200", "start to first object"]),
        "≤ 40 / ≤ 25 ms",
    ),
    (
        "memory: idle / after the load",
        Shows::Figures("memory", &["idle, empty", "after the load"]),
        "≤ 25 / ≤ 60 MB",
    ),
    ("program", Shows::Figures("size", &["program"]), "≤ 40 MB"),
];

/// Puts the table between `<!-- NAME -->` and `<!-- end of NAME -->` in a Markdown file. `about`
/// says how it was measured.
pub fn write(
    path: &Path,
    name: &str,
    about: &str,
    peers: &[String],
    lines: &[Value],
) -> Result<()> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("no file {}", path.display()))?;
    let (begin, end) = (
        format!("<!-- {name} -->"),
        format!("<!-- end of {name} -->"),
    );
    let (before, rest) = text
        .split_once(&begin)
        .with_context(|| format!("{} lacks {begin}", path.display()))?;
    let (_, after) = rest
        .split_once(&end)
        .with_context(|| format!("{} lacks {end}", path.display()))?;
    let table = table(peers, lines);
    let whole = format!("{before}{begin}\n{about}\n\n{table}{end}{after}");
    Ok(std::fs::write(path, whole)?)
}

fn table(peers: &[String], lines: &[Value]) -> String {
    let mut out = "| work |".to_owned();
    for peer in peers {
        let _ = write!(out, " {} |", title(peer));
    }
    out.push_str(" goal |\n|---|");
    out.push_str(&"---|".repeat(peers.len() + 1));
    out.push('\n');
    for (what, shows, goal) in LINES {
        let cells: Vec<String> = peers
            .iter()
            .map(|peer| shows.cell(&Measured { peer, lines }).unwrap_or_default())
            .collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            let _ = writeln!(out, "| {what} | {} | {goal} |", cells.join(" | "));
        }
    }
    out
}

fn title(peer: &str) -> &str {
    match peer {
        "basalt" => "Basalt",
        "basalt-postgres" => "Basalt, 1 node",
        "basalt-postgres-2" => "2 nodes",
        "basalt-postgres-3" => "3 nodes",
        "parse-server" => "Parse Server (+ its PostgreSQL)",
        "pocketbase" => "PocketBase",
        other => other,
    }
}

impl Shows {
    /// `None` where nothing was measured.
    fn cell(&self, measured: &Measured<'_>) -> Option<String> {
        match self {
            Self::Load(work) => {
                let rate = measured.median(work, "per_second")?;
                let cpu = cpu(&measured.of(work)?)?;
                let check = measured.check(work);
                Some(format!("{cpu}, {}/s{check}", grouped(rate.round() as u64)))
            }
            Self::Growth => {
                let mut sizes: Vec<u64> = measured
                    .rounds(GROW)
                    .filter_map(|round| round["rows"].as_u64())
                    .collect();
                sizes.dedup();
                let each = |rows: &u64| {
                    let rounds = measured.rounds(GROW).filter(|r| r["rows"] == *rows);
                    Some(format!(
                        "{} at {}",
                        cpu(&rounds.collect::<Vec<_>>())?,
                        grouped(*rows)
                    ))
                };
                let cells: Option<Vec<String>> = sizes.iter().map(each).collect();
                cells.map(|cells| cells.join(", "))
            }
            Self::Logins => {
                let rate = measured.median("login", "per_second")?;
                let p99 = measured.median("login-beside", "p99_ms")?;
                Some(format!(
                    "p99 {} ms, {} log-ins/s",
                    number(p99),
                    number(rate)
                ))
            }
            Self::Figures(work, names) => {
                let figures = names.iter().map(|name| measured.figure(work, name));
                let (texts, units): (Vec<_>, Vec<_>) =
                    figures.collect::<Option<Vec<_>>>()?.into_iter().unzip();
                Some(format!("{} {}", texts.join(" / "), units.first()?))
            }
        }
    }
}

/// Server's milliseconds for each request, with the database's in brackets.
fn cpu(rounds: &[&Value]) -> Option<String> {
    let median = |key: &str| {
        let values = rounds.iter().filter_map(|round| round[key].as_f64());
        Some(number(Spread::of(values)?.median))
    };
    let server = median("server_cpu_ms")?;
    Some(match median("database_cpu_ms") {
        Some(database) => format!("{server} (+ {database}) ms"),
        None => format!("{server} ms"),
    })
}

/// What was measured of one peer.
struct Measured<'a> {
    peer: &'a str,
    lines: &'a [Value],
}

impl<'a> Measured<'a> {
    fn rounds(&self, work: &'a str) -> impl Iterator<Item = &'a Value> {
        let peer = self.peer;
        let own = move |line: &&Value| line["peer"] == peer && line["work"] == work;
        self.lines.iter().filter(own)
    }

    fn of(&self, work: &'a str) -> Option<Vec<&'a Value>> {
        let rounds: Vec<_> = self.rounds(work).collect();
        (!rounds.is_empty()).then_some(rounds)
    }

    fn median(&self, work: &'a str, key: &str) -> Option<f64> {
        let values = self.rounds(work).filter_map(|round| round[key].as_f64());
        Some(Spread::of(values)?.median)
    }

    fn check(&self, work: &'a str) -> String {
        let mut found = self
            .rounds(work)
            .filter_map(|round| round["check"].as_str());
        found
            .next()
            .map_or(String::new(), |check| format!(", {check}"))
    }

    /// The median of a figure with its unit.
    fn figure(&self, work: &'a str, name: &str) -> Option<(String, &'a str)> {
        let is_it = |line: &&Value| {
            let what = line["what"].as_str().unwrap_or_default();
            what.starts_with(name) && !what.ends_with(", database")
        };
        let line = self.rounds(work).find(is_it)?;
        let values = line["values"].as_array()?.iter().filter_map(Value::as_f64);
        Some((number(Spread::of(values)?.median), line["unit"].as_str()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_shows_medians_and_leaves_out_what_was_not_measured() {
        let round = |ms: f64, rate: f64| {
            json!({"work": "read", "peer": "basalt", "rows": 100, "per_second": rate,
                   "server_cpu_ms": ms, "database_cpu_ms": null, "check": null})
        };
        let size = json!({"work": "size", "peer": "basalt", "what": "program", "unit": "MB",
                          "values": [15.0]});
        let lines = [
            round(0.02, 1000.0),
            round(0.03, 3000.0),
            round(0.04, 2000.0),
            size,
        ];
        let table = table(&["basalt".to_owned(), "pocketbase".to_owned()], &lines);
        assert_eq!(
            table,
            "| work | Basalt | PocketBase | goal |\n|---|---|---|---|\n\
             | read by id, session and ACL, 32 callers | 0.0300 ms, 2,000/s |  | ≤ 0.03 ms, ≥ 45,000/s |\n\
             | program | 15.0 MB |  | ≤ 40 MB |\n"
        );
    }
}
