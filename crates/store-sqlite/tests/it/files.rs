//! The data directory: locks, versions, closing and opening again.

use crate::support::*;
use basalt_base::Reason;
use basalt_store::{FieldType, Store, StoreId};
use basalt_store_sqlite::{Options, SqliteStore};

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
