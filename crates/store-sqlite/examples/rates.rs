//! Durable inserts, point reads and indexed queries per second, on a directory given as argument
//! or a temporary one. Not a test: nothing is asserted.

use basalt_base::{Clock, SystemClock};
use basalt_base::{Map, OsRng, Timestamp, Value, object_id};
use basalt_store::{
    Acl, Action, AppStore, FieldDef, FieldRef, FieldType, Filter, IndexColumn, IndexDef, IndexKind,
    Precondition, Query, ReadOptions, RecordWrite, SchemaChange, Sort, SortKey, Store, StoreId,
    Test, Write, WriteBatch,
};
use basalt_store_sqlite::{Options, SqliteStore};
use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const FIELDS: [(&str, FieldType); 8] = [
    ("title", FieldType::String),
    ("body", FieldType::String),
    ("group", FieldType::Number),
    ("score", FieldType::Number),
    ("done", FieldType::Boolean),
    ("when", FieldType::Date),
    ("tags", FieldType::Array),
    ("info", FieldType::Object),
];

fn object(n: u64) -> RecordWrite {
    let info: Map = [
        ("a".to_owned(), Value::Int(1)),
        ("b".to_owned(), "x".into()),
    ]
    .into_iter()
    .collect();
    let values = [
        Value::String(format!("title {n}")),
        Value::String("lorem ipsum dolor sit amet ".repeat(10)),
        Value::Int((n % 5_000) as i64),
        Value::Double(n as f64 + 0.5),
        Value::Bool(n.is_multiple_of(2)),
        Value::Timestamp(Timestamp::from_millis(1_700_000_000_000 + n as i64)),
        Value::Array(vec!["red".into(), "blue".into()]),
        Value::Map(info),
    ];
    RecordWrite {
        collection: "Post".into(),
        id: object_id(&OsRng, 10).into(),
        precondition: Precondition::Absent,
        action: Action::Create {
            fields: FIELDS.iter().map(|f| f.0.into()).zip(values).collect(),
            acl: Acl::default(),
        },
        at: SystemClock.now(),
    }
}

fn index(name: &str, columns: &[&str]) -> Write {
    let columns = columns.iter().map(|name| IndexColumn {
        field: FieldRef::Named((*name).into()),
        descending: false,
    });
    Write::Schema(SchemaChange::CreateIndex {
        collection: "Post".into(),
        index: IndexDef {
            name: name.into(),
            kind: IndexKind::Ordered,
            columns: columns.collect(),
        },
    })
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
    writes.push(index("by_group", &["group"]));
    writes.push(index("by_title", &["title"]));
    writes
}

/// CPU time of this process in microseconds, from the kernel's counters of 10 ms.
fn cpu_micros() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let numbers: Vec<f64> = after
        .split_whitespace()
        .map(|w| w.parse().unwrap_or(0.0))
        .collect();
    numbers
        .get(11..13)
        .map_or(0.0, |t| (t[0] + t[1]) * 10_000.0)
}

fn report(what: &str, operations: u64, seconds: f64, cpu: f64) {
    let line = format!(
        "{what:34} {:>9.0}/s {:>8.2} us each {:>8.2} us CPU each\n",
        operations as f64 / seconds,
        seconds * 1e6 / operations as f64,
        cpu / operations as f64,
    );
    let _ = std::io::stdout().write_all(line.as_bytes());
}

async fn inserts(app: &Arc<dyn AppStore>, callers: u64, total: u64) -> Result<(), Box<dyn Error>> {
    let next = Arc::new(AtomicU64::new(0));
    let (started, cpu) = (SystemClock.monotonic(), cpu_micros());
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (app, next) = (app.clone(), next.clone());
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Relaxed);
                    if n >= total {
                        return Ok(());
                    }
                    let batch = WriteBatch::of(vec![Write::Record(object(n))]);
                    for outcome in app.write(vec![batch]).await? {
                        outcome?;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        let done: basalt_base::Result<()> = task.await?;
        done?;
    }
    let seconds = SystemClock.monotonic().since(started).as_secs_f64();
    report(
        &format!("insert, {callers} callers"),
        total,
        seconds,
        cpu_micros() - cpu,
    );
    Ok(())
}

async fn measure(app: &Arc<dyn AppStore>) -> Result<(), Box<dyn Error>> {
    for outcome in app.write(vec![WriteBatch::of(schema())]).await? {
        outcome?;
    }
    for (callers, total) in [(1, 3_000), (32, 60_000), (256, 100_000), (32, 60_000)] {
        inserts(app, callers, total).await?;
    }
    let ids: Vec<_> = app
        .find(&Query::all("Post").limit(50_000), ReadOptions::default())
        .await?
        .records
        .into_iter()
        .map(|record| record.id)
        .collect();
    let (started, cpu) = (SystemClock.monotonic(), cpu_micros());
    let total = 300_000;
    for n in 0..total {
        app.get("Post", &ids[(n * 7_919) % ids.len()]).await?;
    }
    let seconds = SystemClock.monotonic().since(started).as_secs_f64();
    report("get by id", total as u64, seconds, cpu_micros() - cpu);

    let total = 10_000;
    for sorted in [false, true] {
        let (started, cpu) = (SystemClock.monotonic(), cpu_micros());
        for n in 0..total {
            let mut query = Query::all("Post")
                .filter(Filter::test("group", Test::Eq(Value::Int(n % 5_000))))
                .limit(20);
            if sorted {
                query.sort = vec![Sort {
                    key: SortKey::Path(basalt_store::Path::field("score")),
                    descending: true,
                }];
            }
            app.find(&query, ReadOptions::default()).await?;
        }
        let seconds = SystemClock.monotonic().since(started).as_secs_f64();
        let what = if sorted {
            "20 of an index, sorted"
        } else {
            "20 of an index"
        };
        report(what, total as u64, seconds, cpu_micros() - cpu);
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let place = std::env::args().nth(1).map(Into::into);
    let dir: std::path::PathBuf = place.unwrap_or_else(|| temporary.path().to_owned());
    let store = SqliteStore::open(&dir, Options::default())?;
    let app = store.open_app(StoreId(1)).await?;
    measure(&app).await?;
    for reading in store.metrics() {
        let line = format!("{} {}\n", reading.name, reading.value);
        std::io::stdout().write_all(line.as_bytes())?;
    }
    Ok(())
}
