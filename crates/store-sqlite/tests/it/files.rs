//! The data directory: locks, versions, closing and opening again.

use crate::support::*;
use basalt_base::Reason;
use basalt_store::{AppStore, FieldType, Query, Store, StoreId, WriteBatch};
use basalt_store_sqlite::{Options, SqliteStore};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// Hands writes in and goes away.
async fn hand_in(app: &dyn AppStore, batches: Vec<WriteBatch>) {
    let mut writing = app.write(batches);
    let handed_in = poll_fn(|cx| Poll::Ready(writing.as_mut().poll(cx).is_pending())).await;
    assert!(handed_in, "the writer is held up");
}

#[tokio::test]
async fn what_was_written_is_there_after_closing_and_opening_again() {
    let place = place();
    let first = app(&place.store).await;
    let mut writes = ensure("Post", &[("s", FieldType::String)]);
    writes.push(create("Post", "one", vec![("s", "x".into())]));
    write(&*first, writes).await.unwrap();
    drop(first);
    let again = app(&place.store).await;
    assert!(again.get("Post", "one").await.unwrap().is_some());
    assert_eq!(again.position().0, 1);
    drop(again);

    let Place { store, dir } = place;
    drop(store);
    let store = SqliteStore::open(dir.path(), Options::default()).unwrap();
    let third = app(&store).await;
    let record = third.get("Post", "one").await.unwrap().unwrap();
    assert_eq!(record.get("s"), Some(&"x".into()));
    assert!(third.verify().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_second_server_is_refused() {
    let place = place();
    let second = SqliteStore::open(place.dir.path(), Options::default());
    assert_eq!(second.err().unwrap().reason(), Reason::StoreLocked);
}

#[tokio::test]
async fn a_file_of_a_newer_server_is_refused() {
    let place = place();
    drop(app(&place.store).await);
    let file = place.dir.path().join("apps/1/data.db");
    let conn = rusqlite::Connection::open(file).unwrap();
    conn.pragma_update(None, "user_version", 1_000).unwrap();
    drop(conn);
    let refused = place.store.open_app(StoreId(1)).await;
    assert_eq!(refused.err().unwrap().reason(), Reason::StoreVersion);
}

#[tokio::test]
async fn a_deleted_app_starts_empty_and_an_open_one_is_kept() {
    let place = place();
    let open = app(&place.store).await;
    write(&*open, ensure("Post", &[])).await.unwrap();
    let refused = place.store.delete_app(StoreId(1)).await;
    assert_eq!(refused.err().unwrap().reason(), Reason::StoreUnavailable);
    drop(open);
    place.store.delete_app(StoreId(1)).await.unwrap();
    let fresh = app(&place.store).await;
    assert!(fresh.catalogue().collections.is_empty());
}

#[tokio::test]
async fn an_app_that_closes_holds_up_who_opens_it_and_nobody_else() {
    let place = place();
    let first = app(&place.store).await;
    write(&*first, ensure("T", &[])).await.unwrap();
    let file = place.dir.path().join("apps/1/data.db");
    let other = rusqlite::Connection::open(file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    hand_in(
        &*first,
        vec![WriteBatch::of(vec![create("T", "a", vec![])])],
    )
    .await;
    // The writer waits for the other one. Dropping waits for neither.
    drop(first);
    let mut again = Box::pin(app(&place.store));
    let waits = poll_fn(|cx| Poll::Ready(again.as_mut().poll(cx).is_pending())).await;
    assert!(waits);
    place.store.open_app(StoreId(2)).await.unwrap();
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    let again = again.await;
    assert!(again.get("T", "a").await.unwrap().is_some());
    assert!(again.verify().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_never_has_two_writers() {
    let place = place();
    let mut open = app(&place.store).await;
    write(&*open, ensure("T", &[])).await.unwrap();
    for round in 0..20 {
        let batches = (0..50).map(|n| {
            let id = format!("{round}-{n}");
            WriteBatch::of(vec![create("T", &id, vec![])])
        });
        hand_in(&*open, batches.collect()).await;
        let gone = Arc::downgrade(&open);
        let closed = std::thread::spawn(move || drop(open));
        while gone.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
        open = app(&place.store).await;
        let count = open.count(&Query::all("T"), <_>::default()).await;
        assert_eq!(count.unwrap(), 50 * (round + 1));
        closed.join().unwrap();
    }
    let dir = place.dir;
    // The last one out closes the directory, whichever that is.
    drop(open);
    drop(place.store);
    let store = SqliteStore::open(dir.path(), Options::default()).unwrap();
    let open = app(&store).await;
    drop(store);
    drop(open);
    SqliteStore::open(dir.path(), Options::default()).unwrap();
}
