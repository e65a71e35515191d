//! Settings of an app.

use super::forms;
use super::raw::Place;
use super::table::{Row, row};
use basalt_base::Secret;
use std::collections::BTreeMap;

/// An app as the settings declare it.
#[derive(Clone, Debug, Default)]
pub struct AppSettings {
    /// Its public id.
    pub id: String,
    /// Does everything.
    pub master_key: Option<Secret>,
    /// Reads everything.
    pub read_only_master_key: Option<Secret>,
    /// Does everything, internal fields included.
    pub maintenance_key: Option<Secret>,
    /// Proves to webhooks who calls.
    pub webhook_key: Option<Secret>,
    /// REST clients.
    pub rest_key: Option<Secret>,
    /// JavaScript clients.
    pub javascript_key: Option<Secret>,
    /// Mobile clients.
    pub client_key: Option<Secret>,
    /// .NET clients.
    pub dotnet_key: Option<Secret>,
    /// Whether classes made without permissions are open; the mode decides when not set.
    pub new_classes: Option<bool>,
    /// Its Cloud Code: a file, which runs first, or a folder with `main.js` or `index.js`.
    pub cloud: Option<std::path::PathBuf>,
    /// Parse Server options by their own names.
    pub parse: serde_json::Map<String, serde_json::Value>,
    /// Where the options come from.
    pub parse_place: Option<Place>,
    /// Where the other settings come from.
    pub origins: BTreeMap<String, Place>,
}

/// Settings of an app, under `[apps.ID]`.
pub(crate) const APP: &[Row<AppSettings>] = &[
    row!(
        "master_key",
        secret,
        master_key,
        "may do everything; accepted from loopback only, unless `masterKeyIps` says otherwise; generated if not set"
    ),
    row!(
        "read_only_master_key",
        secret,
        read_only_master_key,
        "may read everything; generated if not set"
    ),
    row!(
        "maintenance_key",
        secret,
        maintenance_key,
        "reads and writes all objects, internal fields too, and nothing else that needs the master key; accepted from loopback only, unless `maintenanceKeyIps` says otherwise; generated if not set"
    ),
    row!(
        "webhook_key",
        secret,
        webhook_key,
        "proves to webhooks who calls; generated if not set"
    ),
    row!(
        "rest_key",
        secret,
        rest_key,
        "key of REST clients; once a client key is set, a client without a matching one is refused"
    ),
    row!(
        "javascript_key",
        secret,
        javascript_key,
        "key of JavaScript clients"
    ),
    row!("client_key", secret, client_key, "key of mobile clients"),
    row!("dotnet_key", secret, dotnet_key, "key of .NET clients"),
    row!(
        "new_classes",
        openness,
        new_classes,
        "permissions of classes made without any: `open` to everybody (the default in development) or `closed` to all but the master key (in production)"
    ),
    row!(
        "cloud",
        file,
        cloud,
        "Cloud Code: a JavaScript file, which runs first, or a folder with `main.js` or `index.js`; other files beside it can be required"
    ),
];

/// Settings of an app that exist in name only.
pub(crate) const RESERVED: &[(&str, &str)] = &[("access_keys", "AWS-style protocols")];

/// The environment variable of the first app for a row.
pub(crate) fn environment(row: &Row<AppSettings>) -> String {
    match row.key {
        // The one name that was fixed before there was a rule.
        "read_only_master_key" => "BASALT_READONLY_MASTER_KEY".to_owned(),
        _ => row.environment(),
    }
}

/// Whether the text can be an app's id: it names a folder and is part of addresses.
pub(crate) fn is_app_id(id: &str) -> bool {
    let starts_well = id.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    let rest = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    starts_well && id.len() <= 100 && id.chars().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_ids_are_safe_as_folder_names() {
        for good in ["main", "a", "7x", "My-App_1.2", &"x".repeat(100)] {
            assert!(is_app_id(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "-a",
            ".hidden",
            "a b",
            "ä",
            &"x".repeat(101),
        ] {
            assert!(!is_app_id(bad), "{bad}");
        }
    }
}
