//! Jobs and schedules on SQLite.

use crate::workers::{Bench, bench};
use basalt_base::{BoxFuture, Map, OsRng, Reason, Timestamp, Value};
use basalt_flow::{JOB_SCHEDULE, JOB_STATUS, JobCode, JobRun, Jobs, JobsDeps, StartJob, Workers};
use basalt_store::{
    Acl, Action, FieldDef, FieldType, Precondition, Query, ReadOptions, Record, RecordWrite,
    SchemaChange, Write, codec,
};
use std::sync::Arc;
use std::time::Duration;

struct Code;

impl JobCode for Code {
    fn names(&self) -> Vec<String> {
        ["fails", "panics", "stuck", "works"]
            .map(str::to_owned)
            .into()
    }

    fn run(&self, run: JobRun) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(async move {
            match &*run.name {
                "works" => {
                    run.progress.message("half way").await.unwrap();
                    run.progress.fraction(0.5).await.unwrap();
                    let what = run.params.get("what").map(codec::encode_to_string);
                    Ok(what)
                }
                "panics" => panic!("as it should"),
                "stuck" => std::future::pending().await,
                _ => Err("no luck".to_owned()),
            }
        })
    }
}

fn jobs(b: &Bench) -> (Jobs, Workers) {
    let jobs = Jobs::new(JobsDeps {
        queue: b.queue.clone(),
        rng: Arc::new(OsRng),
        code: Arc::new(Code),
    });
    let workers = Workers::start(b.deps(), jobs.handlers());
    (jobs, workers)
}

fn start(name: &str) -> StartJob {
    let params: Map = [("what".to_owned(), Value::Int(7))].into_iter().collect();
    StartJob {
        name: name.into(),
        params,
        source: "api",
        schedule: None,
        depth: 0,
    }
}

async fn row(b: &Bench, id: &str) -> (String, Option<String>) {
    let row = b.queue.store().get(JOB_STATUS, id).await.unwrap().unwrap();
    let text = |name| match row.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    (text("status").unwrap(), text("message"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_leave_their_rows() {
    let b = bench().await;
    let (jobs, workers) = jobs(&b);
    let unknown = jobs.start(start("nobody")).await.unwrap_err();
    assert_eq!(unknown.reason(), Reason::ScriptFailed);
    let works = jobs.start(start("works")).await.unwrap();
    let fails = jobs.start(start("fails")).await.unwrap();
    let panics = jobs.start(start("panics")).await.unwrap();
    b.quiet().await;
    let some = |status: &str, message: &str| (status.to_owned(), Some(message.to_owned()));
    assert_eq!(row(&b, &works).await, some("succeeded", "7"));
    assert_eq!(row(&b, &fails).await, some("failed", "no luck"));
    assert_eq!(row(&b, &panics).await, some("failed", "The job panicked."));
    assert!(jobs.cancel(&works).await.is_err(), "it is over");
    workers.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_runs_end() {
    let b = bench().await;
    let (jobs, workers) = jobs(&b);
    let id = jobs.start(start("stuck")).await.unwrap();
    jobs.cancel(&id).await.unwrap();
    b.quiet().await;
    assert_eq!(row(&b, &id).await.0, "cancelled");
    workers.stop(Duration::from_secs(5)).await;
}

fn schedule(id: &str, fields: &str, at: Timestamp) -> Vec<Write> {
    let Value::Map(map) = codec::decode(fields).unwrap() else {
        panic!("fields are a map");
    };
    let collection: Arc<str> = JOB_SCHEDULE.into();
    let field = |name, ty| {
        Write::Schema(SchemaChange::EnsureField {
            collection: collection.clone(),
            field: FieldDef::new(name, ty),
        })
    };
    vec![
        Write::Schema(SchemaChange::EnsureCollection {
            name: collection.clone(),
            rules: Map::new(),
        }),
        field("jobName", FieldType::String),
        field("startAfter", FieldType::String),
        field("repeatMinutes", FieldType::Number),
        Write::Record(RecordWrite {
            collection: collection.clone(),
            id: id.into(),
            precondition: Precondition::None,
            action: Action::Create {
                fields: map.into_iter().map(|(k, v)| (k.into(), v)).collect(),
                acl: Acl::default(),
            },
            at,
        }),
    ]
}

async fn runs(b: &Bench) -> Vec<Record> {
    let query = Query::all(JOB_STATUS);
    let found = b.queue.store().find(&query, ReadOptions::default()).await;
    found.unwrap().records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_really_runs_once_a_tick() {
    let b = bench().await;
    let now = b.queue.clock().now();
    let fields =
        r#"{"jobName":"works","startAfter":"2026-01-01T00:00:00.000Z","repeatMinutes":600000}"#;
    b.queue.write(schedule("s", fields, now)).await.unwrap();
    // Two nodes read the same schedule.
    let (one, first) = jobs(&b);
    let (two, second) = jobs(&b);
    one.sync().await.unwrap();
    two.sync().await.unwrap();
    let ran = async {
        while b
            .queue
            .store()
            .get(JOB_SCHEDULE, "s")
            .await
            .unwrap()
            .unwrap()
            .get("lastRun")
            .is_none()
        {
            tokio::task::yield_now().await;
        }
        while runs(&b).await.iter().any(|r| r.get("finishedAt").is_none()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ran)
        .await
        .unwrap();
    one.sync().await.unwrap();
    two.sync().await.unwrap();
    let runs = runs(&b).await;
    assert_eq!(runs.len(), 1);
    assert_eq!(
        runs[0].get("source"),
        Some(&Value::String("schedule".to_owned()))
    );
    let ticks = b
        .queue
        .store()
        .queue(basalt_flow::TICKS_QUEUE)
        .await
        .unwrap();
    assert_eq!(ticks.depth(), 1, "the next tick waits");
    first.stop(Duration::from_secs(5)).await;
    second.stop(Duration::from_secs(5)).await;
}
