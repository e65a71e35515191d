//! The app that an import fills.

use crate::errors::refused;
use crate::format::Header;
use crate::import::Import;
use basalt_base::{AppId, Map, Reason, Result, Value};
use basalt_store::{
    AppRow, AppStore, Query, ReadOptions, SchemaChange, Store, Write, WriteBatch, Written,
};
use std::sync::Arc;

/// Name in the settings of an app whose import is not finished; the value is the file's hash.
const MARKER: &str = "importing";

/// Whether an import of this app was begun and not finished: it must not be served.
pub fn is_importing(settings: &Map) -> bool {
    settings.contains_key(MARKER)
}

/// The settings without the note of an unfinished import.
pub fn without_marker(settings: &Map) -> Map {
    let mut settings = settings.clone();
    settings.shift_remove(MARKER);
    settings
}

/// Settings that mean something on another server, too: all but `own` ones and the marker.
pub fn portable_settings(settings: &Map, own: &[&str]) -> Map {
    let all = without_marker(settings).into_iter();
    all.filter(|(name, _)| !own.contains(&name.as_str()))
        .collect()
}

/// An app that is marked as being imported.
pub(crate) struct Target {
    pub row: AppRow,
    pub data: Arc<dyn AppStore>,
    /// Whether it was made now.
    pub is_new: bool,
}

impl Target {
    /// Finds or makes the app and marks it. Errors: it is not empty, or another import of it was
    /// begun.
    pub(crate) async fn claim(
        request: &Import<'_>,
        app: &str,
        settings: Map,
        header: &Header,
        content: &str,
    ) -> Result<Self> {
        let system = request.store.system();
        let rows = system.apps().await?;
        let row = rows.into_iter().find(|row| row.app_id.as_str() == app);
        let Some(mut row) = row else {
            let row = make(request, app, settings, header, content).await?;
            let data = request.store.open_app(row.store_id).await?;
            return Ok(Self {
                row,
                data,
                is_new: true,
            });
        };
        let data = request.store.open_app(row.store_id).await?;
        data.refresh().await?;
        match row.settings.get(MARKER).and_then(Value::as_str) {
            Some(begun) if begun != content => {
                return Err(refused(format!(
                    "An import of another file into app {app} was begun and not finished. Finish that one with --resume, or give it up: basalt app clear {app} --yes"
                )));
            }
            Some(_) if !request.resume => {
                return Err(refused(format!(
                    "An import of this file into app {app} was broken off. Go on with --resume, or give it up: basalt app clear {app} --yes"
                )));
            }
            Some(_) => {}
            None => {
                refuse_objects(app, &*data).await?;
                let mark = (MARKER.to_owned(), Value::from(content));
                row.settings.extend([mark]);
                let settings = row.settings.clone();
                system.update_app(row.store_id, settings).await?;
                drop_empty(&*data).await?;
            }
        }
        Ok(Self {
            row,
            data,
            is_new: false,
        })
    }

    /// Takes the mark away: the app may be served.
    pub(crate) async fn release(&self, store: &dyn Store) -> Result<()> {
        let settings = without_marker(&self.row.settings);
        store.system().update_app(self.row.store_id, settings).await
    }
}

async fn make(
    request: &Import<'_>,
    app: &str,
    mut settings: Map,
    header: &Header,
    content: &str,
) -> Result<AppRow> {
    settings.insert(MARKER.to_owned(), content.into());
    let system = request.store.system();
    let id = AppId::new(app);
    let digits = header.account.len() == 12 && header.account.bytes().all(|b| b.is_ascii_digit());
    if digits {
        let made = system.create_app(&id, &header.account, settings.clone(), header.created_at);
        match made.await {
            // The id was free, so the account number is another app's here.
            Err(error) if error.reason() == Reason::DuplicateValue => {}
            other => return other,
        }
    }
    let account = &request.account;
    system
        .create_app(&id, account, settings, header.created_at)
        .await
}

/// Collections that the server makes by itself may be there, without objects.
async fn refuse_objects(app: &str, data: &dyn AppStore) -> Result<()> {
    for name in data.catalogue().collections.keys() {
        let query = Query::all(name.clone());
        let objects = data.count(&query, ReadOptions::default()).await?;
        if objects > 0 || !name.starts_with('_') {
            return Err(refused(format!(
                "App {app} is not empty: it has the class {name} with {objects} objects. An import fills empty apps only; choose another with --app, or empty it: basalt app clear {app} --yes"
            )));
        }
    }
    Ok(())
}

async fn drop_empty(data: &dyn AppStore) -> Result<()> {
    let catalogue = data.catalogue();
    let drop = |name: &Arc<str>| {
        Write::Schema(SchemaChange::DropCollection {
            name: name.clone(),
            only_if_empty: true,
        })
    };
    write(data, catalogue.collections.keys().map(drop).collect())
        .await
        .map(|_| ())
}

/// One batch.
pub(crate) async fn write(data: &dyn AppStore, writes: Vec<Write>) -> Result<Vec<Written>> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let mut answers = data.write(vec![WriteBatch::of(writes)]).await?;
    match answers.pop() {
        Some(answer) => answer,
        None => Err(basalt_base::Error::internal("a batch without an answer")),
    }
}
