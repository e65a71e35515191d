//! An app with users, over a store that goes away with it.

use basalt_base::{
    AppId, Error, ManualClock, Map, OsRng, Reason, Reference, Result, Rng, Secret, Value,
};
use basalt_data::{Call, Create, Data, Deps, FieldChange, NoHooks, Principal, Rank, Update};
use basalt_identity::{GuardDeps, Identity, LogIn, Options, PasswordPool, SystemGuard};
use basalt_store::{Acl, AppStore, Store, StoreId};
use basalt_store_sqlite::{SqliteStore, Synchronous};
use std::sync::Arc;

pub struct World {
    pub data: Data,
    pub identity: Identity,
    pub store: Arc<dyn AppStore>,
    pub clock: Arc<ManualClock>,
    pub passwords: Arc<PasswordPool>,
    _dir: tempfile::TempDir,
}

/// A user just signed up.
pub struct User {
    pub id: String,
    pub token: String,
}

pub fn app() -> AppId {
    AppId::new("test")
}

pub fn anyone() -> Call {
    Call::by(Principal::anonymous(app()))
}

pub fn master() -> Call {
    Call::by(Principal::ranked(app(), Rank::Master))
}

pub fn reason<T>(result: Result<T>) -> Option<Reason> {
    result.err().map(|error: Error| error.reason())
}

pub fn text(name: &str, value: &str) -> FieldChange {
    FieldChange::set(name, Value::from(value))
}

pub async fn world() -> World {
    world_with(|_| {}).await
}

pub async fn world_with(change: impl FnOnce(&mut Options)) -> World {
    let dir = tempfile::tempdir().unwrap();
    let store_options = basalt_store_sqlite::Options {
        synchronous: Synchronous::Normal,
        ..Default::default()
    };
    let sqlite = SqliteStore::open(dir.path(), store_options).unwrap();
    let store = sqlite.open_app(StoreId(1)).await.unwrap();
    let clock = Arc::new(ManualClock::at(1_700_000_000));
    let rng: Arc<dyn Rng> = Arc::new(OsRng);
    let mut options = Options::default();
    change(&mut options);
    let passwords = PasswordPool::start(rng.clone()).unwrap();
    let deps = GuardDeps {
        store: store.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        passwords: passwords.clone(),
        id_length: 10,
    };
    let guard = SystemGuard::new(deps, options);
    let deps = Deps {
        store: store.clone(),
        clock: clock.clone(),
        rng,
        hooks: Arc::new(NoHooks),
        guard: Arc::new(guard.clone()),
    };
    let options = basalt_data::Options {
        allow_client_collection_creation: true,
        new_collections_open: true,
        sanitize_refusals: false,
        ..Default::default()
    };
    let data = Data::new(deps, options);
    let identity = Identity::new(data.clone(), &guard);
    World {
        data,
        identity,
        store,
        clock,
        passwords,
        _dir: dir,
    }
}

impl World {
    pub async fn create(
        &self,
        call: &Call,
        collection: &str,
        fields: Vec<FieldChange>,
        acl: Option<Acl>,
    ) -> Result<(String, Vec<(Arc<str>, Value)>)> {
        let create = Create {
            collection: collection.into(),
            id: None,
            fields,
            acl,
            created_at: None,
            updated_at: None,
        };
        let done = self.data.create(call, create).await?;
        Ok((done.record.id.to_string(), done.answer))
    }

    pub async fn sign_up(&self, name: &str) -> User {
        let fields = vec![text("username", name), text("password", "secret")];
        let (id, answer) = self.create(&anyone(), "_User", fields, None).await.unwrap();
        let token = answer.iter().find(|(name, _)| &**name == "sessionToken");
        let token = token
            .and_then(|(_, value)| value.as_str())
            .unwrap()
            .to_owned();
        User { id, token }
    }

    pub async fn log_in(&self, name: &str, password: &str) -> Result<User> {
        let log_in = LogIn {
            username: Some(name.to_owned()),
            email: None,
            password: Secret::new(password),
        };
        let done = self.identity.log_in(&anyone(), log_in).await?;
        Ok(User {
            id: done.user.records[0].id.to_string(),
            token: done.session_token.expose().to_owned(),
        })
    }

    /// The call of whoever presents this token.
    pub async fn call(&self, token: &str) -> Result<Call> {
        let caller = self
            .identity
            .caller(&app(), Rank::Client, Some(token))
            .await?;
        Ok(Call {
            session_digest: caller.session_digest,
            session_token: Some(Secret::new(token)),
            ..Call::by(caller.principal)
        })
    }

    pub async fn update(
        &self,
        call: &Call,
        collection: &str,
        id: &str,
        fields: Vec<FieldChange>,
    ) -> Result<()> {
        let update = Update {
            collection: collection.into(),
            id: id.into(),
            fields,
            acl: None,
            filter: None,
        };
        self.data.update(call, update).await.map(drop)
    }
}

pub fn reference(collection: &str, id: &str) -> Reference {
    Reference {
        collection: collection.to_owned(),
        id: id.to_owned(),
    }
}

pub fn anonymous(id: &str) -> FieldChange {
    let data = Map::from_iter([("id".to_owned(), Value::from(id))]);
    let data = Map::from_iter([("anonymous".to_owned(), Value::Map(data))]);
    FieldChange::set("authData", Value::Map(data))
}
