//! What the tests share.

use basalt_base::{BoxFuture, Map, Result, Timestamp, Value};
use basalt_store::conformance::Harness;
use basalt_store::{
    Acl, Action, AppStore, FieldDef, FieldOp, FieldType, Op, Path, Precondition, Query,
    RecordWrite, SchemaChange, Store, Write, WriteBatch, Written,
};
use basalt_store_postgres::{Options, PostgresStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The server to test on, or `None`, said loudly. On CI it has to be there.
#[expect(
    clippy::disallowed_methods,
    reason = "where the server is is no setting of ours"
)]
pub fn server(variable: &str) -> Option<String> {
    if let Ok(url) = std::env::var(variable) {
        return Some(url);
    }
    assert!(
        std::env::var("CI").is_err(),
        "{variable} is not set, so PostgreSQL would go untested"
    );
    eprintln!("*** PostgreSQL was NOT tested: {variable} is not set ***");
    None
}

/// A place, or none.
pub struct Perhaps(pub Option<Place>);

impl Harness for Perhaps {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        Box::pin(async move { self.0.as_ref().unwrap().node().await as Arc<dyn Store> })
    }

    fn is_absent(&self) -> bool {
        self.0.is_none()
    }
}

/// Schemas of a test's own, dropped with it.
pub struct Place {
    pub url: String,
    pub prefix: String,
}

impl Place {
    pub fn new() -> Option<Self> {
        Some(Self::on(server("BASALT_TEST_POSTGRES_URL")?))
    }

    /// On the server whose durable commits wait for a standby that is not there.
    pub fn waiting() -> Option<Self> {
        Some(Self::on(server("BASALT_TEST_POSTGRES_WAITING_URL")?))
    }

    fn on(url: String) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        let prefix = format!("test_{}_{number}", std::process::id());
        Self { url, prefix }
    }

    pub fn options(&self) -> Options {
        Options {
            schema_prefix: self.prefix.clone(),
            lanes: 2,
            ..Options::default()
        }
    }

    /// A node on this place.
    pub async fn node(&self) -> Arc<PostgresStore> {
        self.node_with(self.options()).await
    }

    pub async fn node_with(&self, options: Options) -> Arc<PostgresStore> {
        PostgresStore::open(&self.url, options).await.unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (url, prefix) = (self.url.clone(), self.prefix.clone());
        // The test's runtime may be going away.
        let cleaned = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
                    .await
                    .unwrap();
                tokio::spawn(connection);
                let sql = "SELECT nspname::text FROM pg_namespace
                           WHERE nspname = $1 OR nspname LIKE $1 || '\\_app\\_%'";
                for row in client.query(sql, &[&prefix]).await.unwrap() {
                    let name: String = row.get(0);
                    let _ = client
                        .batch_execute(&format!(
                            "SET client_min_messages = error; DROP SCHEMA {name} CASCADE"
                        ))
                        .await;
                }
            });
        });
        let _ = cleaned.join();
    }
}

/// A connection of the test's own.
pub async fn client(place: &Place) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&place.url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

pub fn at() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_123)
}

pub fn ensure(collection: &str, fields: &[(&str, FieldType)]) -> Vec<Write> {
    let mut writes = vec![Write::Schema(SchemaChange::EnsureCollection {
        name: collection.into(),
        rules: Map::new(),
    })];
    for (name, ty) in fields {
        writes.push(Write::Schema(SchemaChange::EnsureField {
            collection: collection.into(),
            field: FieldDef::new(*name, ty.clone()),
        }));
    }
    writes
}

fn record(collection: &str, id: &str, precondition: Precondition, action: Action) -> Write {
    Write::Record(RecordWrite {
        collection: collection.into(),
        id: id.into(),
        precondition,
        action,
        at: at(),
    })
}

pub fn create(collection: &str, id: &str, fields: Vec<(&str, Value)>) -> Write {
    let action = Action::Create {
        fields: fields.into_iter().map(|(n, v)| (n.into(), v)).collect(),
        acl: Acl::default(),
    };
    record(collection, id, Precondition::Absent, action)
}

pub fn increment(collection: &str, id: &str, field: &str) -> Write {
    let action = Action::Update {
        ops: vec![FieldOp {
            path: Path::field(field),
            op: Op::Increment(Value::Int(1)),
        }],
        acl: None,
        upsert: false,
    };
    record(collection, id, Precondition::None, action)
}

pub fn query(collection: &str) -> Query {
    Query::all(collection)
}

/// Applies one batch.
pub async fn write(app: &dyn AppStore, writes: Vec<Write>) -> Result<Vec<Written>> {
    let mut outcomes = app.write(vec![WriteBatch::of(writes)]).await?;
    outcomes.remove(0)
}
