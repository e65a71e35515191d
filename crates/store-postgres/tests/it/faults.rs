//! Connections that break and nodes that stand still, on a real server.

use crate::support::{Place, client, create, ensure, increment, query, write};
use basalt_base::{Reason, Value};
use basalt_store::{FieldType, Store, StoreId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

/// Ends every session that is or was at this place's tables; says how many.
/// Ends every session of the app, and waits until they are gone.
async fn terminate(client: &tokio_postgres::Client, place: &Place) -> i64 {
    let ended = each_session(client, place, "pg_terminate_backend").await;
    while each_session(client, place, "").await > 0 {
        tokio::task::yield_now().await;
    }
    ended
}

async fn each_session(client: &tokio_postgres::Client, place: &Place, function: &str) -> i64 {
    let sql = format!(
        "SELECT count({function}(pid)) FROM pg_stat_activity
         WHERE application_name = 'basalt' AND query LIKE '%' || $1 || '\\_app\\_1%'"
    );
    client
        .query_one(&sql, &[&place.prefix])
        .await
        .unwrap()
        .get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_session_never_makes_a_false_success() {
    never_a_false_success("pg_terminate_backend", 40).await;
}

/// A statement that fails leaves a transaction whose COMMIT is answered with ROLLBACK.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_statement_never_makes_a_false_success() {
    never_a_false_success("pg_cancel_backend", 2_000).await;
}

async fn never_a_false_success(function: &str, times: i64) {
    let Some(place) = Place::new() else { return };
    let store = place.node().await;
    let app = store.open_app(StoreId(1)).await.unwrap();
    write(&*app, ensure("T", &[("n", FieldType::Number)]))
        .await
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for w in 0..8 {
        let (app, stop) = (app.clone(), stop.clone());
        writers.push(tokio::spawn(async move {
            let (mut done, mut unknown, mut n) = (Vec::new(), 0, 0);
            while !stop.load(SeqCst) {
                let id = format!("w{w}n{n}");
                n += 1;
                match write(&*app, vec![create("T", &id, vec![("n", Value::Int(n))])]).await {
                    Ok(_) => done.push(id),
                    Err(error) => match error.reason() {
                        Reason::OutcomeUnknown => unknown += 1,
                        Reason::StoreUnavailable | Reason::Timeout => {}
                        _ => panic!("{error:?}"),
                    },
                }
            }
            (done, unknown, n)
        }));
    }
    let killer = client(&place).await;
    let mut killed = 0;
    // Until enough sessions were hit, at whatever they were doing.
    while killed < times {
        killed += each_session(&killer, &place, function).await;
        tokio::task::yield_now().await;
    }
    stop.store(true, SeqCst);
    let (mut acknowledged, mut unknown, mut tried) = (0, 0, 0);
    for writer in writers {
        let (done, lost, n) = writer.await.unwrap();
        acknowledged += done.len();
        unknown += lost;
        tried += n;
        for id in done {
            assert!(
                app.get("T", &id).await.unwrap().is_some(),
                "{id} was acknowledged"
            );
        }
    }
    let there = app.count(&query("T"), <_>::default()).await.unwrap();
    assert!(there >= acknowledged as u64 && there <= (acknowledged + unknown) as u64);
    assert!(acknowledged > 0 && tried > 0);
    assert!(app.verify().await.unwrap().is_empty());
    // And it goes on as if nothing had happened.
    write(&*app, vec![create("T", "after", vec![])])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stands_still_frees_the_app() {
    let Some(place) = Place::new() else { return };
    let mut options = place.options();
    options.lock_time_max = Duration::from_millis(400);
    let store = place.node_with(options).await;
    let app = store.open_app(StoreId(1)).await.unwrap();
    write(&*app, ensure("T", &[("n", FieldType::Number)]))
        .await
        .unwrap();
    write(&*app, vec![create("T", "hot", vec![("n", Value::Int(0))])])
        .await
        .unwrap();
    // What a writer does first, with the limits that every writer sets, and then nothing more.
    let frozen = client(&place).await;
    let begin = format!(
        "SET idle_in_transaction_session_timeout = 400; BEGIN;
         UPDATE {}_app_1.basalt_state SET fence = fence + 1 WHERE one",
        place.prefix
    );
    frozen.batch_execute(&begin).await.unwrap();
    // It waits, loses patience, tries again, and gets it once the server ended the other session.
    write(&*app, vec![increment("T", "hot", "n")])
        .await
        .unwrap();
    assert!(frozen.batch_execute("COMMIT").await.is_err());
    let hot = app.get("T", "hot").await.unwrap().unwrap();
    assert_eq!(hot.get("n"), Some(&Value::Int(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_session_can_die_and_reads_go_on() {
    let Some(place) = Place::new() else { return };
    let store = place.node().await;
    let app = store.open_app(StoreId(1)).await.unwrap();
    write(&*app, ensure("T", &[("n", FieldType::Number)]))
        .await
        .unwrap();
    write(&*app, vec![create("T", "x", vec![("n", Value::Int(0))])])
        .await
        .unwrap();
    let killer = client(&place).await;
    for _ in 0..5 {
        let snapshot = app.snapshot().await.unwrap();
        assert!(terminate(&killer, &place).await > 0);
        // The snapshot is gone; everything else gets new connections.
        let lost = snapshot.get("T", "x").await;
        assert!(lost.is_err());
        assert!(app.get("T", "x").await.unwrap().is_some());
        assert_eq!(app.count(&query("T"), <_>::default()).await.unwrap(), 1);
        assert!(
            app.snapshot()
                .await
                .unwrap()
                .get("T", "x")
                .await
                .unwrap()
                .is_some()
        );
        assert_eq!(store.system().apps().await.unwrap().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_new_field_leaves_nothing_on_the_connection() {
    let Some(place) = Place::new() else { return };
    let store = place.node().await;
    let app = store.open_app(StoreId(1)).await.unwrap();
    let mut writes = ensure("T", &[]);
    writes.push(create("T", "x", vec![]));
    write(&*app, writes).await.unwrap();
    // Each refused batch gives its new column back, and the next one gets the same with another type.
    for ty in [FieldType::Number, FieldType::String, FieldType::Boolean] {
        let mut writes = ensure("T", &[("f", ty)]);
        writes.push(create("T", "x", vec![]));
        let error = write(&*app, writes).await.unwrap_err();
        assert_eq!(error.reason(), Reason::DuplicateValue, "{error:?}");
    }
}
