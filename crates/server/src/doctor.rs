//! `basalt doctor`: what is unwise about the settings, the machine and the apps.

use crate::apps::AppTable;
use crate::cloud;
use crate::config::{Mode, Settings};
use crate::product::Product;
use crate::{keys, process, run};
use basalt_api_parse::Apps;
use basalt_base::{Reason, Result};
use basalt_data::{Call, Principal, Rank, Rules};
use basalt_store_sqlite::Synchronous;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// Unwise for a public server.
    Warning,
    /// Wrong: the server would not start, or is open to attack.
    Error,
}

/// Something that was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// One sentence.
    pub message: String,
}

/// The findings so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, message: impl Into<String>) {
        self.0.push(Finding {
            severity,
            message: message.into(),
        });
    }
}

/// Examines settings, machine and apps. The worst findings come first.
pub async fn doctor(settings: &Settings) -> Vec<Finding> {
    let mut found = Findings::default();
    for warning in &settings.warnings {
        found.add(Severity::Warning, warning.clone());
    }
    reachability(settings, &mut found);
    machine(settings, &mut found);
    isolation(settings, &mut found);
    for app in &settings.apps {
        let mut app = app.clone();
        match Product::of(&mut settings.clone(), &mut app) {
            Ok(product) => app_settings(settings, &app.id, &product, &mut found),
            Err(error) => found.add(Severity::Error, format!("app {}: {error}", app.id)),
        }
    }
    match examine_apps(settings, &mut found).await {
        Ok(()) => {}
        Err(error) if error.reason() == Reason::StoreLocked => found.add(
            Severity::Note,
            "a server is using the data directory, so the apps' classes were not examined",
        ),
        Err(error) => found.add(
            Severity::Error,
            format!("the apps can't be examined: {error}"),
        ),
    }
    found
        .0
        .sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found.0
}

fn reachability(settings: &Settings, found: &mut Findings) {
    let public = match run::addresses(settings) {
        Ok(addresses) => addresses.iter().any(|address| !address.ip().is_loopback()),
        Err(error) => return found.add(Severity::Error, error.message().to_owned()),
    };
    if settings.mode == Mode::Development {
        found.add(
            Severity::Note,
            "development mode: everything is open, for this machine only",
        );
    }
    if public && settings.tls_cert.is_none() {
        found.add(
            Severity::Warning,
            "the server listens beyond this machine without TLS: passwords and sessions travel in the clear",
        );
    }
    if public && settings.public_url.is_none() {
        found.add(
            Severity::Warning,
            "`public_url` is not set: `Location` headers name the listener's address",
        );
    }
    let anybody = settings
        .trusted_proxies
        .iter()
        .any(|network| network.parts().1 == 0);
    if anybody {
        found.add(
            Severity::Error,
            "`trusted_proxies` trusts everybody: any client can claim any address, loopback included",
        );
    }
}

/// How far Cloud Code is locked in here, where any app has some.
fn isolation(settings: &Settings, found: &mut Findings) {
    if settings.apps.iter().all(|app| app.cloud.is_none()) {
        return;
    }
    let jail = match cloud::probe() {
        Ok(jail) => jail,
        Err(why) => return found.add(Severity::Error, format!("Cloud Code can't run: {why}")),
    };
    let (level, min) = (jail.level(), settings.cloud_isolation_min);
    let lacking = jail.parts().into_iter().filter(|(_, on)| !on);
    let lacking: Vec<_> = lacking.map(|(name, _)| name).collect();
    let lacking = match lacking.as_slice() {
        [] => String::new(),
        lacking => format!("; this machine does not give {}", lacking.join(", ")),
    };
    let level_name = level.name();
    let message = format!("the isolation of Cloud Code is `{level_name}`{lacking}");
    let severity = if level < min {
        Severity::Error
    } else {
        Severity::Note
    };
    found.add(severity, message);
}

fn machine(settings: &Settings, found: &mut Findings) {
    if settings.synchronous == Synchronous::Normal {
        found.add(
            Severity::Warning,
            "`synchronous` is `normal`: a power cut can lose answered writes, and `full` is hardly slower",
        );
    }
    private(&settings.data_dir, Severity::Warning, found);
    private(&settings.data_dir.join("keys"), Severity::Error, found);
    let wanted = settings.listener.connections_max as u64 * 2;
    if let Some(limit) = process::raise_descriptor_limit()
        && limit < wanted
    {
        found.add(
            Severity::Note,
            format!("{limit} open files are allowed; {wanted} would suit `connections_max`"),
        );
    }
}

fn private(folder: &Path, severity: Severity, found: &mut Findings) {
    let Ok(metadata) = std::fs::metadata(folder) else {
        return;
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let folder = folder.display();
        found.add(
            severity,
            format!("{folder} can be read by others (mode {mode:o}); make it 700"),
        );
    }
}

fn app_settings(settings: &Settings, id: &str, product: &Product, found: &mut Findings) {
    let production = settings.mode == Mode::Production;
    let anywhere = |networks: &[(IpAddr, u8)]| networks.iter().any(|(_, prefix)| *prefix == 0);
    for (name, networks) in [
        ("master key", &product.api.master_key_ips),
        ("maintenance key", &product.api.maintenance_key_ips),
    ] {
        if anywhere(networks) {
            found.add(
                Severity::Warning,
                format!("app {id}: the {name} is accepted from everywhere"),
            );
        }
    }
    if production && product.data.new_collections_open {
        found.add(
            Severity::Warning,
            format!(
                "app {id}: classes that come into being without permissions are open to everybody"
            ),
        );
    }
    if production && product.data.allow_client_collection_creation {
        found.add(
            Severity::Warning,
            format!("app {id}: clients may make classes"),
        );
    }
    if !product.data.sanitize_refusals {
        found.add(
            Severity::Note,
            format!("app {id}: refusals say in detail what is missing"),
        );
    }
}

/// Looks into the apps' databases, which needs the data directory for itself.
async fn examine_apps(settings: &Settings, found: &mut Findings) -> Result<()> {
    // Looking must not make a store, keys or apps where there are none yet.
    if !settings.data_dir.join("system.db").is_file() {
        return Ok(());
    }
    let mut parts = run::parts(settings).await?;
    parts.keys = keys::KeyStore::for_looking(&settings.data_dir);
    for row in parts.store.system().apps().await? {
        let declared = settings
            .apps
            .iter()
            .find(|app| app.id == row.app_id.as_str());
        if let Some(app) = declared {
            let keys = parts.keys.app(app, &*parts.rng)?;
            if let Err(error) = keys::check(&app.id, &keys, settings.mode) {
                found.add(Severity::Error, error.message().to_owned());
            }
        }
    }
    let table = AppTable::look(parts, settings.clone()).await?;
    for id in table.ids() {
        let Some(app) = table.app(&id).await? else {
            continue;
        };
        let call = Call::by(Principal::ranked(app.id.clone(), Rank::Master));
        for schema in app.data.schemas(&call).await? {
            let open = open_writes(&schema.rules);
            // Signing up and registering a device are open by nature.
            if !open.is_empty()
                && !schema.name.starts_with('_')
                && settings.mode == Mode::Production
            {
                let message = format!(
                    "app {id}: everybody may {} objects of {}",
                    open.join(", "),
                    schema.name
                );
                found.add(Severity::Warning, message);
            }
        }
    }
    Ok(())
}

fn open_writes(rules: &Arc<Rules>) -> Vec<&'static str> {
    let sets = [
        ("create", &rules.create),
        ("update", &rules.update),
        ("delete", &rules.delete),
        ("add fields to", &rules.add_field),
    ];
    sets.into_iter()
        .filter(|(_, set)| set.public)
        .map(|(name, _)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(settings: &Settings, severity: Severity) -> Vec<String> {
        let mut found = Findings::default();
        reachability(settings, &mut found);
        machine(settings, &mut found);
        let chosen = found
            .0
            .into_iter()
            .filter(|finding| finding.severity == severity);
        chosen.map(|finding| finding.message).collect()
    }

    #[test]
    fn finds_what_is_unwise() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        std::fs::set_permissions(&keys, PermissionsExt::from_mode(0o755)).unwrap();
        let settings = Settings {
            listen: "0.0.0.0:1".to_owned(),
            data_dir: folder.path().to_owned(),
            synchronous: Synchronous::Normal,
            trusted_proxies: vec!["0.0.0.0/0".parse().unwrap()],
            ..Settings::default()
        };
        let errors = messages(&settings, Severity::Error);
        assert!(
            errors[0].contains("trusts everybody") && errors[1].contains("mode 755"),
            "{errors:?}"
        );
        let warnings = messages(&settings, Severity::Warning);
        assert!(
            warnings
                .iter()
                .any(|message| message.contains("without TLS")),
            "{warnings:?}"
        );
        assert!(
            warnings
                .iter()
                .any(|message| message.contains("synchronous")),
            "{warnings:?}"
        );
        let development = Settings {
            mode: Mode::Development,
            ..settings
        };
        assert!(messages(&development, Severity::Error)[0].contains("loopback only"));
    }
}
