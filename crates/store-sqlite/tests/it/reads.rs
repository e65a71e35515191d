//! Where reads run, when they stop, and what SQL does of them.

use crate::support::*;
use basalt_base::{AppId, GeoPoint, ManualClock, Map, Reason, Value};
use basalt_store::{
    FieldRef, FieldType, Filter, IndexColumn, IndexDef, IndexKind, Path, Query, ReadOptions,
    SchemaChange, Sort, SortKey, Store, StoreId, Test, Write,
};
use basalt_store_sqlite::Options;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

async fn numbers(app: &dyn basalt_store::AppStore, count: i64) {
    let mut writes = ensure(
        "N",
        &[
            ("n", FieldType::Number),
            ("s", FieldType::String),
            ("g", FieldType::GeoPoint),
        ],
    );
    writes.extend((0..count).map(|n| {
        let place = GeoPoint::new((n % 180) as f64 - 90.0, (n % 360) as f64 - 180.0).unwrap();
        let text = format!("s{n:05}");
        let values = vec![
            ("n", n.into()),
            ("s", text.into()),
            ("g", Value::Geo(place)),
        ];
        create("N", &n.to_string(), values)
    }));
    for name in ["n", "s"] {
        writes.push(Write::Schema(SchemaChange::CreateIndex {
            collection: "N".into(),
            index: IndexDef {
                name: format!("by_{name}").into(),
                kind: IndexKind::Ordered,
                columns: vec![IndexColumn {
                    field: FieldRef::Named(name.into()),
                    descending: false,
                }],
            },
        }));
    }
    write(app, writes).await.unwrap();
}

async fn explained(app: &dyn basalt_store::AppStore, filter: Filter) -> String {
    let query = Query::all("N").filter(filter).limit(10);
    format!("{:?}", app.explain(&query).await.unwrap())
}

#[tokio::test]
async fn equality_ranges_lists_and_prefixes_use_the_index() {
    let place = place();
    let app = app(&place.store).await;
    numbers(&*app, 3_000).await;
    let options = basalt_store::PatternOptions::default();
    let prefix = basalt_store::Pattern::new("^s001", options, 100).unwrap();
    let long: Vec<Value> = (0..100_i64).map(Value::Int).collect();
    let cases = [
        ("n", Test::Eq(5.into())),
        ("n", Test::In(vec![5.into(), 7.into()])),
        ("n", Test::In(long)),
        ("s", Test::Regex(Arc::new(prefix))),
    ];
    for (field, test) in cases {
        let text = explained(&*app, Filter::test(field, test.clone())).await;
        assert!(text.contains("USING INDEX i"), "{test:?}: {text}");
        assert!(text.contains("\"left_to_rust\": Array([])"), "{text}");
    }
    let by_id = explained(&*app, Filter::id("7")).await;
    assert!(by_id.contains("sqlite_autoindex"), "{by_id}");
}

#[tokio::test]
async fn the_nearest_few_come_from_the_tree() {
    let place = place();
    let app = app(&place.store).await;
    numbers(&*app, 3_000).await;
    let center = GeoPoint::new(10.2, -79.9).unwrap();
    let mut query = Query::all("N").limit(3);
    query.sort = vec![Sort {
        key: SortKey::Distance(Path::field("g"), center),
        descending: false,
    }];
    let few = app.find(&query, ReadOptions::default()).await.unwrap();
    query.limit = None;
    let all = app.find(&query, ReadOptions::default()).await.unwrap();
    let ids = |records: &[basalt_store::Record]| -> Vec<String> {
        records.iter().take(3).map(|r| r.id.to_string()).collect()
    };
    assert_eq!(ids(&few.records), ids(&all.records));
    let near = Test::Near {
        center,
        radians_max: Some(0.01),
    };
    let text = explained(&*app, Filter::test("g", near)).await;
    assert!(text.contains("VIRTUAL TABLE"), "{text}");
}

#[tokio::test]
async fn long_reads_move_to_a_thread_and_stop_at_their_deadline() {
    let clock = Arc::new(ManualClock::at(1_700_000_000));
    let place = place_with(Options {
        clock: clock.clone(),
        ..Options::default()
    });
    let app = app(&place.store).await;
    numbers(&*app, 5_000).await;
    let all = Query::all("N");
    let found = app.find(&all, ReadOptions::default()).await.unwrap();
    assert_eq!(found.records.len(), 5_000);
    let readings = basalt_store::Store::metrics(&*place.store);
    let long = readings
        .iter()
        .find(|r| r.name == "basalt_store_long_reads_total");
    assert_eq!(long.unwrap().value, 1.0);

    let none = ReadOptions {
        time_max: Duration::ZERO,
    };
    let stopped = app.find(&all, none).await;
    assert_eq!(stopped.err().unwrap().reason(), Reason::Timeout);
    // The connection is as good as before.
    assert!(app.get("N", "1").await.unwrap().is_some());
}

#[tokio::test]
async fn a_snapshot_stands_still_and_ends_when_it_is_old() {
    let clock = Arc::new(ManualClock::at(1_700_000_000));
    let place = place_with(Options {
        clock: clock.clone(),
        ..Options::default()
    });
    let app = app(&place.store).await;
    numbers(&*app, 10).await;
    let snapshot = app.snapshot().await.unwrap();
    let mut writes = ensure("Later", &[]);
    writes.push(create("N", "new", Vec::new()));
    write(&*app, writes).await.unwrap();
    assert!(snapshot.get("N", "new").await.unwrap().is_none());
    let all = Query::all("N");
    let options = ReadOptions::default();
    assert_eq!(snapshot.count(&all, options).await.unwrap(), 10);
    assert_eq!(snapshot.position().0 + 1, app.position().0);
    clock.advance(Duration::from_mins(1));
    let late = snapshot.count(&all, options).await;
    assert_eq!(late.err().unwrap().reason(), Reason::Timeout);
}

#[tokio::test]
async fn more_snapshots_than_allowed_wait_and_dropping_one_lets_the_next_in() {
    let place = place_with(Options {
        snapshots_max: 1,
        ..Options::default()
    });
    let app = app(&place.store).await;
    numbers(&*app, 1).await;
    let first = app.snapshot().await.unwrap();
    let second = app.snapshot();
    drop(first);
    let second = second.await.unwrap();
    assert!(second.get("N", "0").await.unwrap().is_some());
}

#[tokio::test]
async fn a_scan_stops_when_its_sink_breaks() {
    let place = place();
    let app = app(&place.store).await;
    numbers(&*app, 100).await;
    let (sender, receiver) = std::sync::mpsc::channel();
    let sink = Box::new(move |record: basalt_store::Record| {
        sender.send(record.id).unwrap();
        ControlFlow::Break(())
    });
    let all = Query::all("N");
    app.scan(all, ReadOptions::default(), sink).await.unwrap();
    assert_eq!(receiver.iter().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_reads_of_one_app_hold_up_no_other_work() {
    let place = place();
    let busy = app(&place.store).await;
    for id in [1, 2] {
        let app = place.store.open_app(StoreId(id)).await.unwrap();
        let mut writes = ensure("T", &[]);
        writes.push(create("T", "a", vec![]));
        write(&*app, writes).await.unwrap();
    }
    let (told, mut started) = tokio::sync::mpsc::unbounded_channel();
    let (mut reads, mut holds) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let (busy, told) = (busy.clone(), told.clone());
        let (hold, held) = std::sync::mpsc::channel::<()>();
        holds.push(hold);
        reads.push(tokio::spawn(async move {
            let sink = Box::new(move |_| {
                told.send(()).unwrap();
                let _ = held.recv();
                ControlFlow::Break(())
            });
            busy.scan(Query::all("T"), <_>::default(), sink).await
        }));
    }
    for _ in 0..Options::default().blocking_threads_max {
        started.recv().await.unwrap();
    }
    // As many as there are threads stand still now, and the rest waits.
    let system = place.store.system();
    let id = AppId::new("x");
    let made = system.create_app(&id, "x", Map::new(), at());
    let within = Duration::from_secs(30);
    let others = async {
        made.await.unwrap();
        assert_eq!(system.apps().await.unwrap().len(), 1);
        place.store.open_app(StoreId(3)).await.unwrap();
        let second = place.store.open_app(StoreId(2)).await.unwrap();
        let (told, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let sink = Box::new(move |record: basalt_store::Record| {
            told.send(record.id).unwrap();
            ControlFlow::Continue(())
        });
        second
            .scan(Query::all("T"), <_>::default(), sink)
            .await
            .unwrap();
        assert_eq!(seen.recv().await.as_deref(), Some("a"));
    };
    let done = tokio::time::timeout(within, others).await;
    holds.clear();
    assert!(done.is_ok(), "the other work waits");
    for read in reads {
        read.await.unwrap().unwrap();
    }
}
