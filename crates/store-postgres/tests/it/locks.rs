//! Schema changes while somebody else reads a class for long, as `pg_dump` does.

use crate::support::{Place, create, ensure, query, write};
use basalt_base::{Reason, Value};
use basalt_store::{FieldDef, FieldType, SchemaChange, Store, StoreId, Write, WriteBatch};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

fn field(collection: &str, name: &str) -> WriteBatch {
    WriteBatch::of(vec![Write::Schema(SchemaChange::EnsureField {
        collection: collection.into(),
        field: FieldDef::new(name, FieldType::Number),
    })])
}

fn object(collection: &str, id: &str) -> WriteBatch {
    WriteBatch::of(vec![create(collection, id, vec![("n", Value::Int(1))])])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_read_costs_schema_changes_of_its_class_and_nothing_else() {
    let Some(place) = Place::new() else { return };
    let store = place.node().await;
    let app = store.open_app(StoreId(1)).await.unwrap();
    for class in ["T", "U"] {
        write(&*app, ensure(class, &[("n", FieldType::Number)]))
            .await
            .unwrap();
    }
    let (dump, connection) = tokio_postgres::connect(&place.url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let table = format!("{}_app_1.\"T\"", place.prefix);
    let read = format!("BEGIN; SELECT count(*) FROM {table}");
    dump.batch_execute(&read).await.unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let reader = {
        let (app, stop) = (app.clone(), stop.clone());
        tokio::spawn(async move {
            while !stop.load(SeqCst) {
                app.count(&query("T"), <_>::default()).await.unwrap();
            }
        })
    };
    let batches = vec![
        field("T", "a"),
        object("T", "x"),
        field("U", "b"),
        field("T", "c"),
        object("U", "y"),
    ];
    let answers = app.write(batches).await.unwrap();
    let done: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(done, [false, true, true, false, true], "{answers:?}");
    for error in answers.into_iter().filter_map(Result::err) {
        assert_eq!(error.reason(), Reason::StoreUnavailable, "{error:?}");
        assert!(error.retry_after().is_some());
    }
    // One more, in a group of its own.
    let again = app.write(vec![field("T", "a")]).await.unwrap();
    assert_eq!(
        again[0].as_ref().unwrap_err().reason(),
        Reason::StoreUnavailable
    );
    stop.store(true, SeqCst);
    reader.await.unwrap();

    dump.batch_execute("COMMIT").await.unwrap();
    for answer in app
        .write(vec![field("T", "a"), field("T", "c")])
        .await
        .unwrap()
    {
        answer.unwrap();
    }
    let class = app.catalogue().collection("T").unwrap().clone();
    let names: Vec<&str> = class.fields.iter().map(|f| &*f.def.name).collect();
    assert_eq!(names, ["n", "a", "c"]);
    assert!(app.verify().await.unwrap().is_empty());
}
