//! Group commit, refusals, clearing, the change log, and what happens when the disk is full.

use crate::support::*;
use basalt_base::{Clock, ManualClock, Monotonic, Reason, Timestamp, Value};
use basalt_store::{
    FieldType, Position, Query, ReadOptions, SchemaChange, Store, Write, WriteBatch,
};
use basalt_store_sqlite::{Options, SqliteStore};
use std::sync::Arc;
use std::time::Duration;

fn metric(store: &SqliteStore, name: &str) -> f64 {
    let readings = store.metrics();
    readings.iter().find(|r| r.name == name).unwrap().value
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_wait_together_share_a_commit() {
    let place = place();
    let app = app(&place.store).await;
    write(&*app, ensure("Post", &[("n", FieldType::Number)]))
        .await
        .unwrap();
    let before = metric(&place.store, "basalt_store_commits_total");
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let app = app.clone();
            tokio::spawn(async move {
                for n in 0..25_i64 {
                    let id = format!("{task}-{n}");
                    let post = create("Post", &id, vec![("n", n.into())]);
                    write(&*app, vec![post]).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let commits = metric(&place.store, "basalt_store_commits_total") - before;
    assert!(commits < 800.0, "{commits} commits for 1600 writes");
    assert_eq!(app.position().0, 1_600);
    let all = Query::all("Post");
    let count = app.count(&all, ReadOptions::default()).await.unwrap();
    assert_eq!(count, 1_600);
    assert!(app.verify().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_refused_batch_in_a_group_costs_the_others_nothing() {
    let place = place();
    let app = app(&place.store).await;
    write(&*app, ensure("Post", &[("n", FieldType::Number)]))
        .await
        .unwrap();
    let one = |id: &str| WriteBatch::of(vec![create("Post", id, vec![("n", 1.into())])]);
    let two = WriteBatch::of(vec![
        create("Post", "c", Vec::new()),
        create("Post", "a", Vec::new()),
    ]);
    let outcomes = app.write(vec![one("a"), one("a"), two, one("b")]).await;
    let reasons: Vec<_> = outcomes
        .unwrap()
        .into_iter()
        .map(|outcome| outcome.err().map(|e| e.reason()))
        .collect();
    let taken = Some(Reason::DuplicateValue);
    assert_eq!(reasons, [None, taken, taken, None]);
    let changes = app.changes(Position(0), 10).await.unwrap().unwrap();
    let ids: Vec<&str> = changes.iter().map(|c| &*c.id).collect();
    assert_eq!(ids, ["a", "b"]);
    assert!(app.get("Post", "c").await.unwrap().is_none());
}

#[tokio::test]
async fn clearing_keeps_positions_and_ids_growing() {
    let place = place();
    let app = app(&place.store).await;
    let mut first_id = None;
    for round in 0..3 {
        let mut writes = ensure("Post", &[("g", FieldType::GeoPoint)]);
        writes.push(create("Post", "one", Vec::new()));
        write(&*app, writes).await.unwrap();
        let catalogue = app.catalogue();
        let id = catalogue.collection("Post").unwrap().id;
        assert!(first_id < Some(id), "round {round}");
        first_id = Some(id);
        let position = app.position();
        app.clear().await.unwrap();
        assert!(app.position() > position);
        assert!(app.changes(position, 10).await.unwrap().is_none());
        assert!(app.catalogue().collections.is_empty());
        assert!(app.get("Post", "one").await.unwrap().is_none());
        assert!(app.verify().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_change_log_shrinks_as_it_is_written_to() {
    let clock = Arc::new(ManualClock::at(1_700_000_000));
    let place = place_with(Options {
        clock: clock.clone(),
        change_bytes_max: 20_000,
        ..Options::default()
    });
    let app = app(&place.store).await;
    write(&*app, ensure("Post", &[("s", FieldType::String)]))
        .await
        .unwrap();
    let post = |n: u64| {
        let text = Value::String("x".repeat(1_000));
        create("Post", &n.to_string(), vec![("s", text)])
    };
    for n in 1..=200 {
        write(&*app, vec![post(n)]).await.unwrap();
    }
    assert!(app.changes(Position(0), 1).await.unwrap().is_none());
    let kept = app.changes(Position(190), 100).await.unwrap().unwrap();
    assert_eq!(kept.first().unwrap().position, Position(191));
    assert_eq!(kept.len(), 10);

    clock.advance(Duration::from_hours(1));
    write(&*app, vec![post(201)]).await.unwrap();
    assert!(app.changes(Position(199), 1).await.unwrap().is_none());
    let kept = app.changes(Position(200), 100).await.unwrap().unwrap();
    assert_eq!(kept.len(), 1);
    assert!(app.verify().await.unwrap().is_empty());
}

#[tokio::test]
async fn dropped_collections_give_their_names_back_at_once() {
    let place = place();
    let app = app(&place.store).await;
    let mut writes = ensure("Post", &[("n", FieldType::Number)]);
    // More than are dropped at once, so that the table is emptied later.
    writes.extend((0..2_500_i64).map(|n| create("Post", &n.to_string(), vec![("n", n.into())])));
    write(&*app, writes).await.unwrap();
    let drop_it = Write::Schema(SchemaChange::DropCollection {
        name: "Post".into(),
        only_if_empty: false,
    });
    write(&*app, vec![drop_it]).await.unwrap();
    assert!(app.get("Post", "1").await.unwrap().is_none());
    write(&*app, ensure("Post", &[("n", FieldType::String)]))
        .await
        .unwrap();
    let all = Query::all("Post");
    let count = app.count(&all, ReadOptions::default()).await.unwrap();
    assert_eq!(count, 0);
    assert!(app.verify().await.unwrap().is_empty());
}

/// Panics once when told to.
#[derive(Default)]
struct BrokenClock {
    armed: std::sync::atomic::AtomicBool,
}

impl Clock for BrokenClock {
    fn now(&self) -> Timestamp {
        let armed = self.armed.swap(false, std::sync::atomic::Ordering::SeqCst);
        assert!(!armed, "this panic is part of the test");
        at()
    }

    fn monotonic(&self) -> Monotonic {
        basalt_base::SystemClock.monotonic()
    }
}

#[tokio::test]
async fn a_panic_of_the_writer_costs_one_group_and_no_more() {
    let clock = Arc::new(BrokenClock::default());
    let place = place_with(Options {
        clock: clock.clone(),
        ..Options::default()
    });
    let app = app(&place.store).await;
    write(&*app, ensure("Post", &[])).await.unwrap();
    clock.armed.store(true, std::sync::atomic::Ordering::SeqCst);
    let lost = write(&*app, vec![create("Post", "a", Vec::new())]).await;
    assert_eq!(lost.err().unwrap().reason(), Reason::OutcomeUnknown);
    write(&*app, vec![create("Post", "a", Vec::new())])
        .await
        .unwrap();
    assert_eq!(app.position(), Position(1));
}
