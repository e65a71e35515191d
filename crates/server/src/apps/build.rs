//! An open app from its settings and its store.

use super::{Entry, Parts};
use crate::background;
use crate::cluster::{AGE_MAX, Following, feed};
use crate::logs;
use basalt_api_parse::{App, LiveEvents, ParseWire, SessionRights};
use basalt_base::{Limits, Result};
use basalt_data::{Data, Deps};
use basalt_functions::Functions;
use basalt_identity::{GuardDeps, Identity, SystemGuard};
use basalt_live::{Encode, Live, LiveDeps};
use basalt_store::{AppRow, AppStore};
use std::sync::Arc;

impl Parts {
    pub(super) async fn open(&self, entry: &Entry) -> Result<(App, Option<Following>)> {
        let store = self.store.open_app(entry.row.store_id).await?;
        // Where no other node writes only live queries follow, when there are any.
        let (feed, store) = feed(&self.cluster, store);
        let changes = self.cluster.is_shared().then(|| feed.clone());
        let product = &entry.product;
        let guard_deps = GuardDeps {
            store: Arc::clone(&store),
            clock: Arc::clone(&self.clock),
            rng: Arc::clone(&self.rng),
            passwords: Arc::clone(&self.passwords),
            id_length: product.data.id_length,
        };
        let mut identity = product.identity.clone();
        if self.cluster.is_shared() {
            identity.cache_time = identity.cache_time.min(AGE_MAX);
        }
        let guard = SystemGuard::new(guard_deps, identity);
        // Before the hooks are read, so that no change of them falls in between.
        let changes = changes.map(|feed| (feed.subscribe_from_now(), feed));
        let functions = self.functions(entry, &store).await?;
        let app_id = &entry.row.app_id;
        let jobs = background::jobs(app_id, &store, &self.clock, &self.rng, &functions);
        let deps = Deps {
            store,
            clock: Arc::clone(&self.clock),
            rng: Arc::clone(&self.rng),
            hooks: Arc::new(functions.clone()),
            guard: Arc::new(guard.clone()),
        };
        let data = Data::new(deps, product.data.clone());
        let following = changes.map(|(hooks, feed)| {
            let (guard, hooks) = (guard.clone(), (functions.clone(), hooks));
            let wake = Arc::clone(jobs.queue().wake());
            Following::start(&self.cluster, app_id, feed, guard, hooks, wake)
        });
        let identity = Identity::new(data.clone(), &guard);
        let events = Arc::new(LiveEvents::new(
            app_id.as_str(),
            &product.api.public_url,
            epoch(&entry.row),
        ));
        let live = LiveDeps {
            data: data.clone(),
            feed,
            rights: Arc::new(SessionRights::new(app_id.clone(), identity.clone())),
            encode: Arc::clone(&events) as Arc<dyn Encode>,
        };
        let app = App {
            id: entry.row.app_id.clone(),
            keys: entry.keys.api.clone(),
            identity,
            data,
            jobs,
            functions,
            live: Live::start(live, live_options(&product.api.limits)),
            live_events: events,
            live_epoch: epoch(&entry.row),
            options: product.api.clone(),
        };
        Ok((app, following))
    }

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
            rng: Arc::clone(&self.rng),
            wire: Arc::new(wire),
            outside: self.outside.clone(),
            logs: self.logs.app(&logs::folder(&entry.row)),
        };
        let options = basalt_functions::Options {
            webhook_key: entry.keys.webhook.clone(),
            ..entry.product.functions.clone()
        };
        Functions::open(deps, options).await
    }
}

/// Tells the data of an app from that of another which had its id.
fn epoch(row: &AppRow) -> u64 {
    row.created_at.millis().cast_unsigned() << 16 | u64::from(row.store_id.0 & 0xffff)
}

fn live_options(limits: &Limits) -> basalt_live::Options {
    basalt_live::Options {
        clients_max: limits.live_clients_max,
        subscriptions_max: limits.live_subscriptions_max,
        queue_messages_max: limits.live_queue_messages_max,
        queue_bytes_max: limits.live_queue_bytes_max,
        queues_bytes_max: limits.live_queues_bytes_max,
    }
}
