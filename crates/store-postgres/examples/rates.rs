//! Rates and CPU times of reads and creates, and the plans of common queries, at 100,000 objects in the database
//! whose URL is the argument. Not a test: nothing is asserted.

use basalt_base::{Clock, GeoPoint, Map, Reference, Result, SystemClock, Timestamp, Value};
use basalt_store::{
    Access, Acl, AclEntry, Action, AppStore, FieldDef, FieldRef, FieldType, Filter, IndexColumn,
    IndexDef, IndexKind, Path, Precondition, Principals, Query, ReadOptions, RecordWrite,
    SchemaChange, Sort, SortKey, Store, StoreId, Test, Write, WriteBatch,
};
use basalt_store_postgres::{Options, PostgresStore};
use std::io::Write as _;
use std::sync::Arc;

const OBJECTS: u64 = 100_000;
const FIELDS: [(&str, FieldType); 9] = [
    ("title", FieldType::String),
    ("body", FieldType::String),
    ("group", FieldType::Number),
    ("score", FieldType::Number),
    ("done", FieldType::Boolean),
    ("when", FieldType::Date),
    ("tags", FieldType::Array),
    ("info", FieldType::Object),
    ("place", FieldType::GeoPoint),
];

fn reference(n: u64) -> Value {
    Value::Reference(Reference {
        collection: "Tag".into(),
        id: format!("t{n}"),
    })
}

fn object(n: u64) -> RecordWrite {
    let info: Map = [
        ("b".to_owned(), "x".into()),
        ("a".to_owned(), Value::Int((n % 1_000) as i64)),
    ]
    .into_iter()
    .collect();
    let mixed = n.wrapping_mul(2_654_435_761) % OBJECTS;
    let values = [
        Value::String(format!("title {n}")),
        Value::String("lorem ipsum dolor sit amet ".repeat(10)),
        Value::Int((n % 5_000) as i64),
        Value::number(mixed as f64 + 0.5),
        Value::Bool(n.is_multiple_of(2)),
        Value::Timestamp(Timestamp::from_millis(1_700_000_000_000 + mixed as i64)),
        Value::Array(vec![
            Value::String(format!("word{}", n % 3_000)),
            reference(n % 2_000),
        ]),
        Value::Map(info),
        Value::Geo(GeoPoint {
            latitude: (mixed % 1_000) as f64 / 10.0 - 50.0,
            longitude: (mixed / 1_000) as f64,
        }),
    ];
    let owner = AclEntry::User(format!("u{}", n % 2_000).into());
    RecordWrite {
        collection: "Post".into(),
        id: format!("id{n:08}").into(),
        precondition: Precondition::Absent,
        action: Action::Create {
            fields: FIELDS.iter().map(|f| f.0.into()).zip(values).collect(),
            acl: Acl {
                read: Some(vec![owner.clone()]),
                write: Some(vec![owner]),
            },
        },
        at: SystemClock.now(),
    }
}

fn schema() -> Vec<Write> {
    let mut writes = vec![Write::Schema(SchemaChange::EnsureCollection {
        name: "Post".into(),
        rules: Map::new(),
    })];
    writes.extend(FIELDS.map(|(name, ty)| {
        Write::Schema(SchemaChange::EnsureField {
            collection: "Post".into(),
            field: FieldDef::new(name, ty),
        })
    }));
    for (name, _) in FIELDS.iter().filter(|f| f.0 != "body" && f.0 != "done") {
        let kind = match *name {
            "place" => IndexKind::Geo,
            _ => IndexKind::Ordered,
        };
        writes.push(Write::Schema(SchemaChange::CreateIndex {
            collection: "Post".into(),
            index: IndexDef {
                name: format!("by_{name}").into(),
                kind,
                columns: vec![IndexColumn {
                    field: FieldRef::Named((*name).into()),
                    descending: false,
                }],
            },
        }));
    }
    writes
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// CPU time of this process in microseconds, from the kernel's counters of 10 ms.
fn cpu_micros() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let words = after.split_whitespace();
    let numbers: Vec<f64> = words.map(|w| w.parse().unwrap_or(0.0)).collect();
    numbers
        .get(11..13)
        .map_or(0.0, |t| (t[0] + t[1]) * 10_000.0)
}

#[derive(Clone, Copy)]
enum Work {
    Get,
    Find,
    Create,
}

/// Does one piece of it; `false` when it went wrong.
async fn once(app: &Arc<dyn AppStore>, work: Work, run: &str, n: u64) -> bool {
    match work {
        Work::Get => {
            let id = format!("id{:08}", n * 7_919 % OBJECTS);
            app.get("Post", &id)
                .await
                .is_ok_and(|found| found.is_some())
        }
        Work::Find => {
            let query = grouped(n);
            let found = app.find(&query, ReadOptions::default()).await;
            found.is_ok_and(|found| found.records.len() >= 20)
        }
        Work::Create => {
            let mut write = object(n);
            write.id = format!("{run}n{n}").into();
            let batch = WriteBatch::of(vec![Write::Record(write)]);
            let outcomes = app.write(vec![batch]).await;
            outcomes.is_ok_and(|outcomes| outcomes.iter().all(Result::is_ok))
        }
    }
}

async fn rate(app: &Arc<dyn AppStore>, what: &str, callers: u64, total: u64, work: Work) {
    let (started, cpu) = (SystemClock.monotonic(), cpu_micros());
    let run: Arc<str> = format!("r{}c{callers}", SystemClock.now().millis()).into();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (app, run) = (app.clone(), run.clone());
            tokio::spawn(async move {
                for n in (caller..total).step_by(callers as usize) {
                    if !once(&app, work, &run, n).await {
                        return false;
                    }
                }
                true
            })
        })
        .collect();
    for task in tasks {
        if !task.await.unwrap_or(false) {
            say("something went wrong");
        }
    }
    let seconds = SystemClock.monotonic().since(started).as_secs_f64();
    say(&format!(
        "{what:20} {callers:>3} callers {:>9.0}/s {:>8.2} us CPU each",
        total as f64 / seconds,
        (cpu_micros() - cpu) / total as f64,
    ));
}

fn grouped(n: u64) -> Query {
    let group = Value::Int((n % 5_000) as i64);
    Query::all("Post")
        .filter(Filter::test("group", Test::Eq(group)))
        .limit(20)
}

fn by(field: &str, descending: bool) -> Vec<Sort> {
    vec![Sort {
        key: SortKey::Path(Path::field(field)),
        descending,
    }]
}

fn queries() -> Vec<(&'static str, Query)> {
    let test = |path: &str, test: Test| {
        Query::all("Post")
            .filter(Filter::test(path, test))
            .limit(20)
    };
    let sorted = |query: Query, field: &str, descending| Query {
        sort: by(field, descending),
        ..query
    };
    let me = Principals::new([AclEntry::User("u7".into())]);
    let center = GeoPoint {
        latitude: 10.0,
        longitude: 10.0,
    };
    vec![
        ("equality", grouped(7)),
        (
            "one of",
            test("title", Test::In(vec!["title 1".into(), "title 2".into()])),
        ),
        (
            "range and sort",
            sorted(test("score", Test::Gt(Value::Int(50_000))), "score", false),
        ),
        (
            "sort descending",
            sorted(Query::all("Post").limit(20), "when", true),
        ),
        ("text in a list", test("tags", Test::Eq("word7".into()))),
        (
            "reference in a list",
            test("tags", Test::In(vec![reference(7), reference(8)])),
        ),
        ("nested", test("info.a", Test::Eq(Value::Int(7)))),
        (
            "near",
            test(
                "place",
                Test::Near {
                    center,
                    radians_max: Some(0.01),
                },
            ),
        ),
        (
            "acl",
            Query::all("Post")
                .filter(Filter::Allows(Access::Read, Arc::new(me)))
                .limit(20),
        ),
    ]
}

async fn measure(app: &Arc<dyn AppStore>) -> Result<()> {
    if app.catalogue().collection("Post").is_none() {
        for outcome in app.write(vec![WriteBatch::of(schema())]).await? {
            outcome?;
        }
        for start in (0..OBJECTS).step_by(500) {
            let writes = (start..start + 500).map(|n| Write::Record(object(n)));
            for outcome in app.write(vec![WriteBatch::of(writes.collect())]).await? {
                outcome?;
            }
        }
        say("filled; run ANALYZE for settled plans");
    }
    for (what, query) in queries() {
        let started = SystemClock.monotonic();
        let found = app.find(&query, ReadOptions::default()).await?;
        let micros = SystemClock.monotonic().since(started).as_micros();
        say(&format!(
            "--- {what}: {} in {micros} us",
            found.records.len()
        ));
        if let Value::Map(map) = app.explain(&query).await? {
            for key in ["plan", "left_to_rust"] {
                for line in map.get(key).and_then(Value::as_array).unwrap_or(&[]) {
                    say(&format!("    {}", line.as_str().unwrap_or_default()));
                }
            }
        }
    }
    for callers in [1, 32, 256, 32, 256] {
        let total = if callers == 1 { 5_000 } else { 50_000 };
        rate(app, "get by id", callers, total, Work::Get).await;
        rate(app, "20 of an index", callers, total / 10, Work::Find).await;
        rate(app, "create", callers, total / 5, Work::Create).await;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_default();
    let options = Options {
        lanes: 2,
        ..Options::default()
    };
    let store = PostgresStore::open(&url, options).await?;
    let app = store.open_app(StoreId(1)).await?;
    measure(&app).await
}
