//! `basalt app …`

use crate::cli::AppCommand;
use crate::settings::{block_on, load};
use anyhow::{Context, anyhow, bail};
use basalt_base::{Error, Reason, Secret};
use basalt_server::config::{Place, Settings};
use basalt_server::tools;
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;

pub fn run(command: AppCommand) -> anyhow::Result<ExitCode> {
    match command {
        AppCommand::Create {
            id,
            rest_key,
            javascript_key,
            client_key,
            dotnet_key,
            new_classes,
            parse,
            flags,
        } => {
            let settings = load(&flags, None)?;
            let client_keys = [
                ("rest_key", rest_key),
                ("javascript_key", javascript_key),
                ("client_key", client_key),
                ("dotnet_key", dotnet_key),
            ];
            let client_keys: Vec<(&str, String)> = client_keys
                .into_iter()
                .filter_map(|(name, key)| Some((name, key?)))
                .collect();
            let asking =
                asking_for_app(&id, &client_keys, new_classes.as_deref(), parse.as_deref());
            let parse = parse
                .as_deref()
                .map(options)
                .transpose()?
                .unwrap_or_default();
            let open = new_classes.map(|word| word == "open");
            let client_keys = client_keys.into_iter();
            let client_keys = client_keys.map(|(name, key)| (name.to_owned(), Secret::new(key)));
            let making = tools::make_app(&settings, &id, client_keys.collect(), open, parse);
            let made = block_on(making)?.map_err(|error| in_use(error, &settings, &asking))?;
            print_keys(&made.keys);
        }
        AppCommand::List { flags } => {
            let settings = load(&flags, None)?;
            let asking = "http://HOST:PORT/admin/apps";
            let apps = block_on(tools::list_apps(&settings))?;
            for app in apps.map_err(|error| in_use(error, &settings, asking))? {
                let place = if app.declared { "settings" } else { "database" };
                let served = if app.served { "" } else { ", not served" };
                println!(
                    "{}  account {}, from the {place}{served}",
                    app.id, app.account
                );
            }
        }
        AppCommand::Keys { id, flags } => {
            let settings = load(&flags, None)?;
            let first = settings.apps.first().map(|app| app.id.clone());
            let id = id.or(first).context("there is no app")?;
            print_keys(&block_on(tools::app_keys(&settings, &id))??);
        }
        AppCommand::Clear { id, yes, flags } => {
            if !yes {
                bail!("this deletes every object and class of app {id}; add --yes to do it");
            }
            let settings = load(&flags, None)?;
            let asking = format!("-X POST http://HOST:PORT/admin/apps/{id}/clear");
            block_on(tools::clear_app(&settings, &id))?
                .map_err(|error| in_use(error, &settings, &asking))?;
            println!("cleared {id}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A server that has the folder can do the same: says how to ask it.
fn in_use(error: Error, settings: &Settings, asking: &str) -> anyhow::Error {
    if error.reason() != Reason::StoreLocked {
        return error.into();
    }
    let token = match settings.origins.get("operator_token") {
        None => {
            let file = settings.data_dir.join("keys").join("_operator-token");
            format!("$(cat {})", quoted(&file.display().to_string()))
        }
        Some(Place::Environment(name)) if name.ends_with("_FILE") => format!("$(cat ${name})"),
        Some(Place::Environment(name)) => format!("${name}"),
        // A secret is not printed.
        Some(place) => format!("TOKEN (`operator_token` of {place})"),
    };
    anyhow!(
        "{}. Stop it, or ask it: curl -H \"Authorization: Bearer {token}\" {asking}",
        error.message().trim_end_matches('.')
    )
}

/// The rest of the command that asks a server for a new app, with all that was given.
fn asking_for_app(
    id: &str,
    client_keys: &[(&str, String)],
    new_classes: Option<&str>,
    parse: Option<&Path>,
) -> String {
    let mut body = serde_json::Map::from_iter([("id".to_owned(), Value::from(id))]);
    for (name, key) in client_keys {
        body.insert((*name).to_owned(), Value::from(key.as_str()));
    }
    if let Some(word) = new_classes {
        body.insert("new_classes".to_owned(), Value::from(word));
    }
    let mut body = quoted(&Value::from(body).to_string());
    if let Some(path) = parse {
        // Options may hold secrets: the shell puts the file in.
        let path = quoted(&path.display().to_string());
        let head = body.trim_end_matches("}'");
        body = format!("{head},\"parse\":'\"$(cat {path})\"'}}'");
    }
    format!("-X POST -d {body} http://HOST:PORT/admin/apps")
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn print_keys(keys: &[(&'static str, Secret)]) {
    for (name, key) in keys {
        println!("{name} = {}", key.expose());
    }
}

fn options(path: &Path) -> anyhow::Result<serde_json::Map<String, Value>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text)
        .with_context(|| format!("{}: expected a JSON object of options", path.display()))
}
