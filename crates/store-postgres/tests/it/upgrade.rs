//! Nodes of two versions on one database, as while a cluster is upgraded.

use crate::support::{Place, client, create, ensure, increment, query, write};
use basalt_base::{AppId, Map, Reason, Timestamp, Value};
use basalt_store::{
    AppRow, AppStore, FieldRef, FieldType, IndexColumn, IndexDef, IndexKind, SchemaChange, Store,
    StoreId, Write,
};
use basalt_store_postgres::PostgresStore;
use std::time::Duration;
use tokio_postgres::Client;

/// What the next version may do to the tables beside this one: each has a column more, and there is
/// a table that nobody here knows.
async fn expand(client: &Client, schema: &str) {
    let work = format!(
        "DO $$ DECLARE t record; BEGIN
             FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = '{schema}' LOOP
                 EXECUTE format('ALTER TABLE {schema}.%I ADD COLUMN later INT NOT NULL DEFAULT 1',
                     t.tablename);
             END LOOP;
         END $$;
         CREATE TABLE {schema}.basalt_later (id BIGINT PRIMARY KEY);
         UPDATE {schema}.basalt_format SET version = version + 1"
    );
    client.batch_execute(&work).await.unwrap();
}

/// Something of each kind of change.
async fn work(app: &dyn AppStore, class: &str) {
    let fields = ensure(class, &[("n", FieldType::Number)]);
    write(app, fields).await.unwrap();
    let index = SchemaChange::CreateIndex {
        collection: class.into(),
        index: IndexDef {
            name: "by_n".into(),
            kind: IndexKind::Unique,
            columns: vec![IndexColumn {
                field: FieldRef::Named("n".into()),
                descending: true,
            }],
        },
    };
    write(app, vec![Write::Schema(index)]).await.unwrap();
    let object = |id: &str, n: i64| vec![create(class, id, vec![("n", Value::Int(n))])];
    write(app, object("a", 1)).await.unwrap();
    write(app, vec![increment(class, "a", "n")]).await.unwrap();
    let again = write(app, object("b", 2)).await;
    assert_eq!(again.unwrap_err().reason(), Reason::DuplicateValue);
    let drop = SchemaChange::DropField {
        collection: class.into(),
        name: "n".into(),
    };
    write(app, vec![Write::Schema(drop)]).await.unwrap();
    assert_eq!(app.count(&query(class), <_>::default()).await.unwrap(), 1);
    let minute = Duration::from_mins(1);
    let lease = app.leases().acquire("work", "a", minute).await;
    let lease = lease.unwrap().unwrap();
    assert!(app.leases().renew(&lease, minute).await.unwrap());
    app.leases().release(&lease).await.unwrap();
    assert!(app.verify().await.unwrap().is_empty());
}

async fn make(store: &PostgresStore, id: &str) -> AppRow {
    let (app, at) = (AppId::new(id), Timestamp::from_millis(1));
    let made = store.system().create_app(&app, id, Map::new(), at);
    made.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_works_beside_the_next_version() {
    let Some(place) = Place::new() else { return };
    let before = place.node().await;
    let row = make(&before, "one").await;
    let old = before.open_app(row.store_id).await.unwrap();
    work(&*old, "Before").await;
    let client = client(&place).await;
    let app = format!("{}_app_{}", place.prefix, row.store_id.0);
    for schema in [&place.prefix, &app] {
        expand(&client, schema).await;
    }
    // The one that was open goes on, and one of the same version starts.
    work(&*old, "Open").await;
    let after = place.node().await;
    let new = after.open_app(row.store_id).await.unwrap();
    work(&*new, "Started").await;
    work(&*old, "Beside").await;
    let second = make(&after, "two").await;
    let second = after.open_app(second.store_id).await.unwrap();
    work(&*second, "New").await;
    new.clear().await.unwrap();
    work(&*old, "Cleared").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_too_old_is_told_so() {
    let Some(place) = Place::new() else { return };
    let store = place.node().await;
    store.open_app(StoreId(1)).await.unwrap();
    let client = client(&place).await;
    let newer = "UPDATE @.basalt_format SET version = version + 1, compatible = version + 1";
    // As programs left it that knew no such marker.
    let bare = "ALTER TABLE @.basalt_format DROP COLUMN compatible";
    let app = format!("{}_app_1", place.prefix);
    for change in [newer, bare] {
        let change = change.replace('@', &app);
        client.batch_execute(&change).await.unwrap();
        let fresh = place.node().await;
        let error = fresh.open_app(StoreId(1)).await.err().unwrap();
        assert_eq!(error.reason(), Reason::StoreVersion);
        assert!(error.message().contains("upgrade it"), "{error}");
    }
    let change = newer.replace('@', &place.prefix);
    client.batch_execute(&change).await.unwrap();
    let opened = PostgresStore::open(&place.url, place.options()).await;
    assert_eq!(opened.err().unwrap().reason(), Reason::StoreVersion);
}
