//! The apps of this server: from the settings and from the registry, opened on first use.

use crate::config::{AppSettings, Mode, Settings, invalid, is_app_id};
use crate::keys::{self, AppKeys, KeyStore};
use crate::logs;
use crate::product::{PARSE_MOUNT, Product};
use arc_swap::ArcSwapOption;
use basalt_api_admin::{AdminApps, AppSummary, LogsAsked, MadeApp, NewApp};
use basalt_api_parse::{App, Apps, ParseWire};
use basalt_base::{AppId, BoxFuture, Clock, Error, Map, Reason, Result, Rng, Secret, Value};
use basalt_data::{Data, Deps};
use basalt_functions::{Functions, LogStore, Outside};
use basalt_identity::{GuardDeps, Identity, PasswordPool, SystemGuard};
use basalt_store::{AppRow, AppStore, Store};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What apps are made from.
#[derive(Clone)]
pub(crate) struct Parts {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
    pub passwords: Arc<PasswordPool>,
    pub keys: KeyStore,
    pub outside: Outside,
    pub logs: LogStore,
}

/// All apps.
pub(crate) struct AppTable {
    parts: Parts,
    settings: Settings,
    /// Where clients reach this server, without a path.
    public_url: String,
    entries: RwLock<HashMap<Box<str>, Arc<Entry>>>,
    open: AtomicUsize,
    uses: AtomicU64,
}

/// One app, open or not.
struct Entry {
    row: AppRow,
    declared: bool,
    keys: AppKeys,
    product: Product,
    app: ArcSwapOption<App>,
    /// Held while the app is opened, cleared or closed.
    opening: tokio::sync::Mutex<()>,
    used: AtomicU64,
}

/// Names in an app's row of the registry.
pub(crate) const DECLARED: &str = "declared";
const NEW_CLASSES: &str = "new_classes_open";
const PARSE: &str = "parse";

impl AppTable {
    /// Brings registry and settings together: declared apps that are not in the registry are
    /// registered. Errors: `InvalidSetting`, and those of the store.
    pub(crate) async fn load(parts: Parts, settings: Settings, public_url: String) -> Result<Self> {
        Self::load_with(parts, settings, public_url, true).await
    }

    /// The same without registering anything: for whoever only looks.
    pub(crate) async fn look(parts: Parts, settings: Settings) -> Result<Self> {
        Self::load_with(parts, settings, String::new(), false).await
    }

    async fn load_with(
        parts: Parts,
        settings: Settings,
        public_url: String,
        registers: bool,
    ) -> Result<Self> {
        let mut rows = parts.store.system().apps().await?;
        let unfinished = rows.iter().filter(|row| is_unfinished(row));
        let unfinished: Vec<_> = unfinished
            .map(|row| row.app_id.as_str().to_owned())
            .collect();
        let table = Self {
            parts,
            settings,
            public_url,
            entries: RwLock::default(),
            open: AtomicUsize::new(0),
            uses: AtomicU64::new(0),
        };
        rows.retain(|row| !unfinished.iter().any(|id| row.app_id.as_str() == id));
        for app in table.settings.apps.clone() {
            if unfinished.contains(&app.id) {
                continue;
            }
            let at = rows.iter().position(|row| row.app_id.as_str() == app.id);
            let row = match at {
                Some(at) => rows.swap_remove(at),
                None if !registers => continue,
                None => table.register(&app.id, declared_row()).await?,
            };
            table.insert(row, app, true)?;
        }
        for row in rows {
            if is_declared(&row) {
                tracing::warn!(app = %row.app_id, "the settings do not declare this app any more; it is not served");
                continue;
            }
            let app = stored(&row)?;
            table.insert(row, app, false)?;
        }
        Ok(table)
    }

    async fn register(&self, id: &str, settings: Map) -> Result<AppRow> {
        let account = crate::transfer::account(&*self.parts.rng);
        let system = self.parts.store.system();
        let now = self.parts.clock.now();
        system
            .create_app(&AppId::new(id), &account, settings, now)
            .await
    }

    fn insert(&self, row: AppRow, mut app: AppSettings, declared: bool) -> Result<Arc<Entry>> {
        let mut settings = self.settings.clone();
        let mut product = Product::of(&mut settings, &mut app)?;
        product.api.public_url = format!("{}{PARSE_MOUNT}", self.public_url);
        PARSE_MOUNT.clone_into(&mut product.api.mount_path);
        let keys = self.parts.keys.app(&app, &*self.parts.rng)?;
        keys::check(&app.id, &keys, self.settings.mode)?;
        let entry = Arc::new(Entry {
            row,
            declared,
            keys,
            product,
            app: ArcSwapOption::empty(),
            opening: tokio::sync::Mutex::default(),
            used: AtomicU64::new(0),
        });
        self.entries
            .write()
            .insert(app.id.into(), Arc::clone(&entry));
        Ok(entry)
    }

    fn entry(&self, id: &str) -> Option<Arc<Entry>> {
        self.entries.read().get(id).cloned()
    }

    /// How many apps are open.
    pub(crate) fn open_count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How many apps are served.
    pub(crate) fn count(&self) -> usize {
        self.entries.read().len()
    }

    async fn open(&self, entry: &Entry) -> Result<Arc<App>> {
        let use_number = self.uses.fetch_add(1, Ordering::Relaxed);
        entry.used.store(use_number, Ordering::Relaxed);
        if let Some(app) = entry.app.load_full() {
            return Ok(app);
        }
        let opening = entry.opening.lock().await;
        if let Some(app) = entry.app.load_full() {
            return Ok(app);
        }
        let app = Arc::new(self.parts.open(entry).await?);
        entry.app.store(Some(Arc::clone(&app)));
        self.open.fetch_add(1, Ordering::Relaxed);
        drop(opening);
        self.close_oldest(entry);
        Ok(app)
    }

    /// Closes apps that were not used for longest while too many are open. Requests that still use
    /// one keep it until they are done.
    fn close_oldest(&self, just_opened: &Entry) {
        while self.open_count() > self.settings.apps_open_max.max(1) {
            let entries = self.entries.read();
            let open = entries.values().filter(|entry| {
                entry.app.load().is_some() && !std::ptr::eq(&raw const ***entry, just_opened)
            });
            let Some(oldest) = open.min_by_key(|entry| entry.used.load(Ordering::Relaxed)) else {
                return;
            };
            if oldest.app.swap(None).is_some() {
                self.open.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// The ids of the served apps, sorted.
    pub(crate) fn ids(&self) -> Vec<String> {
        let mut ids: Vec<_> = self
            .entries
            .read()
            .keys()
            .map(ToString::to_string)
            .collect();
        ids.sort();
        ids
    }

    async fn make_app(&self, new: NewApp) -> Result<MadeApp> {
        if !is_app_id(&new.id) {
            return Err(invalid(format!(
                "`id` = {:?}: expected letters, digits, `.`, `_` and `-`, at most 100, the first a letter or digit",
                new.id
            )));
        }
        let mut settings = Map::new();
        if let Some(open) = new.new_classes_open {
            settings.insert(NEW_CLASSES.to_owned(), Value::Bool(open));
        }
        let options = serde_json::Value::from(new.parse).to_string();
        settings.insert(PARSE.to_owned(), Value::String(options));
        let mut row = AppRow {
            store_id: basalt_store::StoreId(0),
            app_id: AppId::new(new.id.as_str()),
            account: String::new(),
            settings,
            created_at: self.parts.clock.now(),
        };
        // Looked at before anything is written, so that a refusal leaves nothing behind.
        Product::of(&mut self.settings.clone(), &mut stored(&row)?)?;
        row = self.register(&new.id, row.settings).await?;
        for (name, key) in &new.client_keys {
            let name = name.trim_end_matches("_key");
            self.parts.keys.keep(&new.id, name, key)?;
        }
        let app = stored(&row)?;
        let entry = self.insert(row, app, false)?;
        let named = keys::named(&entry.keys);
        let keys = named
            .into_iter()
            .filter_map(|(name, key)| Some((name, key?.clone())));
        Ok(MadeApp {
            summary: entry.summary(),
            keys: keys.collect(),
        })
    }

    async fn clear_app(&self, id: &str) -> Result<()> {
        let entry = self.entry(id).ok_or_else(no_app)?;
        let app = self.open(&entry).await?;
        let _opening = entry.opening.lock().await;
        app.data.deps().store.clear().await?;
        // Whatever engines remember of the app is about objects that are gone.
        if entry.app.swap(None).is_some() {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn list_apps(&self) -> Result<Vec<AppSummary>> {
        let rows = self.parts.store.system().apps().await?;
        let summary = |row: AppRow| match self.entry(row.app_id.as_str()) {
            Some(entry) => entry.summary(),
            None => AppSummary {
                declared: is_declared(&row),
                id: row.app_id,
                account: row.account,
                created_at: row.created_at,
                served: false,
            },
        };
        Ok(rows.into_iter().map(summary).collect())
    }
}

impl Parts {
    async fn open(&self, entry: &Entry) -> Result<App> {
        let store = self.store.open_app(entry.row.store_id).await?;
        let product = &entry.product;
        let guard_deps = GuardDeps {
            store: Arc::clone(&store),
            clock: Arc::clone(&self.clock),
            rng: Arc::clone(&self.rng),
            passwords: Arc::clone(&self.passwords),
            id_length: product.data.id_length,
        };
        let guard = SystemGuard::new(guard_deps, product.identity.clone());
        let functions = self.functions(entry, &store).await?;
        let deps = Deps {
            store,
            clock: Arc::clone(&self.clock),
            rng: Arc::clone(&self.rng),
            hooks: Arc::new(functions.clone()),
            guard: Arc::new(guard.clone()),
        };
        let data = Data::new(deps, product.data.clone());
        Ok(App {
            id: entry.row.app_id.clone(),
            keys: entry.keys.api.clone(),
            identity: Identity::new(data.clone(), &guard),
            data,
            functions,
            options: product.api.clone(),
        })
    }
}

impl Parts {
    /// Hooks and functions of an app.
    async fn functions(&self, entry: &Entry, store: &Arc<dyn AppStore>) -> Result<Functions> {
        let api = &entry.product.api;
        let wire = ParseWire::new(
            entry.row.app_id.as_str(),
            &api.public_url,
            api.limits.clone(),
            Arc::clone(&self.clock),
        );
        let deps = basalt_functions::Deps {
            app: entry.row.app_id.clone(),
            store: Arc::clone(store),
            clock: Arc::clone(&self.clock),
            wire: Arc::new(wire),
            outside: self.outside.clone(),
            logs: self.logs.app(entry.row.app_id.as_str()),
        };
        let options = basalt_functions::Options {
            webhook_key: entry.keys.webhook.clone(),
            ..entry.product.functions.clone()
        };
        Functions::open(deps, options).await
    }
}

impl Entry {
    fn summary(&self) -> AppSummary {
        AppSummary {
            id: self.row.app_id.clone(),
            account: self.row.account.clone(),
            created_at: self.row.created_at,
            declared: self.declared,
            served: true,
        }
    }
}

fn no_app() -> Error {
    Error::new(Reason::ObjectNotFound, "No such app.")
}

/// Whether an import left the app half filled; says so.
fn is_unfinished(row: &AppRow) -> bool {
    let unfinished = basalt_transfer::is_importing(&row.settings);
    if unfinished {
        tracing::error!(app = %row.app_id, "the import of this app was not finished; it is not served");
    }
    unfinished
}

pub(crate) fn declared_row() -> Map {
    Map::from_iter([(DECLARED.to_owned(), Value::Bool(true))])
}

fn is_declared(row: &AppRow) -> bool {
    row.settings
        .get(DECLARED)
        .and_then(Value::as_bool)
        .unwrap_or(false)
}

/// The settings of an app that lives in the registry.
fn stored(row: &AppRow) -> Result<AppSettings> {
    let text = row
        .settings
        .get(PARSE)
        .and_then(Value::as_str)
        .unwrap_or("{}");
    let parse = serde_json::from_str(text).map_err(|error| {
        let message = format!("The options of app {} are damaged.", row.app_id);
        Error::new(Reason::StoreCorrupt, message).with_source(error)
    })?;
    Ok(AppSettings {
        id: row.app_id.as_str().to_owned(),
        new_classes: row.settings.get(NEW_CLASSES).and_then(Value::as_bool),
        parse,
        ..AppSettings::default()
    })
}

impl Apps for AppTable {
    fn app<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Arc<App>>>> {
        Box::pin(async move {
            match self.entry(id) {
                Some(entry) => self.open(&entry).await.map(Some),
                None => Ok(None),
            }
        })
    }
}

impl AdminApps for AppTable {
    fn list(&self) -> BoxFuture<'_, Result<Vec<AppSummary>>> {
        Box::pin(self.list_apps())
    }

    fn make(&self, app: NewApp) -> BoxFuture<'_, Result<MadeApp>> {
        Box::pin(self.make_app(app))
    }

    fn clear<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.clear_app(id))
    }

    fn logs<'a>(&'a self, id: &'a str, asked: LogsAsked) -> BoxFuture<'a, Result<String>> {
        Box::pin(async move {
            self.entry(id).ok_or_else(no_app)?;
            logs::answer(&self.parts.logs.app(id), asked).await
        })
    }

    fn master_key(&self, id: &str) -> Option<Secret> {
        self.entry(id)?.keys.api.master.clone()
    }
}

/// Whether master keys may clear their apps.
pub(crate) fn may_clear(mode: Mode) -> bool {
    mode == Mode::Development
}
