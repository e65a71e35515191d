//! Places, apps full of anything, and files.

use basalt_base::{AppId, Map, Result, Timestamp, Value};
use basalt_store::conformance::dice::Dice;
use basalt_store::conformance::random::random_case;
use basalt_store::{
    Acl, Action, AppRow, AppStore, FieldDef, FieldRef, FieldType, IndexColumn, IndexDef, IndexKind,
    Precondition, RecordWrite, SchemaChange, Store, Write, WriteBatch, codec,
};
use basalt_store_postgres::PostgresStore;
use basalt_store_sqlite::{Options, SqliteStore};
use basalt_transfer::{Export, Import, Imported, Report, Totals, export, import};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The time of every export, so that equal ones have equal files.
pub fn at() -> Timestamp {
    Timestamp::from_millis(0)
}

/// A store in a folder that goes away with it, and a folder for files.
pub struct Place {
    pub store: Arc<dyn Store>,
    folder: tempfile::TempDir,
}

pub fn sqlite() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("data"), Options::default()).unwrap();
    Place { store, folder }
}

/// Schemas of a test's own, or nothing without a server; CI has to have one.
pub async fn postgres() -> Option<Place> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let Some(url) = std::env::var_os("BASALT_TEST_POSTGRES_URL") else {
        let on_ci = std::env::var_os("CI").is_some();
        assert!(!on_ci, "BASALT_TEST_POSTGRES_URL is not set");
        return None;
    };
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let options = basalt_store_postgres::Options {
        schema_prefix: format!("transfer_{}_{number}", std::process::id()),
        lanes: 2,
        ..basalt_store_postgres::Options::default()
    };
    let store = PostgresStore::open(url.to_str().unwrap(), options)
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    Some(Place { store, folder })
}

impl Place {
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes an app; its settings and data.
    pub async fn make(&self, id: &str) -> Arc<dyn AppStore> {
        let settings = ["parse", "keys"].map(|name| (name.to_owned(), Value::from("{}")));
        let settings = Map::from_iter(settings);
        let system = self.store.system();
        let id = AppId::new(id);
        let made = system.create_app(&id, "000000000001", settings, at());
        let row = made.await.unwrap();
        self.store.open_app(row.store_id).await.unwrap()
    }

    pub async fn row(&self, id: &str) -> Option<AppRow> {
        let rows = self.store.system().apps().await.unwrap();
        rows.into_iter().find(|row| row.app_id.as_str() == id)
    }

    pub async fn app(&self, id: &str) -> Arc<dyn AppStore> {
        let row = self.row(id).await.unwrap();
        self.store.open_app(row.store_id).await.unwrap()
    }

    pub async fn export(&self, id: &str, path: &Path, resume: bool) -> Result<Totals> {
        let row = self.row(id).await.unwrap();
        let app = self.store.open_app(row.store_id).await?;
        let request = Export {
            app: &*app,
            row: &row,
            settings: row.settings.clone(),
            keys: None,
            path,
            resume,
            program: "test",
            at: at(),
        };
        export(request, &quiet()).await
    }

    pub async fn import(&self, path: &Path, resume: bool) -> Result<Imported> {
        self.import_as(path, None, resume, &quiet()).await
    }

    pub async fn import_as(
        &self,
        path: &Path,
        app: Option<&str>,
        resume: bool,
        report: &Report,
    ) -> Result<Imported> {
        let request = Import {
            own: &["keys"],
            store: &*self.store,
            path,
            app,
            resume,
            admit: &|_| Ok(None),
            account: "999999999999".to_owned(),
        };
        import(request, report).await
    }
}

pub fn quiet() -> Report {
    Arc::new(|_| {})
}

pub async fn write(app: &dyn AppStore, writes: Vec<Write>) {
    let mut answers = app.write(vec![WriteBatch::of(writes)]).await.unwrap();
    answers.remove(0).unwrap();
}

pub fn create(collection: &str, id: &str, at: i64, fields: Vec<(Arc<str>, Value)>) -> Write {
    Write::Record(RecordWrite {
        collection: collection.into(),
        id: id.into(),
        precondition: Precondition::Absent,
        action: Action::Create {
            fields,
            acl: Acl::default(),
        },
        at: Timestamp::from_millis(at),
    })
}

pub fn collection(name: &str, fields: Vec<FieldDef>) -> Vec<Write> {
    let rules = codec::decode(r#"{"find":{"*":true},"$$odd":[{"$t":1},null],"a":{}}"#).unwrap();
    let rules = rules.as_map().unwrap().clone();
    let made = SchemaChange::CreateCollection {
        name: name.into(),
        rules,
    };
    let fields = fields.into_iter().map(|field| SchemaChange::EnsureField {
        collection: name.into(),
        field,
    });
    let steps = std::iter::once(made).chain(fields);
    steps.map(Write::Schema).collect()
}

pub fn index(collection: &str, name: &str, kind: IndexKind, fields: Vec<FieldRef>) -> Write {
    let descending = kind == IndexKind::Ordered;
    let columns = fields
        .into_iter()
        .map(|field| IndexColumn { field, descending });
    Write::Schema(SchemaChange::CreateIndex {
        collection: collection.into(),
        index: IndexDef {
            name: name.into(),
            kind,
            columns: columns.collect(),
        },
    })
}

/// Fills an app with a catalogue and objects of that seed, as nasty as they get.
pub async fn fill(app: &dyn AppStore, seed: u64) {
    let dice = Dice::new(seed);
    for n in 0..=dice.below(3) as u64 {
        let case = random_case(seed * 31 + n, 60, 0);
        let name = format!("C{n}");
        let field = |(name, ty): (&'static str, FieldType)| FieldDef {
            required: dice.once_in(5),
            default: match ty {
                FieldType::Number => Some(Value::Int(i64::MIN)),
                FieldType::Object => codec::decode(r#"{"b":{"$t":[1,2]},"a":null}"#).ok(),
                _ => None,
            },
            ..FieldDef::new(name, ty)
        };
        let mut fields: Vec<_> = case.fields.into_iter().map(field).collect();
        fields.push(FieldDef::new("many", FieldType::Relation("_User".into())));
        write(app, collection(&name, fields)).await;
        let rows = case.rows.into_iter().map(|row| {
            Write::Record(RecordWrite {
                collection: name.as_str().into(),
                id: row.id.into(),
                precondition: Precondition::Absent,
                action: Action::Restore {
                    created_at: Timestamp::from_millis(-77),
                    fields: row.fields,
                    acl: row.acl,
                },
                at: row.at,
            })
        });
        write(app, rows.collect()).await;
        let named = |name: &str| FieldRef::Named(name.into());
        let geo = vec![named("geo")];
        write(app, vec![index(&name, "place", IndexKind::Geo, geo)]).await;
        let both = vec![named("num"), FieldRef::UpdatedAt];
        write(app, vec![index(&name, "a b", IndexKind::Ordered, both)]).await;
    }
    // A join collection, and a system one with a unique index, a hash and a loose null.
    write(app, collection("_Join:many:C0", pair_fields())).await;
    let text = || FieldType::String;
    let user = vec![
        FieldDef::new("username", text()),
        FieldDef::new("_hashed_password", text()),
    ];
    write(app, collection("_User", user)).await;
    let users = (0..3).map(|n| {
        let fields = vec![
            ("username".into(), Value::from(format!("u{n}"))),
            ("_hashed_password".into(), Value::from("$argon2id$…")),
            ("gone".into(), Value::Null),
        ];
        create("_User", &format!("id{n}"), n, fields)
    });
    write(app, users.collect()).await;
    let username = vec![FieldRef::Named("username".into())];
    write(
        app,
        vec![index("_User", "_username_key", IndexKind::Unique, username)],
    )
    .await;
}

fn pair_fields() -> Vec<FieldDef> {
    let text = FieldType::String;
    vec![
        FieldDef::new("owningId", text.clone()),
        FieldDef::new("relatedId", text),
    ]
}

/// An app of several chunks: two collections of objects of about 20 KB.
pub async fn fill_large(app: &dyn AppStore) {
    for name in ["Big", "Tall"] {
        let fields = vec![FieldDef::new("text", FieldType::String)];
        write(app, collection(name, fields)).await;
        for slice in 0..6 {
            let one = |n: i64| {
                let text = format!("{n} ").repeat(5_000);
                create(
                    name,
                    &format!("o{n}"),
                    n,
                    vec![("text".into(), text.into())],
                )
            };
            write(app, (slice * 20..slice * 20 + 20).map(one).collect()).await;
        }
    }
}
