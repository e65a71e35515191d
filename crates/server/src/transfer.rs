//! Moving an app between stores: `basalt export` and `basalt import`.

use crate::apps::{DECLARED, Parts, declared_row};
use crate::config::{Settings, invalid, is_app_id};
use crate::keys::{self, KeyStore};
use crate::{run, shared_keys, tools};
use basalt_base::{AppId, Error, Map, Reason, Result, Rng};
use basalt_store::{AppRow, Store};
use basalt_transfer::{Export, Import, is_importing, portable_settings, without_marker};
use std::path::Path;
use std::time::Duration;

pub use basalt_transfer::{Header, Inspected, Progress, Report, Sum, Totals, inspect};

/// A large app takes its time, and nobody else waits for these snapshots.
const SNAPSHOT_AGE_MAX: Duration = Duration::from_hours(48);

/// What was exported.
pub struct Exported {
    /// The app's id.
    pub app: String,
    /// What the file holds.
    pub totals: Totals,
}

/// What was imported.
pub struct Imported {
    /// The app's id.
    pub app: String,
    /// What the app holds.
    pub totals: Totals,
    /// Whether the app was made; one that was there keeps its settings.
    pub is_new: bool,
    /// Whether the file holds keys.
    pub has_keys: bool,
}

/// Writes an app, the first one if none is named, to a file; with `keys` its keys, too.
///
/// Errors: `ObjectNotFound`, `StoreLocked` while a server uses the folder, and those of
/// [`basalt_transfer::export`].
pub async fn export(
    settings: &Settings,
    app: Option<&str>,
    path: &Path,
    (resume, keys): (bool, bool),
    report: &Report,
) -> Result<Exported> {
    let mut settings = settings.clone();
    run::settle(&mut settings)?;
    let id = app.unwrap_or(run::first_app(&settings));
    let parts = run::parts_with(&settings, SNAPSHOT_AGE_MAX).await?;
    let row = find(&*parts.store, id).await?.ok_or_else(|| no_app(id))?;
    if is_importing(&row.settings) {
        let message =
            format!("The import of app {id} was not finished; there is no whole app to export.");
        return Err(Error::new(Reason::PreconditionFailed, message));
    }
    let keys = if keys {
        let named = tools::known_keys(&settings, &parts, id, Some(&row))?;
        let named = named.into_iter();
        Some(named.map(|(name, key)| (name.to_owned(), key)).collect())
    } else {
        None
    };
    let data = parts.store.open_app(row.store_id).await?;
    let request = Export {
        app: &*data,
        row: &row,
        settings: portable_settings(&row.settings, &OWN),
        keys,
        path,
        resume,
        program: env!("CARGO_PKG_VERSION"),
        at: parts.clock.now(),
    };
    let totals = basalt_transfer::export(request, report).await?;
    Ok(Exported {
        app: id.to_owned(),
        totals,
    })
}

/// Fills an app, the file's if none is named, from a file; with `keys` it gets the file's keys.
///
/// Errors: `StoreLocked` while a server uses the folder, and those of [`basalt_transfer::import`].
pub async fn import(
    settings: &Settings,
    app: Option<&str>,
    path: &Path,
    (resume, keys): (bool, bool),
    report: &Report,
) -> Result<Imported> {
    let mut settings = settings.clone();
    run::settle(&mut settings)?;
    let parts = run::parts_with(&settings, SNAPSHOT_AGE_MAX).await?;
    if keys && parts.store.is_shared() {
        // Before anything is written.
        parts.shared_keys.check_may_keep("of the file", &KEYS)?;
    }
    let admit = |id: &str| {
        if !is_app_id(id) {
            return Err(invalid(format!(
                "the app id {id:?} can't be used here; choose one with --app"
            )));
        }
        let declared = settings.apps.iter().any(|app| app.id == id);
        Ok(declared.then(declared_row))
    };
    let request = Import {
        store: &*parts.store,
        path,
        app,
        resume,
        admit: &admit,
        own: &OWN,
        account: account(&*parts.rng),
    };
    let imported = basalt_transfer::import(request, report).await?;
    let has_keys = imported.keys.is_some();
    if keys {
        take_keys(&settings, &parts, &imported).await?;
    }
    Ok(Imported {
        app: imported.app,
        totals: imported.totals,
        is_new: imported.is_new,
        has_keys,
    })
}

/// What in an app's settings belongs to the store that it is in.
const OWN: [&str; 2] = [DECLARED, shared_keys::KEYS];

/// Puts the file's keys in force: on disk, and where nodes share a store in the app's row.
async fn take_keys(
    settings: &Settings,
    parts: &Parts,
    imported: &basalt_transfer::Imported,
) -> Result<()> {
    let keys = imported.keys.iter().flatten();
    let keys = keys.filter(|(name, _)| KEYS.contains(&name.as_str()));
    let keys: Vec<_> = keys
        .map(|(name, key)| (keys::short(name).to_owned(), key.clone()))
        .collect();
    let app = &imported.app;
    if parts.store.is_shared() {
        let row = find(&*parts.store, app).await?;
        let mut row = row.ok_or_else(|| no_app(app))?;
        let (shared, rng) = (&parts.shared_keys, &*parts.rng);
        shared.put(app, &mut row.settings, keys.clone(), rng)?;
        let system = parts.store.system();
        system.update_app(row.store_id, row.settings).await?;
    }
    KeyStore::of(&settings.data_dir).mirror(app, &keys)
}

/// Names of keys that a file may bring; each becomes the name of a file.
const KEYS: [&str; 8] = [
    "master_key",
    "read_only_master_key",
    "maintenance_key",
    "webhook_key",
    "rest_key",
    "javascript_key",
    "client_key",
    "dotnet_key",
];

/// Empties an app whose import was not finished, so that it can begin again; whether there is one.
pub(crate) async fn give_up(settings: &Settings, id: &str) -> Result<bool> {
    let parts = run::parts(settings).await?;
    let row = find(&*parts.store, id).await?;
    let Some(row) = row.filter(|row| is_importing(&row.settings)) else {
        return Ok(false);
    };
    parts.store.open_app(row.store_id).await?.clear().await?;
    let settings: Map = without_marker(&row.settings);
    parts
        .store
        .system()
        .update_app(row.store_id, settings)
        .await?;
    Ok(true)
}

/// A random account number of twelve digits.
pub(crate) fn account(rng: &dyn Rng) -> String {
    let mut number = [0; 8];
    rng.fill(&mut number);
    format!("{:012}", u64::from_le_bytes(number) % 1_000_000_000_000)
}

pub(crate) async fn find(store: &dyn Store, id: &str) -> Result<Option<AppRow>> {
    let rows = store.system().apps().await?;
    let id = AppId::new(id);
    Ok(rows.into_iter().find(|row| row.app_id == id))
}

fn no_app(id: &str) -> Error {
    Error::new(
        Reason::ObjectNotFound,
        format!("There is no app {id:?} in this store."),
    )
}
