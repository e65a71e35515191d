//! What the command line does without a running server.

use crate::apps::{AppTable, Parts};
use crate::config::{AppSettings, Settings};
use crate::keys::{self, KeyStore};
use crate::{logs, run, transfer};
use basalt_api_admin::{AdminApps, NewApp};
use basalt_base::{Clock, Error, OsRng, Reason, Result, Secret, SystemClock};
use basalt_functions::{Level, LogOptions, LogQuery, LogStore};
use basalt_store::AppRow;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

pub use basalt_api_admin::{AppSummary, MadeApp};

async fn table(settings: &Settings) -> Result<AppTable> {
    let mut settings = settings.clone();
    run::settle(&mut settings)?;
    AppTable::load(run::parts(&settings).await?, settings, String::new()).await
}

/// All apps. Errors: `StoreLocked` while a server runs.
pub async fn list_apps(settings: &Settings) -> Result<Vec<AppSummary>> {
    table(settings).await?.list().await
}

/// Makes an app in the database. Errors: `StoreLocked` while a server runs, `DuplicateValue`.
pub async fn make_app(
    settings: &Settings,
    id: &str,
    client_keys: Vec<(String, Secret)>,
    new_classes_open: Option<bool>,
    parse: Map<String, Value>,
) -> Result<MadeApp> {
    let app = NewApp {
        id: id.to_owned(),
        client_keys,
        new_classes_open,
        parse,
    };
    table(settings).await?.make(app).await
}

/// Deletes all data of an app. Errors: `StoreLocked` while a server runs.
///
/// An app whose import was not finished is emptied, too, and can be imported again.
pub async fn clear_app(settings: &Settings, id: &str) -> Result<()> {
    if transfer::give_up(settings, id).await? {
        return Ok(());
    }
    table(settings).await?.clear(id).await
}

/// What an app's functions and hooks have logged; works while a server runs.
pub struct AppLogs(basalt_functions::Logs);

impl AppLogs {
    /// Of an app, by its id.
    pub fn open(settings: &Settings, id: &str) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let dir = settings.data_dir.join("logs");
        let folder = logs::latest_folder(&dir, id).unwrap_or_else(|| id.to_owned());
        let store = LogStore::open(dir, LogOptions::default(), clock)?;
        Ok(Self(store.app(&folder)))
    }

    /// The last lines, oldest first, for people. Errors: `InvalidValue` for an unknown level.
    pub async fn last(&self, size: usize, level: &str) -> Result<Vec<String>> {
        let query = LogQuery {
            from: None,
            until: None,
            size,
            ascending: false,
            level: level_of(level)?,
        };
        let mut lines = self.0.search(query).await?;
        lines.reverse();
        Ok(lines.iter().map(logs::for_people).collect())
    }

    /// The lines after a point and the point after them; an empty one is now. Waits a second for
    /// lines when there are none.
    pub async fn more(&self, after: &str, level: &str) -> Result<(Vec<String>, String)> {
        let level = level_of(level)?;
        let tail = self.0.tail(after, Duration::from_secs(1)).await?;
        let lines = tail.lines.iter().filter(|line| logs::level(line) >= level);
        Ok((lines.map(logs::for_people).collect(), tail.next))
    }
}

fn level_of(name: &str) -> Result<Level> {
    let message = "A level is debug, info, warn or error.";
    Level::of(name).ok_or_else(|| Error::new(Reason::InvalidValue, message))
}

/// The keys of an app by their names in the settings; works while a server runs. On an embedded
/// store keys that were not generated yet are generated.
///
/// Errors: `ObjectNotFound`; where nodes share the store, those of reading its registry.
pub async fn app_keys(settings: &Settings, id: &str) -> Result<Vec<(&'static str, Secret)>> {
    let mut settings = settings.clone();
    run::settle(&mut settings)?;
    let unknown = || {
        let message = format!(
            "There is no app {id:?}: neither the settings declare it nor does it have keys."
        );
        Error::new(Reason::ObjectNotFound, message)
    };
    if settings.database_url.is_some() {
        // Another node may have made them, whatever lies in this one's folder.
        let parts = run::parts(&settings).await?;
        let row = transfer::find(&*parts.store, id).await?;
        let keys = known_keys(&settings, &parts, id, row.as_ref())?;
        return if keys.is_empty() {
            Err(unknown())
        } else {
            Ok(keys)
        };
    }
    let store = KeyStore::of(&settings.data_dir);
    let is_declared = settings.apps.iter().any(|app| app.id == id);
    if !is_declared && !store.knows(id) {
        return Err(unknown());
    }
    let keys = store.app(&app_settings(&settings, id), &OsRng)?;
    Ok(keys::given(&keys))
}

/// The keys that an app has, none made: of the settings, of its row where nodes share the store,
/// then those on disk.
pub(crate) fn known_keys(
    settings: &Settings,
    parts: &Parts,
    id: &str,
    row: Option<&AppRow>,
) -> Result<Vec<(&'static str, Secret)>> {
    let mut app = app_settings(settings, id);
    if let Some(row) = row.filter(|_| parts.store.is_shared()) {
        let kept = parts.shared_keys.of_row(&app, &row.settings)?;
        app = keys::with(app, &kept);
    }
    let disk = KeyStore::for_looking(&settings.data_dir);
    Ok(keys::given(&disk.app(&app, &*parts.rng)?))
}

fn app_settings(settings: &Settings, id: &str) -> AppSettings {
    let declared = settings.apps.iter().find(|app| app.id == id);
    declared.cloned().unwrap_or_else(|| AppSettings {
        id: id.to_owned(),
        ..AppSettings::default()
    })
}

/// The operator's token, generated if there is none.
pub fn operator_token(settings: &Settings) -> Result<Secret> {
    KeyStore::of(&settings.data_dir).operator_token(settings, &OsRng)
}

/// Checks every app's database; one sentence for each problem, with the app's id in front.
pub async fn verify(settings: &Settings) -> Result<Vec<String>> {
    let parts = run::parts(settings).await?;
    let mut problems = Vec::new();
    for row in parts.store.system().apps().await? {
        let id = &row.app_id;
        if basalt_transfer::is_importing(&row.settings) {
            problems.push(format!(
                "{id}: its import was not finished; it is not served"
            ));
        }
        let outcome = match parts.store.open_app(row.store_id).await {
            Ok(app) => app.verify().await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(found) => problems.extend(found.iter().map(|problem| format!("{id}: {problem}"))),
            Err(error) => problems.push(format!("{id}: {error:?}")),
        }
    }
    Ok(problems)
}

/// The ids of the apps that only the database knows. Errors: `StoreLocked` while a server runs.
pub async fn stored_apps(settings: &Settings) -> Result<Vec<String>> {
    if settings.database_url.is_none() && !settings.data_dir.is_dir() {
        return Ok(Vec::new());
    }
    let parts = run::parts(settings).await?;
    let rows = parts.store.system().apps().await?;
    Ok(rows
        .iter()
        .map(|row| row.app_id.as_str().to_owned())
        .collect())
}
