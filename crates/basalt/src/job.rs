//! `basalt job …`

use crate::cli::{JobCommand, Target};
use crate::operate::{entries, escaped, print_table, text, time};
use anyhow::Context;
use serde_json::{Value, json};
use std::process::ExitCode;

pub fn run(command: &JobCommand) -> anyhow::Result<ExitCode> {
    match command {
        JobCommand::Runs {
            schedule,
            limit,
            target,
        } => runs(schedule.as_deref(), *limit, target)?,
        JobCommand::Start {
            name,
            schedule,
            params,
            target,
        } => start(
            name.as_deref(),
            schedule.as_deref(),
            params.as_deref(),
            target,
        )?,
        JobCommand::Cancel { run, target } => {
            step(&format!("jobs/{}/cancel", escaped(run)), target)?;
        }
        JobCommand::Schedules { target } => schedules(target)?,
        JobCommand::Pause { schedule, target } => {
            step(&format!("schedules/{}/pause", escaped(schedule)), target)?;
        }
        JobCommand::Resume { schedule, target } => {
            step(&format!("schedules/{}/resume", escaped(schedule)), target)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn runs(schedule: Option<&str>, limit: u64, target: &Target) -> anyhow::Result<()> {
    let only = schedule.map(|id| format!("&schedule={}", escaped(id)));
    let path = format!("jobs?limit={limit}{}", only.unwrap_or_default());
    let answer = target.ask(&path, None)?;
    if target.prints_json(&answer) {
        return Ok(());
    }
    let row = |run: &Value| {
        [
            text(run, "id"),
            text(run, "job"),
            text(run, "status"),
            text(run, "source"),
            time(run, "started_at_ms"),
            time(run, "finished_at_ms"),
            text(run, "message"),
        ]
    };
    let rows: Vec<_> = entries(&answer, "runs").iter().map(row).collect();
    let headings = [
        "run", "job", "status", "source", "started", "finished", "message",
    ];
    print_table(headings, &rows);
    Ok(())
}

fn start(
    name: Option<&str>,
    schedule: Option<&str>,
    params: Option<&str>,
    target: &Target,
) -> anyhow::Result<()> {
    let (path, body) = if let Some(schedule) = schedule {
        (format!("schedules/{}/start", escaped(schedule)), json!({}))
    } else {
        let params: Value = match params {
            Some(text) => serde_json::from_str(text).context("--params is no JSON")?,
            None => json!({}),
        };
        let body = json!({ "name": name, "params": params });
        ("jobs".to_owned(), body)
    };
    let answer = target.ask(&path, Some(&body))?;
    if !target.prints_json(&answer) {
        println!("{}", text(&answer, "run"));
    }
    Ok(())
}

fn step(path: &str, target: &Target) -> anyhow::Result<()> {
    let answer = target.ask(path, Some(&json!({})))?;
    target.prints_json(&answer);
    Ok(())
}

fn schedules(target: &Target) -> anyhow::Result<()> {
    let answer = target.ask("schedules", None)?;
    if target.prints_json(&answer) {
        return Ok(());
    }
    let row = |schedule: &Value| {
        let is_paused = schedule["paused"] == true;
        let next = time(schedule, "next_run_ms");
        [
            text(schedule, "id"),
            text(schedule, "job"),
            if is_paused { "paused".to_owned() } else { next },
            time(schedule, "last_run_ms"),
            rhythm(schedule),
            text(schedule, "error"),
        ]
    };
    let rows: Vec<_> = entries(&answer, "schedules").iter().map(row).collect();
    let headings = ["schedule", "job", "next", "last", "rhythm", "wrong"];
    print_table(headings, &rows);
    Ok(())
}

/// When a schedule runs, in short.
fn rhythm(schedule: &Value) -> String {
    let zone = text(schedule, "time_zone");
    let cron = text(schedule, "cron");
    let time_of_day = text(schedule, "time_of_day");
    let minutes = schedule["repeat_minutes"].as_f64().unwrap_or(0.0);
    let rhythm = if !cron.is_empty() {
        cron
    } else if !time_of_day.is_empty() {
        format!("at {time_of_day} {}", text(schedule, "days_of_week"))
    } else if minutes > 0.0 {
        format!("every {minutes} min")
    } else {
        "once".to_owned()
    };
    format!("{rhythm} {zone}").trim_end().to_owned()
}
