//! Indexes on large classes are built beside the writes, by one node at a time.

use crate::support::{Place, client, create, ensure, query, write};
use basalt_base::{Clock, SystemClock, Value};
use basalt_store::{
    AppStore, FieldRef, FieldType, IndexColumn, IndexDef, IndexKind, SchemaChange, Store, StoreId,
    Write,
};
use basalt_store_postgres::{Options, PostgresStore};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Client;

/// A node to which every class is large.
async fn node(place: &Place) -> (Arc<PostgresStore>, Arc<dyn AppStore>) {
    let options = Options {
        index_at_once_rows_max: 0,
        ..place.options()
    };
    let store = place.node_with(options).await;
    let app = store.open_app(StoreId(1)).await.unwrap();
    (store, app)
}

fn index(name: &str) -> Write {
    Write::Schema(SchemaChange::CreateIndex {
        collection: "T".into(),
        index: IndexDef {
            name: name.into(),
            kind: IndexKind::Ordered,
            columns: vec![IndexColumn {
                field: FieldRef::Named("n".into()),
                descending: false,
            }],
        },
    })
}

fn drop_index(name: &str) -> Write {
    Write::Schema(SchemaChange::DropIndex {
        collection: "T".into(),
        name: name.into(),
    })
}

async fn fill(app: &dyn AppStore) {
    write(app, ensure("T", &[("n", FieldType::Number)]))
        .await
        .unwrap();
    let objects = (0..200).map(|n| create("T", &format!("o{n}"), vec![("n", Value::Int(n))]));
    write(app, objects.collect()).await.unwrap();
}

/// Waits until a number of the database is as wished.
async fn until(client: &Client, what: &str, sql: &str, wish: i64) {
    let begun = SystemClock.monotonic();
    loop {
        let row = client.query_one(sql, &[]).await.unwrap();
        let now: i64 = row.get(0);
        if now == wish {
            return;
        }
        let waited = SystemClock.monotonic().since(begun);
        assert!(
            waited < Duration::from_secs(90),
            "{what}: {now}, not {wish}"
        );
        tokio::task::yield_now().await;
    }
}

fn ready(place: &Place) -> String {
    format!(
        "SELECT count(*) FROM {}_app_1.basalt_indexes i WHERE ready AND EXISTS (SELECT 1 FROM pg_index
         WHERE indexrelid = to_regclass('{}_app_1.i' || i.id) AND indisvalid)",
        place.prefix, place.prefix
    )
}

/// Sessions that build an index here.
fn building(place: &Place) -> String {
    format!(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%'
         AND strpos(query, '{}_app_1.') > 0 AND state = 'active'",
        place.prefix
    )
}

/// Reads from a moment on, which builds wait for.
async fn reader(place: &Place) -> Client {
    let reader = client(place).await;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1";
    reader.batch_execute(begin).await.unwrap();
    reader
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_while_an_index_is_built() {
    let Some(place) = Place::new() else { return };
    let ((_first, a), (_second, b)) = tokio::join!(node(&place), node(&place));
    fill(&*a).await;
    let (watch, reader) = (client(&place).await, reader(&place).await);
    write(&*a, vec![index("by_n")]).await.unwrap();
    write(&*b, vec![index("again")]).await.unwrap();
    until(&watch, "a build", &building(&place), 1).await;
    // While it stands still: objects, and changes of the table that no build may hold up.
    for (n, app) in [&a, &b, &a, &b].into_iter().enumerate() {
        write(
            &**app,
            vec![create("T", &format!("p{n}"), vec![("n", Value::Int(1))])],
        )
        .await
        .unwrap();
    }
    write(&*b, ensure("T", &[("more", FieldType::String)]))
        .await
        .unwrap();
    write(
        &*b,
        vec![create("T", "q", vec![("more", Value::from("m"))])],
    )
    .await
    .unwrap();
    write(&*a, vec![drop_index("again")]).await.unwrap();
    assert_eq!(a.count(&query("T"), <_>::default()).await.unwrap(), 205);
    assert!(
        a.verify().await.unwrap().is_empty(),
        "an unready index is no damage"
    );
    until(&watch, "one build, begun again", &building(&place), 1).await;
    reader.batch_execute("COMMIT").await.unwrap();
    until(&watch, "the index", &ready(&place), 1).await;
    until(&watch, "the end of the build", &building(&place), 0).await;
    assert!(b.verify().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_was_cut_is_begun_again_at_the_next_open() {
    let Some(place) = Place::new() else { return };
    let watch = client(&place).await;
    let reader = reader(&place).await;
    {
        let (_store, app) = node(&place).await;
        fill(&*app).await;
        write(&*app, vec![index("by_n")]).await.unwrap();
        until(&watch, "a build", &building(&place), 1).await;
    }
    // As when the node is gone: its session ends in the middle, and its lease runs out.
    let end = building(&place).replace("count(*)", "count(pg_terminate_backend(pid))");
    watch.query_one(&end, &[]).await.unwrap();
    until(&watch, "the end of the build", &building(&place), 0).await;
    let broken = format!(
        "SELECT count(*) FROM pg_index WHERE NOT indisvalid
         AND indrelid::regclass::text LIKE '{}\\_app\\_1.%'",
        place.prefix
    );
    until(&watch, "what it leaves", &broken, 1).await;
    let expire = format!("UPDATE {}_app_1.basalt_leases SET until = 0", place.prefix);
    watch.batch_execute(&expire).await.unwrap();
    reader.batch_execute("COMMIT").await.unwrap();
    let (_store, app) = node(&place).await;
    until(&watch, "the index", &ready(&place), 1).await;
    until(&watch, "what was left", &broken, 0).await;
    assert!(app.verify().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_can_not_be_built_holds_up_nothing() {
    let Some(place) = Place::new() else { return };
    let (_store, app) = node(&place).await;
    write(&*app, ensure("T", &[("n", FieldType::String)]))
        .await
        .unwrap();
    // Too long for a tree, and nothing that packs well.
    let numbers = (0..4_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_string());
    let text = numbers.collect::<Vec<_>>().concat();
    write(
        &*app,
        vec![create("T", "long", vec![("n", Value::from(text))])],
    )
    .await
    .unwrap();
    write(&*app, vec![index("by_n")]).await.unwrap();
    let watch = client(&place).await;
    let table = format!("'{}_app_1.%'", place.prefix.replace('_', "\\_"));
    let left = format!(
        "SELECT count(*) FROM pg_index WHERE NOT indisvalid AND indrelid::regclass::text LIKE {table}"
    );
    let tried = format!(
        "SELECT token FROM {}_app_1.basalt_leases WHERE name = 'indexes' AND holder IS NULL",
        place.prefix
    );
    let begun = SystemClock.monotonic();
    while watch.query(&tried, &[]).await.unwrap().is_empty() {
        assert!(SystemClock.monotonic().since(begun) < Duration::from_secs(90));
        tokio::task::yield_now().await;
    }
    until(&watch, "what it leaves", &left, 0).await;
    write(
        &*app,
        vec![create("T", "x", vec![("n", Value::from("short"))])],
    )
    .await
    .unwrap();
    write(&*app, vec![drop_index("by_n")]).await.unwrap();
    assert!(app.verify().await.unwrap().is_empty());
}
