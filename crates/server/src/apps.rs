//! The apps of this server: from the settings and from the registry, opened on first use.

mod admin;
mod build;
mod code;
mod due;

use crate::background::{self, Background, Closing};
use crate::cluster::{AGE_MAX, Cluster, Following};
use crate::config::{AppSettings, Mode, Settings, invalid, is_app_id};
use crate::keys::{self, AppKeys, KeyStore};
use crate::product::{PARSE_MOUNT, Product};
use crate::shared_keys::SharedKeys;
use arc_swap::ArcSwapOption;
use basalt_api_admin::{AppSummary, MadeApp, NewApp};
use basalt_api_parse::{App, Apps};
use basalt_base::{
    AppId, BoxFuture, Clock, Error, Map, Monotonic, Reason, Result, Rng, Timestamp, Value,
};
use basalt_feed::FeedView;
use basalt_functions::{LogStore, Outside};
use basalt_identity::PasswordPool;
use basalt_sandbox::Program;
use basalt_store::{AppRow, Store, StoreId};
use parking_lot::{Mutex, RwLock};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// What apps are made from.
#[derive(Clone)]
pub(crate) struct Parts {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
    pub passwords: Arc<PasswordPool>,
    pub keys: KeyStore,
    pub shared_keys: Arc<SharedKeys>,
    pub outside: Outside,
    pub logs: LogStore,
    pub cluster: Arc<Cluster>,
    /// What workers are started from.
    pub program: Option<Program>,
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
    /// What is known of the registry where other nodes change it; held while looking.
    registry: tokio::sync::Mutex<Option<u64>>,
    /// When the registry was last looked at with success.
    looked: Mutex<Monotonic>,
    /// Whether open apps run tasks: only in a server.
    runs_tasks: AtomicBool,
    shared: background::Shared,
    /// Apps whose tasks this server has run.
    worked_on: Mutex<HashSet<StoreId>>,
    /// Apps that are being closed.
    closing: Closing,
    /// Told when an app may have to be woken at another time.
    pub(crate) wakes: Arc<Notify>,
}

/// One app, open or not.
struct Entry {
    row: AppRow,
    declared: bool,
    keys: AppKeys,
    product: Product,
    app: ArcSwapOption<App>,
    /// How the open app learns what other nodes do, where there may be any.
    following: ArcSwapOption<Following>,
    /// Held while the app is opened, cleared or closed.
    opening: tokio::sync::Mutex<()>,
    used: AtomicU64,
    /// Its Cloud Code, and when that could last not be loaded.
    cloud: Option<std::path::PathBuf>,
    cloud_failed: Mutex<Option<Monotonic>>,
    /// The work of the open app that no request asked for.
    background: Mutex<Option<Background>>,
    /// Whether another entry took its place: nobody is to open it any more.
    retired: AtomicBool,
    /// Whether the registry's hint says that the app has to be looked at.
    marked: AtomicBool,
    /// How often it is being closed right now.
    closings: AtomicUsize,
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
        let looked = Mutex::new(parts.clock.monotonic());
        let shared = background::Shared::new(parts.cluster.is_shared());
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
            registry: tokio::sync::Mutex::default(),
            looked,
            runs_tasks: AtomicBool::new(false),
            shared,
            worked_on: Mutex::default(),
            closing: Closing::default(),
            wakes: Arc::default(),
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
                None => table.register_declared(&app).await?,
            };
            let (row, app) = table.with_keys(row, app, registers).await?;
            table.insert(row, app, true)?;
        }
        for row in rows {
            if is_declared(&row) {
                tracing::warn!(app = %row.app_id, "the settings do not declare this app any more; it is not served");
                continue;
            }
            let app = stored(&row)?;
            let (row, app) = table.with_keys(row, app, registers).await?;
            table.insert(row, app, false)?;
        }
        Ok(table)
    }

    /// Registers an app of the settings; another node may be doing the same.
    async fn register_declared(&self, app: &AppSettings) -> Result<AppRow> {
        let mut settings = declared_row();
        self.add_keys(app, &mut settings)?;
        match self.register(&app.id, settings).await {
            Err(error) if error.reason() == Reason::DuplicateValue => {
                let rows = self.parts.store.system().apps().await?;
                let made = rows.into_iter().find(|row| row.app_id.as_str() == app.id);
                made.ok_or(error)
            }
            other => other,
        }
    }

    /// On a shared store, completes the keys in an app's row; says whether that changed it.
    fn add_keys(&self, app: &AppSettings, row: &mut Map) -> Result<bool> {
        if !self.parts.cluster.is_shared() {
            return Ok(false);
        }
        let Parts { keys, rng, .. } = &self.parts;
        self.parts.shared_keys.complete(app, row, keys, &**rng)
    }

    /// The row and the settings of an app with the keys that its nodes share; missing ones are made
    /// unless the caller only looks.
    async fn with_keys(
        &self,
        mut row: AppRow,
        app: AppSettings,
        writes: bool,
    ) -> Result<(AppRow, AppSettings)> {
        if !self.parts.cluster.is_shared() {
            return Ok((row, app));
        }
        if !writes {
            let kept = self.parts.shared_keys.of_row(&app, &row.settings)?;
            return Ok((row, keys::with(app, &kept)));
        }
        if self.add_keys(&app, &mut row.settings)? {
            let system = self.parts.store.system();
            system
                .update_app(row.store_id, row.settings.clone())
                .await?;
            self.parts.cluster.tell_apps();
        }
        let kept = self.parts.shared_keys.of_row(&app, &row.settings)?;
        // So that `basalt app keys` prints them on this node, too.
        self.parts.keys.mirror(&app.id, &kept)?;
        let app = keys::with(app, &kept);
        Ok((row, app))
    }

    /// Brings the table to what the registry says, where other nodes may have changed that.
    /// Errors: those of the store.
    pub(crate) async fn refresh(&self) -> Result<()> {
        let asked = self.parts.clock.monotonic();
        let mut known = self.registry.lock().await;
        if *self.looked.lock() > asked {
            return Ok(());
        }
        let begun = self.parts.clock.monotonic();
        let system = self.parts.store.system();
        let version = system.registry_version().await?;
        if version.is_none() || version != *known {
            let rows = system.apps().await?;
            self.follow_registry(rows).await;
            *known = version;
        }
        *self.looked.lock() = begun;
        Ok(())
    }

    async fn follow_registry(&self, rows: Vec<AppRow>) {
        let mut gone: Vec<Box<str>> = self.entries.read().keys().cloned().collect();
        for row in rows {
            let id = row.app_id.clone();
            gone.retain(|gone| **gone != *id.as_str());
            if let Err(error) = self.follow_row(row).await {
                tracing::error!(app = %id, ?error, "the app's row in the registry can't be used");
            }
        }
        for id in gone {
            tracing::info!(app = &*id, "the app is not in the registry any more");
            let entry = self.entries.write().remove(&id);
            if let Some(entry) = entry {
                self.retire(&entry);
            }
        }
    }

    async fn follow_row(&self, row: AppRow) -> Result<()> {
        let old = self.entry(row.app_id.as_str());
        let same =
            |old: &Arc<Entry>| old.row.store_id == row.store_id && old.row.settings == row.settings;
        if old.as_ref().is_some_and(same) {
            return Ok(());
        }
        if is_unfinished(&row) {
            // Half of it must not be served, nor written to.
            let entry = self.entries.write().remove(row.app_id.as_str());
            if let Some(entry) = entry {
                self.retire(&entry);
            }
            return Ok(());
        }
        let id = row.app_id.as_str();
        let declared = self.settings.apps.iter().find(|app| app.id == id).cloned();
        let is_declared_here = declared.is_some();
        let app = match declared {
            Some(app) => app,
            None if is_declared(&row) => return Ok(()),
            None => stored(&row)?,
        };
        let (row, app) = self.with_keys(row, app, true).await?;
        self.insert(row, app, is_declared_here).map(drop)
    }

    /// Lets go of an open app; requests that still use it keep it until they are done.
    fn close(&self, entry: &Arc<Entry>) {
        entry.following.store(None);
        let app = entry.app.swap(None);
        if let Some(app) = &app {
            self.open.fetch_sub(1, Ordering::Relaxed);
            // Live clients come back, to whatever is served then.
            app.live.close();
        }
        let work = entry.background.lock().take();
        if let Some((app, work)) = app.zip(work) {
            entry.closings.fetch_add(1, Ordering::SeqCst);
            let stopper = work.stopper();
            let (parts, wakes) = (self.parts.clone(), Arc::clone(&self.wakes));
            let (entry, stopping) = (Arc::clone(entry), self.closing.stopping());
            self.closing.spawn(stopper, async move {
                let unused = background::finish(work, app, stopping).await;
                let _opening = entry.opening.lock().await;
                if unused {
                    parts.note_closed(&entry).await;
                }
                entry.closings.fetch_sub(1, Ordering::SeqCst);
                wakes.notify_one();
            });
        }
    }

    /// Lets go of an app for good, also while somebody opens it.
    fn retire(&self, entry: &Arc<Entry>) {
        entry.retired.store(true, Ordering::SeqCst);
        self.close(entry);
    }

    /// Ends what runs beside open apps and waits for it.
    pub(crate) async fn stop(&self) {
        let entries: Vec<_> = self.entries.read().values().cloned().collect();
        for entry in entries {
            let following = entry.following.swap(None);
            let app = entry.app.load_full();
            self.close(&entry);
            if let Some(app) = app {
                app.live.closed().await;
            }
            if let Some(following) = following {
                following.close().await;
            }
        }
        self.closing.wait(Duration::ZERO).await;
    }

    /// The feeds of open apps, by app.
    pub(crate) fn feeds(&self) -> Vec<(String, FeedView)> {
        let entries = self.entries.read();
        let views = entries.iter().filter_map(|(id, entry)| {
            let following = entry.following.load();
            Some((id.to_string(), following.as_ref()?.feed.view()))
        });
        let mut views: Vec<_> = views.collect();
        views.sort_by(|a, b| a.0.cmp(&b.0));
        views
    }

    /// Refuses to go by a registry that was last seen too long ago.
    async fn check_age(&self) -> Result<()> {
        let looked = *self.looked.lock();
        if self.parts.clock.monotonic().since(looked) > AGE_MAX {
            self.refresh().await?;
        }
        Ok(())
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
            following: ArcSwapOption::empty(),
            opening: tokio::sync::Mutex::default(),
            used: AtomicU64::new(0),
            cloud: app.cloud.clone(),
            cloud_failed: Mutex::default(),
            background: Mutex::default(),
            retired: AtomicBool::new(false),
            marked: AtomicBool::new(false),
            closings: AtomicUsize::new(0),
        });
        let old = self
            .entries
            .write()
            .insert(app.id.into(), Arc::clone(&entry));
        if let Some(old) = old {
            self.retire(&old);
        }
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

    async fn open(&self, entry: &Arc<Entry>) -> Result<Arc<App>> {
        let use_number = self.uses.fetch_add(1, Ordering::Relaxed);
        entry.used.store(use_number, Ordering::Relaxed);
        if let Some(app) = entry.app.load_full() {
            if let Some(following) = &*entry.following.load() {
                following.check_age().await?;
            }
            return Ok(app);
        }
        let opening = entry.opening.lock().await;
        if let Some(app) = entry.app.load_full() {
            return Ok(app);
        }
        self.parts.mark(entry).await;
        let (app, following) = self.parts.open(entry).await?;
        let app = Arc::new(app);
        if let Some(path) = &entry.cloud {
            self.load_cloud(entry, &app, path).await?;
        }
        entry.following.store(following.map(Arc::new));
        if self.runs_tasks.load(Ordering::Relaxed) {
            let first = self.worked_on.lock().insert(entry.row.store_id);
            let work = Background::start(&app, &self.parts.rng, &self.shared, first);
            *entry.background.lock() = Some(work);
        }
        entry.app.store(Some(Arc::clone(&app)));
        self.open.fetch_add(1, Ordering::Relaxed);
        drop(opening);
        if entry.retired.load(Ordering::SeqCst) {
            // Whoever asked may finish with it.
            self.close(entry);
        }
        self.close_oldest(entry);
        Ok(app)
    }

    /// Closes apps that were not used for longest while too many are open. Requests that still use
    /// one keep it until they are done.
    fn close_oldest(&self, just_opened: &Entry) {
        while self.open_count() > self.settings.apps_open_max.max(1) {
            let entries = self.entries.read();
            let open = entries.values().filter(|entry| {
                let is_other = !std::ptr::eq(&raw const ***entry, just_opened);
                let app = entry.app.load();
                // One with live clients is in use.
                is_other && app.as_ref().is_some_and(|app| app.live.clients() == 0)
            });
            let Some(oldest) = open.min_by_key(|entry| entry.used.load(Ordering::Relaxed)) else {
                return;
            };
            self.close(oldest);
        }
    }

    /// From now on open apps run their tasks.
    pub(crate) fn run_tasks(&self) {
        self.runs_tasks.store(true, Ordering::Relaxed);
    }

    /// Stops the background work of every app: what runs may finish within `grace`, the rest goes
    /// back to its queue.
    pub(crate) async fn stop_tasks(&self, grace: Duration) {
        self.runs_tasks.store(false, Ordering::Relaxed);
        let entries: Vec<Arc<Entry>> = self.entries.read().values().cloned().collect();
        let mut stopping = Vec::new();
        for entry in entries {
            // Whoever opens the app right now is waited for.
            let _opening = entry.opening.lock().await;
            let work = entry.background.lock().take();
            if let Some(work) = work {
                let (parts, entry) = (self.parts.clone(), Arc::clone(&entry));
                stopping.push(tokio::spawn(async move {
                    let due = work.stop(grace).await;
                    parts.note(&entry, due).await;
                }));
            }
        }
        for stopped in stopping {
            if stopped.await.is_err() {
                tracing::error!("stopping the tasks of an app panicked");
            }
        }
        self.closing.wait(grace).await;
    }

    /// Keeps when apps that are closed next have work to do, as far as that is not known: of an app
    /// that was open when a server died it is not, nor of one that was never opened. Where others
    /// may have been at work, of all.
    pub(crate) async fn note_unknown(&self, stop: &watch::Receiver<bool>) -> Result<()> {
        let hints = self.parts.store.system().next_due().await?;
        let now = self.parts.clock.now();
        for id in self.ids() {
            if *stop.borrow() {
                return Ok(());
            }
            let Some(entry) = self.entry(&id) else {
                continue;
            };
            let hint = hints.iter().find(|(id, _)| *id == entry.row.store_id);
            let known = !self.parts.cluster.is_shared() && hint.is_some_and(|(_, at)| *at > now);
            if !known && let Err(error) = self.parts.note_due(&entry).await {
                tracing::warn!(app = id, ?error, "the queues of an app can't be read");
            }
        }
        Ok(())
    }

    /// The closed apps whose work is due by their hints, and how long until the next one is.
    pub(crate) async fn due_apps(&self) -> Result<(Vec<String>, Option<Duration>)> {
        let hints = self.parts.store.system().next_due().await?;
        let now = self.parts.clock.now();
        let entries = self.entries.read();
        let closed = entries.iter().filter(|(_, entry)| {
            entry.app.load().is_none() && entry.closings.load(Ordering::SeqCst) == 0
        });
        let mut due = Vec::new();
        let mut next: Option<Timestamp> = None;
        for (id, entry) in closed {
            let hint = hints.iter().find(|(id, _)| *id == entry.row.store_id);
            match hint {
                Some((_, at)) if *at <= now => due.push(id.to_string()),
                Some((_, at)) => next = Some(next.map_or(*at, |next| next.min(*at))),
                None => {}
            }
        }
        Ok((due, next.map(|at| at.since(now))))
    }

    /// The servers on the same store, if that can be shared.
    pub(crate) fn peers(&self) -> Option<Vec<Box<str>>> {
        let cluster = &self.parts.cluster;
        cluster.is_shared().then(|| cluster.peer_ids())
    }

    /// How the live queries of open apps are doing, by app.
    pub(crate) fn live(&self) -> Vec<(String, basalt_live::StatsView)> {
        let entries = self.entries.read();
        let views = entries.iter().filter_map(|(id, entry)| {
            let app = entry.app.load();
            Some((id.to_string(), app.as_ref()?.live.stats()))
        });
        let mut views: Vec<_> = views.collect();
        views.sort_by(|a, b| a.0.cmp(&b.0));
        views
    }

    /// Readings of the queues of open apps.
    pub(crate) async fn queue_readings(&self) -> Vec<basalt_store::Reading> {
        let mut readings = Vec::new();
        let mut entries: Vec<Arc<Entry>> = self.entries.read().values().cloned().collect();
        entries.sort_by_key(|entry| entry.row.store_id);
        for entry in entries {
            let Some(app) = entry.app.load_full() else {
                continue;
            };
            let id = entry.row.app_id.as_str();
            background::stands(id, &app.jobs, &mut readings).await;
            if let Some(work) = &*entry.background.lock() {
                work.readings(id, &mut readings);
            }
        }
        readings
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
            store_id: StoreId(0),
            app_id: AppId::new(new.id.as_str()),
            account: String::new(),
            settings,
            created_at: self.parts.clock.now(),
        };
        // Looked at before anything is written, so that a refusal leaves nothing behind.
        Product::of(&mut self.settings.clone(), &mut stored(&row)?)?;
        if self.parts.cluster.is_shared() {
            let given = new.client_keys.iter();
            let given = given.map(|(name, key)| (keys::short(name).to_owned(), key.clone()));
            let (shared, rng) = (&self.parts.shared_keys, &*self.parts.rng);
            shared.put(&new.id, &mut row.settings, given.collect(), rng)?;
            let app = stored(&row)?;
            self.add_keys(&app, &mut row.settings)?;
        }
        row = self.register(&new.id, row.settings).await?;
        self.parts.cluster.tell_apps();
        for (name, key) in &new.client_keys {
            self.parts.keys.keep(&new.id, keys::short(name), key)?;
        }
        let app = stored(&row)?;
        let (row, app) = self.with_keys(row, app, true).await?;
        let entry = self.insert(row, app, false)?;
        Ok(MadeApp {
            summary: entry.summary(),
            keys: keys::given(&entry.keys),
        })
    }

    async fn clear_app(&self, id: &str) -> Result<()> {
        let entry = self.entry(id).ok_or_else(no_app)?;
        let app = self.open(&entry).await?;
        let _opening = entry.opening.lock().await;
        let work = entry.background.lock().take();
        if let Some(work) = work {
            work.stop(Duration::ZERO).await;
        }
        let cleared = app.data.deps().store.clear().await;
        // Whatever engines remember of the app may be about objects that are gone; and it has no
        // workers any more.
        self.close(&entry);
        if cleared.is_err() {
            self.parts.hint(&entry, Some(self.parts.clock.now())).await;
            self.wakes.notify_one();
        }
        cleared
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
            if self.parts.cluster.is_shared() {
                self.check_age().await?;
            }
            match self.entry(id) {
                Some(entry) => self.open(&entry).await.map(Some),
                None => Ok(None),
            }
        })
    }
}

/// Whether master keys may clear their apps.
pub(crate) fn may_clear(mode: Mode) -> bool {
    mode == Mode::Development
}
