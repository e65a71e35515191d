//! Commits that wait for a standby that is not there. Each of them is in the tables afterwards, but a
//! failover would lose it: none may be answered as done.

use crate::support::{Place, create, write};
use basalt_base::Reason;
use basalt_store::{AppStore, Store, StoreId};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Client;

async fn client(place: &Place) -> Client {
    let (client, connection) = tokio_postgres::connect(&place.url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

/// Waits until a commit of this place waits, and does that to its session.
async fn once_waiting(client: &Client, place: &Place, function: &str) {
    // Whose session it is shows in the tables that it holds.
    let sql = format!(
        "SELECT count({function}(pid)) FROM pg_stat_activity AS a
         WHERE application_name = 'basalt' AND wait_event = 'SyncRep' AND EXISTS (
             SELECT 1 FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
             WHERE l.pid = a.pid AND c.relnamespace::regnamespace::text IN ('{0}', '{0}_app_1'))",
        place.prefix
    );
    let wanted = async {
        while client.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_mins(1), wanted).await;
    assert!(waited.is_ok(), "nothing waits for the standby");
}

/// A class that is there: without the wait, since nobody waits for what makes it.
async fn app(
    place: &Place,
    store: &Arc<basalt_store_postgres::PostgresStore>,
) -> Arc<dyn AppStore> {
    let app = store.open_app(StoreId(1)).await.unwrap();
    let other = client(place).await;
    let made = {
        let app = app.clone();
        tokio::spawn(async move { write(&*app, crate::support::ensure("T", &[])).await })
    };
    once_waiting(&other, place, "pg_cancel_backend").await;
    assert_eq!(
        made.await.unwrap().unwrap_err().reason(),
        Reason::OutcomeUnknown
    );
    app.refresh().await.unwrap();
    app
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_no_standby_has_is_no_success() {
    let Some(place) = Place::waiting() else {
        return;
    };
    let store = place.node().await;
    let app = app(&place, &store).await;
    let other = client(&place).await;
    for (id, function) in [
        ("cancelled", "pg_cancel_backend"),
        ("ended", "pg_terminate_backend"),
    ] {
        let writing = {
            let app = app.clone();
            tokio::spawn(async move { write(&*app, vec![create("T", id, vec![])]).await })
        };
        once_waiting(&other, &place, function).await;
        let error = writing.await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Reason::OutcomeUnknown, "{id}: {error:?}");
        assert!(app.get("T", id).await.unwrap().is_some(), "{id}");
    }
    assert!(app.verify().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_no_standby_has_is_not_taken() {
    let Some(place) = Place::waiting() else {
        return;
    };
    let store = place.node().await;
    let other = client(&place).await;
    let taking = tokio::spawn(async move {
        let leases = store.system().leases();
        leases.acquire("x", "me", Duration::from_mins(1)).await
    });
    once_waiting(&other, &place, "pg_cancel_backend").await;
    let error = taking.await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Reason::OutcomeUnknown, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_does_not_wait_for_ever() {
    let Some(place) = Place::waiting() else {
        return;
    };
    let options = basalt_store_postgres::Options {
        commit_time_max: Duration::from_millis(300),
        ..place.options()
    };
    let store = place.node_with(options).await;
    let app = store.open_app(StoreId(1)).await.unwrap();
    let made = write(&*app, crate::support::ensure("T", &[])).await;
    assert_eq!(made.unwrap_err().reason(), Reason::OutcomeUnknown);
    // The session is told to give up, so that the app is free for the next one.
    for id in ["x", "y"] {
        let made = write(&*app, vec![create("T", id, vec![])]).await;
        assert_eq!(made.unwrap_err().reason(), Reason::OutcomeUnknown);
    }
    assert!(app.get("T", "x").await.unwrap().is_some());
}
