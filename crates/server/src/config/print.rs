//! `basalt config print`: settings as a file that could be read again.

use super::apps::APP;
use super::table::{LIMITS, Row, SERVER, Settings};
use super::{AppSettings, Place};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Every setting with its default, commented out, with what it means.
pub fn print_default() -> String {
    let default = Settings::default();
    let mut out = String::from("# Every setting with its default.\n");
    for (rows, head) in [(SERVER, ""), (LIMITS, "\n[limits]\n")] {
        out.push_str(head);
        for row in rows {
            let _ = writeln!(out, "\n# {}: {}", row.doc.replace('`', ""), row.expected);
            let value = (row.show)(&default).unwrap_or_else(|| "\"\"  # not set".to_owned());
            let _ = writeln!(out, "# {} = {value}", short(row));
        }
    }
    out.push_str("\n# An app. The id is the name of the table.\n# [apps.main]\n");
    for row in APP {
        let _ = writeln!(out, "\n# {}: {}", row.doc.replace('`', ""), row.expected);
        let _ = writeln!(out, "# {} = \"\"  # not set", row.key);
    }
    out.push_str("\n# Parse Server options by their own names.\n# parse = { }\n");
    out
}

/// What a server would run with, and where each value comes from. `stored` are the ids of apps
/// that only the database knows, or why they are not known.
pub fn print_effective(settings: &Settings, stored: Result<&[String], &str>) -> String {
    let mut out = String::new();
    for (rows, head) in [(SERVER, ""), (LIMITS, "\n[limits]\n")] {
        out.push_str(head);
        for row in rows {
            line(&mut out, row, settings, &settings.origins);
        }
    }
    for app in &settings.apps {
        print_app(&mut out, app);
    }
    match stored {
        Ok(ids) => {
            for id in ids
                .iter()
                .filter(|id| settings.apps.iter().all(|app| app.id != **id))
            {
                let _ = writeln!(out, "\n# [apps.{id}] lives in the database.");
            }
        }
        Err(why) => {
            let _ = writeln!(out, "\n# Apps in the database are not shown: {why}");
        }
    }
    out
}

fn print_app(out: &mut String, app: &AppSettings) {
    let _ = writeln!(out, "\n[apps.{}]", toml_key(&app.id));
    for row in APP {
        line(out, row, app, &app.origins);
    }
    let place = app.parse_place.as_ref();
    for (name, value) in &app.parse {
        let hidden = name.to_ascii_lowercase().ends_with("key");
        let shown = match (hidden, inline(value)) {
            (true, _) => "\"(set)\"".to_owned(),
            (false, Some(shown)) => shown,
            (false, None) => continue,
        };
        let _ = write!(out, "parse.{} = {shown}", toml_key(name));
        let _ = writeln!(out, "{}", origin(place));
    }
}

fn line<T>(out: &mut String, row: &Row<T>, source: &T, origins: &BTreeMap<String, Place>) {
    let place = origins.get(row.key);
    match (row.show)(source) {
        Some(value) => {
            let comment = if row.secret { "# " } else { "" };
            let _ = writeln!(out, "{comment}{} = {value}{}", short(row), origin(place));
        }
        None => {
            let _ = writeln!(out, "# {} is not set", short(row));
        }
    }
}

fn origin(place: Option<&Place>) -> String {
    place.map_or_else(String::new, |place| format!("  # {place}"))
}

fn short<T>(row: &Row<T>) -> &'static str {
    row.key.strip_prefix("limits.").unwrap_or(row.key)
}

fn toml_key(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if text.chars().all(bare) {
        return text.to_owned();
    }
    toml::Value::from(text).to_string()
}

/// A JSON value as an inline TOML value; `None` where TOML has no such value.
fn inline(value: &serde_json::Value) -> Option<String> {
    use serde_json::Value;
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => toml::Value::from(text.as_str()).to_string(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().filter_map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let entries = entries.iter();
            let entries = entries
                .filter_map(|(key, value)| Some(format!("{} = {}", toml_key(key), inline(value)?)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_base::Secret;

    #[test]
    fn both_prints_are_toml() {
        let mut settings = Settings::default();
        let mut app = AppSettings {
            id: "my.app".to_owned(),
            master_key: Some(Secret::new("canary-1")),
            ..AppSettings::default()
        };
        app.parse.insert("masterKey".to_owned(), "canary-2".into());
        app.parse.insert(
            "a".to_owned(),
            serde_json::json!({ "b c": [1, null, "x\ny"], "d": false }),
        );
        settings.apps.push(app);
        settings.operator_token = Some(Secret::new("canary-3"));
        let printed = print_effective(&settings, Ok(&["my.app".to_owned(), "other".to_owned()]));
        assert!(printed.parse::<toml::Table>().is_ok(), "{printed}");
        assert!(!printed.contains("canary"), "{printed}");
        assert!(printed.contains("# [apps.other] lives in the database."));
        assert!(!printed.contains("[apps.my.app] lives"));
        assert!(print_default().parse::<toml::Table>().is_ok());
    }
}
