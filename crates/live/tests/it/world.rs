//! An engine over a fresh store, with callers whose roles a test sets.

use basalt_base::{
    AppId, BoxFuture, Error, ManualClock, Reason, Reference, Result, Rng, SeededRng, Value,
};
use basalt_data::{
    Call, Create, Data, Delete, Deps, FieldChange, NoGuard, NoHooks, Options, Principal, Rank,
    SchemaChangeRequest, Update,
};
use basalt_live::{
    Affected, Client, Delivery, Encode, Feed, FeedOptions, Happened, Live, LiveDeps, Rights,
    Standing, Who,
};
use basalt_store::{Acl, Change, Record, Store, StoreId};
use basalt_store_sqlite::{SqliteStore, Synchronous};
use bytes::Bytes;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(1);

pub fn app() -> AppId {
    AppId::new("test")
}

/// Callers by their token: the user's id. Nobody else is in the table.
#[derive(Default)]
pub struct Table {
    pub roles: Mutex<HashMap<String, Vec<&'static str>>>,
}

impl Rights for Table {
    fn resolve<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<Standing>> {
        Box::pin(async move {
            let principal = match &who.token {
                None => Principal::ranked(app(), who.rank),
                Some(token) => {
                    let roles = self.roles.lock().unwrap();
                    let id = token.expose();
                    let roles = roles.get(id).ok_or_else(|| {
                        Error::new(Reason::InvalidSession, "Invalid session token")
                    })?;
                    let roles = roles.iter().map(|role| Box::from(*role));
                    Principal {
                        rank: who.rank,
                        ..Principal::user(app(), id, roles)
                    }
                }
            };
            Ok(Standing {
                call: Arc::new(Call::by(principal)),
                expires_at: None,
            })
        })
    }

    fn affected(&self, _: &Change) -> Affected {
        Affected::Everybody
    }

    fn forget_all(&self) {}
}

/// Events as one line each.
pub struct Lines;

pub fn line(record: &Record) -> String {
    let mut fields: Vec<_> = record
        .fields
        .iter()
        .map(|(name, value)| match value {
            Value::Int(n) => format!("{name}={n}"),
            Value::String(text) => format!("{name}={text}"),
            Value::Reference(reference) => format!("{name}={}", reference.id),
            other => format!("{name}={other:?}"),
        })
        .collect();
    fields.sort();
    format!("{} {}", record.id, fields.join(" "))
}

impl Encode for Lines {
    fn event(&self, event: &Happened) -> Bytes {
        let mut text = format!("{:?} {}", event.kind, line(&event.object));
        if let Some(original) = &event.original {
            let _ = write!(text, " was {}", line(original));
        }
        let _ = write!(text, " @{}", event.position.0);
        text.into()
    }
}

pub struct World {
    pub data: Data,
    pub live: Live,
    pub table: Arc<Table>,
    /// Changes that were made.
    pub changes: u64,
    pub dice: Dice,
    _dir: tempfile::TempDir,
}

pub async fn world(seed: u64, options: basalt_live::Options) -> World {
    let dir = tempfile::tempdir().unwrap();
    let store_options = basalt_store_sqlite::Options {
        synchronous: Synchronous::Normal,
        ..Default::default()
    };
    let store = SqliteStore::open(dir.path(), store_options).unwrap();
    let store = store.open_app(StoreId(1)).await.unwrap();
    let clock = Arc::new(ManualClock::at(1_700_000_000));
    let rng = Arc::new(SeededRng::new(seed));
    let feed_options = FeedOptions {
        poll: None,
        clock: clock.clone(),
        rng: rng.clone(),
    };
    let (feed, store) = Feed::over(store, feed_options);
    let deps = Deps {
        store,
        clock,
        rng,
        hooks: Arc::new(NoHooks),
        guard: Arc::new(NoGuard),
    };
    let data_options = Options {
        allow_client_collection_creation: true,
        new_collections_open: true,
        sanitize_refusals: false,
        ..Options::default()
    };
    let data = Data::new(deps, data_options);
    let table = Arc::new(Table::default());
    let live_deps = LiveDeps {
        data: data.clone(),
        feed,
        rights: table.clone(),
        encode: Arc::new(Lines),
    };
    World {
        live: Live::start(live_deps, options),
        data,
        table,
        changes: 0,
        dice: Dice(SeededRng::new(seed ^ 0x5eed)),
        _dir: dir,
    }
}

pub struct Dice(SeededRng);

impl Dice {
    pub fn roll(&self, sides: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        (u64::from_le_bytes(bytes) % sides as u64) as usize
    }

    pub fn pick<T: Clone>(&self, items: &[T]) -> T {
        items[self.roll(items.len())].clone()
    }
}

pub fn master() -> Call {
    Call::by(Principal::ranked(app(), Rank::Master))
}

pub fn who(rank: Rank, token: Option<&str>) -> Arc<Who> {
    Arc::new(Who {
        rank,
        token: token.map(basalt_base::Secret::new),
    })
}

pub fn pointer(id: &str) -> Value {
    Value::Reference(Reference {
        collection: "_User".to_owned(),
        id: id.to_owned(),
    })
}

fn sets(fields: &[(&str, Value)]) -> Vec<FieldChange> {
    let set = |(name, value): &(&str, Value)| FieldChange::set(name, value.clone());
    fields.iter().map(set).collect()
}

impl World {
    pub async fn create(&mut self, collection: &str, fields: &[(&str, Value)], acl: Acl) -> String {
        let create = Create {
            collection: collection.into(),
            id: None,
            fields: sets(fields),
            acl: Some(acl),
            created_at: None,
            updated_at: None,
        };
        let made = self.data.create(&master(), create).await.unwrap();
        self.changes += 1;
        made.record.id.to_string()
    }

    pub async fn update(
        &mut self,
        collection: &str,
        id: &str,
        fields: &[(&str, Value)],
        acl: Option<Acl>,
    ) {
        let update = Update {
            collection: collection.into(),
            id: id.into(),
            fields: sets(fields),
            acl,
            filter: None,
        };
        self.data.update(&master(), update).await.unwrap();
        self.changes += 1;
    }

    pub async fn delete(&mut self, collection: &str, id: &str) {
        let delete = Delete {
            collection: collection.into(),
            id: id.into(),
        };
        self.data.delete(&master(), delete).await.unwrap();
        self.changes += 1;
    }

    pub async fn rules(&self, collection: &str, rules: basalt_data::Rules) {
        let request = SchemaChangeRequest {
            name: collection.into(),
            add_fields: Vec::new(),
            drop_fields: Vec::new(),
            indexes: Vec::new(),
            rules: Some(rules),
            default_rules: false,
        };
        self.data.update_schema(&master(), request).await.unwrap();
    }

    /// Sets a user's roles, and has the log tell of it.
    pub async fn set_roles(&mut self, user: &str, roles: &[&'static str]) {
        self.settle().await;
        let table = Arc::clone(&self.table);
        table
            .roles
            .lock()
            .unwrap()
            .insert(user.to_owned(), roles.to_vec());
        self.create("_Role", &[("name", Value::from(user))], Acl::default())
            .await;
        self.settle().await;
    }

    /// Waits until everything that was written has been told. Somebody has to be connected.
    pub async fn settle(&self) {
        let store = &self.data.deps().store;
        let settled = async {
            while self.live.stats().position < store.position().0 {
                tokio::task::yield_now().await;
            }
        };
        let settled = tokio::time::timeout(PATIENCE, settled).await;
        assert!(settled.is_ok(), "not all changes are told");
    }
}

/// Takes everything that waits for a client: lines of events, and other words.
pub fn take(client: &Client) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match client.outbox().take() {
            Ok(Some(delivery)) => lines.push(shown(delivery)),
            Ok(None) => return lines,
            Err(cut) => {
                lines.push(format!("{cut:?}"));
                return lines;
            }
        }
    }
}

pub fn shown(delivery: Delivery) -> String {
    match delivery {
        Delivery::Event { subscription, body } => {
            format!("{subscription} {}", String::from_utf8_lossy(&body))
        }
        Delivery::Subscribed { subscription, .. } => format!("{subscription} subscribed"),
        Delivery::Missed { subscription, .. } => format!("{subscription} missed"),
        Delivery::Unsubscribed { subscription } => format!("{subscription} unsubscribed"),
        Delivery::Ended {
            subscription,
            error,
        } => format!("{subscription} ended {error}"),
        Delivery::SessionEnded { error } => format!("session {error}"),
        Delivery::Hooked { .. } => "hooked".to_owned(),
    }
}
