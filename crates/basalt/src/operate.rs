//! Asking about an app, and printing what comes back.

use crate::cli::Target;
use crate::settings::{block_on, load};
use anyhow::{Context, anyhow};
use basalt_server::operate;
use serde_json::Value;

impl Target {
    /// Asks about the app; `rest` is what follows its id in the path.
    pub fn ask(&self, rest: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let mut settings = load(&self.flags, None)?;
        basalt_server::settle(&mut settings)?;
        let first = settings.apps.first().map(|app| app.id.clone());
        let app = self.app.clone().or(first).context("there is no app")?;
        let path = format!("/apps/{}/{rest}", escaped(&app));
        let asked = block_on(operate(&settings, self.server.as_deref(), &path, body))?;
        asked.map_err(|error| match error.reason() {
            basalt_base::Reason::StoreLocked => anyhow!(
                "{} Name it with --server http://HOST:PORT.",
                error.message()
            ),
            _ => error.into(),
        })
    }

    /// Prints the answer as it is, if that is wanted; says whether.
    pub fn prints_json(&self, answer: &Value) -> bool {
        if self.json {
            println!("{answer:#}");
        }
        self.json
    }
}

/// A part of a path or query.
pub fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let each = text.bytes().map(|byte| match byte {
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    each.collect()
}

/// Rows below their headings, each column as wide as it has to be.
pub fn print_table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) {
    let mut widths = headings.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    print_row(&headings.map(str::to_owned), &widths);
    for row in rows {
        print_row(row, &widths);
    }
}

fn print_row(row: &[String], widths: &[usize]) {
    let cells = row.iter().zip(widths);
    let line: Vec<_> = cells
        .map(|(cell, width)| format!("{cell:width$}"))
        .collect();
    println!("{}", line.join("  ").trim_end());
}

/// The entries of an array in an answer.
pub fn entries<'v>(answer: &'v Value, name: &str) -> &'v [Value] {
    answer[name].as_array().map_or(&[], Vec::as_slice)
}

/// A field for people, on one line; nothing for null.
pub fn text(entry: &Value, name: &str) -> String {
    match &entry[name] {
        Value::Null => String::new(),
        Value::String(text) => text.replace(char::is_control, " "),
        other => other.to_string(),
    }
}

/// A time in UTC, to the second.
pub fn time(entry: &Value, name: &str) -> String {
    let Some(ms) = entry[name].as_i64() else {
        return String::new();
    };
    let at = jiff::Timestamp::from_second(ms.div_euclid(1_000));
    at.map(|at| at.to_string()).unwrap_or_default()
}
