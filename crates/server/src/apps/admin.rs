//! What the admin API asks of the table.

use super::{AppTable, no_app};
use crate::{cloud, logs};
use basalt_api_admin::{AdminApps, AppSummary, LogsAsked, MadeApp, NewApp};
use basalt_base::{BoxFuture, Result, Secret};
use std::net::IpAddr;

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
            let entry = self.entry(id).ok_or_else(no_app)?;
            // The handle of those who write, which wakes those who wait for lines.
            let app = self.open(&entry).await?;
            logs::answer(app.functions.logs(), asked).await
        })
    }

    fn usage<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<String>> {
        Box::pin(async move {
            let entry = self.entry(id).ok_or_else(no_app)?;
            let app = self.open(&entry).await?;
            Ok(cloud::usage(app.functions.isolates().as_ref()))
        })
    }

    fn jobs<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<basalt_flow::Jobs>> {
        Box::pin(async move {
            let entry = self.entry(id).ok_or_else(no_app)?;
            Ok(self.open(&entry).await?.jobs.clone())
        })
    }

    fn master_key(&self, id: &str, from: IpAddr) -> Option<Secret> {
        let entry = self.entry(id)?;
        let counts = entry.product.api.takes_master_from(from);
        counts.then(|| entry.keys.api.master.clone()).flatten()
    }
}
