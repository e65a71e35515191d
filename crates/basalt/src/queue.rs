//! `basalt queue …`

use crate::cli::{Picked, QueueCommand, Target};
use crate::operate::{entries, escaped, print_table, text, time};
use serde_json::{Value, json};
use std::process::ExitCode;

pub fn run(command: &QueueCommand) -> anyhow::Result<ExitCode> {
    match command {
        QueueCommand::List { target } => list(target)?,
        QueueCommand::Peek {
            queue,
            dead,
            after,
            target,
        } => peek(queue, *dead, *after, target)?,
        QueueCommand::Retry { picked, target } => {
            change(picked, false, "retry", "made visible", target)?;
        }
        QueueCommand::Purge {
            picked,
            all,
            target,
        } => change(picked, *all, "purge", "removed", target)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(target: &Target) -> anyhow::Result<()> {
    let answer = target.ask("queues", None)?;
    if target.prints_json(&answer) {
        return Ok(());
    }
    let row = |queue: &Value| {
        let late_ms = queue["late_ms"].as_u64();
        let late = late_ms.map(|ms| format!("{} s", ms / 1_000));
        [
            text(queue, "queue"),
            text(queue, "waiting"),
            text(queue, "leased"),
            text(queue, "held"),
            text(queue, "dead"),
            late.unwrap_or_default(),
            time(queue, "oldest_put_ms"),
        ]
    };
    let rows: Vec<_> = entries(&answer, "queues").iter().map(row).collect();
    let headings = [
        "queue", "waiting", "leased", "held", "dead", "late", "oldest",
    ];
    print_table(headings, &rows);
    Ok(())
}

fn peek(queue: &str, dead: bool, after: Option<u64>, target: &Target) -> anyhow::Result<()> {
    let after = after.map(|after| format!("&after={after}"));
    let path = format!(
        "queues/{}?dead={}{}",
        escaped(queue),
        u8::from(dead),
        after.unwrap_or_default()
    );
    let answer = target.ask(&path, None)?;
    if target.prints_json(&answer) {
        return Ok(());
    }
    let row = |task: &Value| {
        [
            text(task, "id"),
            text(task, "state"),
            text(task, "attempts"),
            time(task, "put_at_ms"),
            time(task, "visible_at_ms"),
            text(task, "group"),
            text(task, "payload_bytes"),
            text(task, "error"),
        ]
    };
    let rows: Vec<_> = entries(&answer, "tasks").iter().map(row).collect();
    let headings = [
        "task",
        "state",
        "attempts",
        "put",
        "visible",
        "group",
        "bytes",
        "last error",
    ];
    print_table(headings, &rows);
    Ok(())
}

fn change(
    picked: &Picked,
    all: bool,
    step: &str,
    done: &str,
    target: &Target,
) -> anyhow::Result<()> {
    let body = if all {
        json!({ "all": true })
    } else if picked.idle {
        json!({ "idle": true })
    } else if picked.ids.is_empty() {
        json!({ "dead": true })
    } else {
        json!({ "ids": picked.ids })
    };
    let path = format!("queues/{}/{step}", escaped(&picked.queue));
    let answer = target.ask(&path, Some(&body))?;
    if !target.prints_json(&answer) {
        println!("{} {done}", answer["count"]);
    }
    Ok(())
}
