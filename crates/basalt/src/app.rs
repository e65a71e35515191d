//! `basalt app …`

use crate::cli::AppCommand;
use crate::settings::{block_on, load};
use anyhow::{Context, anyhow, bail};
use basalt_base::{Error, Reason, Secret};
use basalt_server::config::Settings;
use basalt_server::tools;
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
            let client_keys = client_keys
                .into_iter()
                .filter_map(|(name, key)| Some((name.to_owned(), Secret::new(key?))));
            let open = new_classes.map(|word| word == "open");
            let parse = parse
                .as_deref()
                .map(options)
                .transpose()?
                .unwrap_or_default();
            let making = tools::make_app(&settings, &id, client_keys.collect(), open, parse);
            let asking = format!("-X POST -d '{{\"id\":\"{id}\"}}' http://HOST:PORT/admin/apps");
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
    let token = settings.data_dir.join("keys").join("_operator-token");
    anyhow!(
        "{}. Stop it, or ask it: curl -H \"Authorization: Bearer $(cat {})\" {asking}",
        error.message().trim_end_matches('.'),
        token.display()
    )
}

fn print_keys(keys: &[(&'static str, Secret)]) {
    for (name, key) in keys {
        println!("{name} = {}", key.expose());
    }
}

fn options(path: &Path) -> anyhow::Result<serde_json::Map<String, serde_json::Value>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text)
        .with_context(|| format!("{}: expected a JSON object of options", path.display()))
}
