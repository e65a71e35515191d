//! Results as Markdown on standard output and as JSON lines in a file.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::arena::Sample;
use crate::stats::{Spread, grouped, number};

/// One peer's rounds of one lane.
pub struct Row {
    pub peer: String,
    pub durability: &'static str,
    pub rounds: Vec<Sample>,
    /// What was found when the stored data was compared with the acknowledged writes.
    pub check: Option<String>,
    /// Why there is no figure.
    pub failure: Option<String>,
}

/// A table of rows under a heading.
pub struct Table {
    pub name: String,
    pub title: String,
    pub callers: usize,
    pub data_rows: usize,
    pub rows: Vec<Row>,
}

impl Table {
    /// Prints the table.
    pub fn print(&self) {
        println!(
            "\n### {}: {}\n\n{} callers, {} rows\n",
            self.name,
            self.title,
            self.callers,
            grouped(self.data_rows as u64)
        );
        println!(
            "| peer | requests/s | CPU ms/request | + database | p50 ms | p99 ms | memory MB \
             | + database | client CPU ms | check | durable over |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|---|");
        for row in &self.rows {
            row.print();
        }
    }

    /// One JSON object for each round.
    pub fn json(&self) -> Vec<Value> {
        let rounds = self.rows.iter().flat_map(|row| {
            row.rounds.iter().enumerate().map(|(round, sample)| {
                json!({
                    "work": self.name, "peer": row.peer, "round": round + 1,
                    "callers": self.callers, "rows": self.data_rows,
                    "per_second": sample.per_second,
                    "p50_ms": sample.p50_ms, "p99_ms": sample.p99_ms,
                    "server_cpu_ms": sample.cpu.map(|cpu| cpu.server),
                    "database_cpu_ms": sample.cpu.and_then(|cpu| cpu.database),
                    "client_cpu_ms": sample.cpu.map(|cpu| cpu.client),
                    "memory_mb": sample.memory_mb,
                    "database_memory_mb": sample.database_memory_mb,
                    "refused": sample.refused, "check": row.check,
                })
            })
        });
        rounds.collect()
    }
}

impl Row {
    fn print(&self) {
        if let Some(failure) = &self.failure {
            println!("| {} | failed: {} |", self.peer, one_line(failure));
            return;
        }
        let cell = |pick: &dyn Fn(&Sample) -> Option<f64>| {
            Spread::of(self.rounds.iter().filter_map(pick)).map_or("–".to_owned(), Spread::text)
        };
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.peer,
            cell(&|s| Some(s.per_second)),
            cell(&|s| s.cpu.map(|cpu| cpu.server)),
            cell(&|s| s.cpu.and_then(|cpu| cpu.database)),
            cell(&|s| Some(s.p50_ms)),
            cell(&|s| Some(s.p99_ms)),
            cell(&|s| Some(s.memory_mb)),
            cell(&|s| s.database_memory_mb),
            cell(&|s| s.cpu.map(|cpu| cpu.client)),
            self.remarks(),
            self.durability,
        );
    }

    fn remarks(&self) -> String {
        let refused: u64 = self.rounds.iter().map(|sample| sample.refused).sum();
        let mut remarks: Vec<String> = self.check.iter().cloned().collect();
        if refused > 0 {
            let first = self
                .rounds
                .iter()
                .find_map(|sample| sample.first_refusal.as_deref());
            remarks.push(format!(
                "{} refused ({})",
                grouped(refused),
                one_line(first.unwrap_or_default())
            ));
        }
        remarks.join(", ")
    }
}

/// A figure without load: a start time, a size.
pub struct Figure {
    pub work: &'static str,
    pub what: String,
    pub unit: &'static str,
    pub peer: String,
    pub values: Vec<f64>,
}

/// Prints figures of one workload as a table.
pub fn print_figures(work: &str, figures: &[Figure]) {
    println!("\n### {work}\n\n| peer | what | median (min–max) |\n|---|---|---|");
    for figure in figures {
        let value = Spread::of(figure.values.iter().copied()).map_or("–".to_owned(), Spread::text);
        println!(
            "| {} | {} | {value} {} |",
            figure.peer, figure.what, figure.unit
        );
    }
}

impl Figure {
    /// The figure as a JSON object.
    pub fn json(&self) -> Value {
        json!({
            "work": self.work, "peer": self.peer, "what": self.what,
            "unit": self.unit, "values": self.values,
        })
    }
}

/// Writes the JSON lines.
pub fn save(path: &Path, lines: &[Value]) -> Result<()> {
    let mut file = File::create(path)?;
    for line in lines {
        writeln!(file, "{line}")?;
    }
    Ok(())
}

/// The machine and the settings, so that a table can be read on its own.
pub fn head(seconds: f64, rounds: usize, rows: usize, fsync_ms: f64) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "{cores} cores ({model}) shared by client, server and database; one fsync of 4 KiB takes\n\
         {} ms here; {} rows; {rounds} rounds of {} s for each figure, peers in turn; medians.",
        number(fsync_ms),
        grouped(rows as u64),
        number(seconds)
    )
}

fn one_line(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() || c == '|' { ' ' } else { c })
        .collect();
    line.chars().take(160).collect()
}
