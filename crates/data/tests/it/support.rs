//! What the tests share: an engine over a fresh store, callers, hooks that record.

use basalt_base::{
    AppId, BoxFuture, Error, ManualClock, Reason, Reference, Result, SeededRng, Value,
};
use basalt_data::{
    Call, Create, Data, Delete, Deps, Event, EventKind, FieldChange, Found, Guard, Hooks,
    NewObject, NoGuard, ObjectQuery, Options, Principal, Rank, Rules, SchemaChangeRequest, Update,
    Verdict, Where,
};
use basalt_store::{
    Acl, AclEntry, AppStore, FieldDef, FieldOp, FieldRef, FieldType, Op, Path, Record, Store,
    StoreId, Test,
};
use basalt_store_sqlite::{SqliteStore, Synchronous};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// An engine over a store that goes away with it.
pub struct World {
    pub data: Data,
    pub store: Arc<dyn AppStore>,
    pub hooks: Arc<Recorder>,
    pub clock: Arc<ManualClock>,
    _dir: tempfile::TempDir,
}

/// Clients may make collections, which are open; refusals say what is missing.
pub async fn world() -> World {
    world_with(|_| {}).await
}

pub async fn world_with(change: impl FnOnce(&mut Options)) -> World {
    world_guarded(Arc::new(NoGuard), change).await
}

pub async fn world_guarded(guard: Arc<dyn Guard>, change: impl FnOnce(&mut Options)) -> World {
    let dir = tempfile::tempdir().unwrap();
    let store_options = basalt_store_sqlite::Options {
        synchronous: Synchronous::Normal,
        ..Default::default()
    };
    let store = SqliteStore::open(dir.path(), store_options).unwrap();
    let store = store.open_app(StoreId(1)).await.unwrap();
    let hooks = Arc::new(Recorder::default());
    let clock = Arc::new(ManualClock::at(1_700_000_000));
    let mut options = Options {
        allow_client_collection_creation: true,
        new_collections_open: true,
        sanitize_refusals: false,
        ..Options::default()
    };
    change(&mut options);
    let deps = Deps {
        store: store.clone(),
        clock: clock.clone(),
        rng: Arc::new(SeededRng::new(1)),
        hooks: hooks.clone(),
        guard,
    };
    World {
        data: Data::new(deps, options),
        store,
        hooks,
        clock,
        _dir: dir,
    }
}

fn app() -> AppId {
    AppId::new("test")
}

pub fn anyone() -> Call {
    Call::by(Principal::anonymous(app()))
}

pub fn ranked(rank: Rank) -> Call {
    Call::by(Principal::ranked(app(), rank))
}

pub fn master() -> Call {
    ranked(Rank::Master)
}

pub fn user(id: &str) -> Call {
    Call::by(Principal::user(app(), id, []))
}

pub fn member(id: &str, role: &str) -> Call {
    Call::by(Principal::user(app(), id, [role.into()]))
}

pub fn reference(collection: &str, id: &str) -> Reference {
    Reference {
        collection: collection.to_owned(),
        id: id.to_owned(),
    }
}

pub fn pointer(collection: &str, id: &str) -> Value {
    Value::Reference(reference(collection, id))
}

pub fn text(text: &str) -> Value {
    Value::from(text)
}

pub fn sets(fields: Vec<(&str, Value)>) -> Vec<FieldChange> {
    fields
        .into_iter()
        .map(|(name, value)| FieldChange::set(name, value))
        .collect()
}

pub fn op(path: &str, op: Op) -> FieldChange {
    FieldChange::Field(FieldOp {
        path: Path::dotted(path),
        op,
    })
}

pub fn new(collection: &str, fields: Vec<(&str, Value)>) -> Create {
    Create {
        collection: collection.into(),
        id: None,
        fields: sets(fields),
        acl: None,
        created_at: None,
        updated_at: None,
    }
}

pub fn change(collection: &str, id: &str, fields: Vec<FieldChange>) -> Update {
    Update {
        collection: collection.into(),
        id: id.into(),
        fields,
        acl: None,
        filter: None,
    }
}

pub fn gone(collection: &str, id: &str) -> Delete {
    Delete {
        collection: collection.into(),
        id: id.into(),
    }
}

pub fn only(read: &[AclEntry], write: &[AclEntry]) -> Acl {
    Acl {
        read: Some(read.to_vec()),
        write: Some(write.to_vec()),
    }
}

pub fn to_user(id: &str) -> AclEntry {
    AclEntry::User(id.into())
}

pub fn query(collection: &str) -> ObjectQuery {
    ObjectQuery::of(collection)
}

pub fn by_id(id: &str) -> Where {
    Where::Test(Path::system(FieldRef::Id), Test::Eq(text(id)))
}

pub fn equals(path: &str, value: Value) -> Where {
    Where::Test(Path::dotted(path), Test::Eq(value))
}

pub fn filtered(collection: &str, filter: Where) -> ObjectQuery {
    ObjectQuery {
        filter,
        ..query(collection)
    }
}

pub fn schema(name: &str, fields: Vec<(&str, FieldType)>) -> SchemaChangeRequest {
    SchemaChangeRequest {
        name: name.into(),
        add_fields: fields
            .into_iter()
            .map(|(name, ty)| FieldDef::new(name, ty))
            .collect(),
        drop_fields: Vec::new(),
        indexes: Vec::new(),
        rules: None,
        default_rules: false,
    }
}

pub fn ids(records: &[Record]) -> Vec<&str> {
    records.iter().map(|r| &*r.id).collect()
}

pub fn field_names(record: &Record) -> Vec<&str> {
    record.fields.iter().map(|(n, _)| &**n).collect()
}

/// The reason and the message of an error.
pub fn why<T>(result: Result<T>) -> (Reason, String) {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(e) => (e.reason(), e.message().to_owned()),
    }
}

impl World {
    /// Makes an object by the master key; its id.
    pub async fn put(&self, collection: &str, fields: Vec<(&str, Value)>) -> String {
        self.put_with(new(collection, fields)).await
    }

    pub async fn put_with(&self, create: Create) -> String {
        let created = self.data.create(&master(), create).await.unwrap();
        created.record.id.into_string()
    }

    pub async fn set_rules(&self, name: &str, rules: Rules) {
        let request = SchemaChangeRequest {
            rules: Some(rules),
            ..schema(name, Vec::new())
        };
        self.data.update_schema(&master(), request).await.unwrap();
    }

    pub async fn read(&self, call: &Call, collection: &str, id: &str) -> Result<Record> {
        let mut page = self.data.get(call, id, query(collection)).await?;
        Ok(page.records.remove(0))
    }
}

type Before = Box<dyn Fn(&Event) -> Result<Vec<FieldOp>> + Send + Sync>;
type AfterFind = Box<dyn Fn(&mut Vec<Record>) + Send + Sync>;

/// Hooks that write down what they were told, and answer what they were told to.
#[derive(Default)]
pub struct Recorder {
    wanted: Mutex<HashSet<(EventKind, String)>>,
    log: Mutex<Vec<String>>,
    before: Mutex<Option<Before>>,
    narrow: Mutex<Option<Where>>,
    after_find: Mutex<Option<AfterFind>>,
}

impl Recorder {
    pub fn want(&self, kind: EventKind, collection: &str) {
        let mut wanted = self.wanted.lock().unwrap();
        wanted.insert((kind, collection.to_owned()));
    }

    pub fn on_before(&self, act: impl Fn(&Event) -> Result<Vec<FieldOp>> + Send + Sync + 'static) {
        *self.before.lock().unwrap() = Some(Box::new(act));
    }

    pub fn narrow_finds(&self, filter: Where) {
        *self.narrow.lock().unwrap() = Some(filter);
    }

    pub fn on_after_find(&self, act: impl Fn(&mut Vec<Record>) + Send + Sync + 'static) {
        *self.after_find.lock().unwrap() = Some(Box::new(act));
    }

    /// What happened since the last time.
    pub fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    fn note(&self, text: String) {
        self.log.lock().unwrap().push(text);
    }
}

impl Hooks for Recorder {
    fn wants(&self, kind: EventKind, collection: &str) -> bool {
        let wanted = self.wanted.lock().unwrap();
        wanted.contains(&(kind, collection.to_owned()))
    }

    fn before<'a>(&'a self, _: &'a Call, event: Event) -> BoxFuture<'a, Result<Verdict>> {
        Box::pin(async move {
            let original = if event.original.is_some() { "+" } else { "-" };
            self.note(format!("{:?} {} {original}", event.kind, event.collection));
            let ops = match &*self.before.lock().unwrap() {
                Some(act) => act(&event)?,
                None => return Ok(Verdict::default()),
            };
            // As it is, and then what the test wants of it.
            let mut changes: Vec<FieldChange> = Vec::new();
            for (name, value) in &event.object.fields {
                let named = |op: &FieldOp| op.path == Path::field(&**name);
                if !ops.iter().any(named) {
                    changes.push(FieldChange::set(name, value.clone()));
                }
            }
            changes.extend(ops.into_iter().map(FieldChange::Field));
            Ok(Verdict {
                object: Some(NewObject { changes, acl: None }),
                context: None,
            })
        })
    }

    fn after<'a>(&'a self, _: &'a Call, event: Event) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.note(format!("{:?} {}", event.kind, event.collection));
        })
    }

    fn before_find<'a>(
        &'a self,
        _: &'a Call,
        query: &'a mut ObjectQuery,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.note(format!("BeforeFind {}", query.collection));
            if let Some(filter) = &*self.narrow.lock().unwrap() {
                let asked = std::mem::replace(&mut query.filter, Where::everything());
                query.filter = Where::And(vec![asked, filter.clone()]);
            }
            Ok(())
        })
    }

    fn after_find<'a>(&'a self, _: &'a Call, found: Found<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.note(format!("AfterFind {}", found.collection));
            if let Some(act) = &*self.after_find.lock().unwrap() {
                act(found.records);
            }
            Ok(())
        })
    }
}

pub fn refusal(reason: Reason, message: &'static str) -> Error {
    Error::new(reason, message)
}
