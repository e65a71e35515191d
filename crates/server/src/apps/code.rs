//! Cloud Code of the apps in the table.

use super::{AppTable, Entry};
use crate::cloud;
use crate::config::{Mode, invalid};
use basalt_api_parse::App;
use basalt_base::{Error, Monotonic, Reason, Result};
use std::path::Path;
use std::sync::Arc;

/// How long code that could not be loaded is not tried again.
const CLOUD_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

impl AppTable {
    /// Loads the Cloud Code of an app that is being opened. Errors: `InvalidSetting` with the place
    /// of what is wrong with it; for a while after that it is not tried again.
    pub(super) async fn load_cloud(
        &self,
        entry: &Entry,
        app: &Arc<App>,
        path: &Path,
    ) -> Result<()> {
        let now = self.parts.clock.monotonic();
        let recent = |failed: &Monotonic| now.since(*failed) < CLOUD_PAUSE;
        if entry.cloud_failed.lock().as_ref().is_some_and(recent) {
            let message = "The Cloud Code of this app can't be loaded.";
            return Err(Error::new(Reason::StoreUnavailable, message));
        }
        let watches = self.settings.mode == Mode::Development;
        let isolates = entry.product.isolates.clone();
        let loaded = cloud::load(&self.parts, app, isolates, path, watches).await;
        loaded.map_err(|message| {
            *entry.cloud_failed.lock() = Some(self.parts.clock.monotonic());
            tracing::error!(app = %app.id, message, "the Cloud Code can't be loaded");
            invalid(format!("`cloud`: {message}"))
        })
    }

    /// Opens the apps that have Cloud Code, so that a server does not begin without it. Errors:
    /// those of the first one that can't be loaded.
    pub(crate) async fn open_with_cloud(&self) -> Result<()> {
        let entries: Vec<Arc<Entry>> = self.entries.read().values().cloned().collect();
        for entry in entries.into_iter().filter(|entry| entry.cloud.is_some()) {
            self.open(&entry).await?;
        }
        Ok(())
    }

    /// What code of open apps has used: the app, and its isolates.
    pub(crate) fn isolates(&self) -> Vec<(String, basalt_functions::Isolates)> {
        let entries = self.entries.read();
        let mut all: Vec<_> = entries
            .iter()
            .filter_map(|(id, entry)| {
                let app = entry.app.load_full()?;
                Some((id.to_string(), app.functions.isolates()?))
            })
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}
