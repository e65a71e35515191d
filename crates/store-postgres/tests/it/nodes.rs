//! Several nodes on one database.

use crate::support::{Place, create, ensure, increment, query, write};
use basalt_base::{Reason, Value};
use basalt_store::{
    AppStore, FieldRef, FieldType, IndexColumn, IndexDef, IndexKind, Position, SchemaChange, Store,
    StoreId, Write,
};
use std::collections::HashSet;
use std::sync::Arc;

async fn two(place: &Place) -> (Arc<dyn AppStore>, Arc<dyn AppStore>) {
    let (a, b) = tokio::join!(place.node(), place.node());
    // Both make the tables at the same moment.
    let (a, b) = tokio::join!(a.open_app(StoreId(1)), b.open_app(StoreId(1)));
    (a.unwrap(), b.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_makes_is_right_on_the_other_at_once() {
    let Some(place) = Place::new() else { return };
    let (a, b) = two(&place).await;
    for n in 0..20_i64 {
        let class = format!("C{n}");
        let field = format!("f{n}");
        let mut writes = ensure(&class, &[(&field, FieldType::Number)]);
        writes.push(create(&class, "x", vec![(&field, Value::Int(n))]));
        write(&*a, writes).await.unwrap();
        // A new class, read by id, by query and counted on a node that never heard of it.
        let read = b.get(&class, "x").await.unwrap().unwrap();
        assert_eq!(read.get(&field), Some(&Value::Int(n)));
        // A new field, written by the other one.
        let more = ensure(&class, &[("more", FieldType::String)]);
        write(&*b, more).await.unwrap();
        let wanted = vec![("more", Value::from("m"))];
        write(&*b, vec![create(&class, "y", wanted)]).await.unwrap();
        let found = a.find(&query(&class), <_>::default()).await.unwrap();
        assert_eq!(found.records.len(), 2);
        assert_eq!(found.records[1].get("more"), Some(&Value::from("m")));
        assert_eq!(b.count(&query(&class), <_>::default()).await.unwrap(), 2);
        // A dropped class is gone, and nothing comes back under its name.
        let gone = SchemaChange::DropCollection {
            name: class.as_str().into(),
            only_if_empty: false,
        };
        write(&*a, vec![Write::Schema(gone)]).await.unwrap();
        assert!(b.get(&class, "x").await.unwrap().is_none());
    }
    assert_eq!(b.refresh().await.unwrap(), a.refresh().await.unwrap());
    assert!(b.verify().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schema_changes_that_race_agree() {
    let Some(place) = Place::new() else { return };
    let (a, b) = two(&place).await;
    let mut tasks = Vec::new();
    for n in 0..40 {
        let app = if n % 2 == 0 { a.clone() } else { b.clone() };
        tasks.push(tokio::spawn(async move {
            let field = format!("f{}", n / 2);
            let mut writes = ensure("T", &[(&field, FieldType::Number)]);
            writes.push(create("T", &format!("o{n}"), vec![(&field, Value::Int(n))]));
            write(&*app, writes).await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let (seen, other) = (a.refresh().await.unwrap(), b.refresh().await.unwrap());
    assert_eq!(seen, other);
    let fields = |app: &Arc<dyn AppStore>| app.catalogue().collection("T").unwrap().fields.len();
    assert_eq!((fields(&a), fields(&b)), (20, 20));
    assert_eq!(a.count(&query("T"), <_>::default()).await.unwrap(), 40);
    assert!(a.verify().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_are_exact_and_positions_dense() {
    let Some(place) = Place::new() else { return };
    let (a, b) = two(&place).await;
    write(&*a, ensure("T", &[("n", FieldType::Number)]))
        .await
        .unwrap();
    write(&*a, vec![create("T", "hot", vec![("n", Value::Int(0))])])
        .await
        .unwrap();
    let start = a.refresh().await.unwrap();
    let mut tasks = Vec::new();
    for n in 0..40 {
        let app = if n % 2 == 0 { a.clone() } else { b.clone() };
        tasks.push(tokio::spawn(async move {
            for _ in 0..25 {
                write(&*app, vec![increment("T", "hot", "n")])
                    .await
                    .unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let hot = b.get("T", "hot").await.unwrap().unwrap();
    assert_eq!(hot.get("n"), Some(&Value::Int(1_000)));
    let changes = a.changes(start, 10_000).await.unwrap().unwrap();
    let positions: Vec<u64> = changes.iter().map(|c| c.position.0).collect();
    assert_eq!(
        positions,
        (start.0 + 1..=start.0 + 1_000).collect::<Vec<_>>()
    );
    let values = changes
        .iter()
        .map(|c| c.after.as_ref().unwrap().get("n").cloned());
    assert!(values.eq((1..=1_000).map(|n| Some(Value::Int(n)))));
    assert_eq!(b.refresh().await.unwrap(), Position(start.0 + 1_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unique_stays_unique() {
    let Some(place) = Place::new() else { return };
    let (a, b) = two(&place).await;
    let mut writes = ensure("U", &[("name", FieldType::String)]);
    writes.push(Write::Schema(SchemaChange::CreateIndex {
        collection: "U".into(),
        index: IndexDef {
            name: "by_name".into(),
            kind: IndexKind::Unique,
            columns: vec![IndexColumn {
                field: FieldRef::Named("name".into()),
                descending: false,
            }],
        },
    }));
    write(&*a, writes).await.unwrap();
    let mut tasks = Vec::new();
    for n in 0..60 {
        let app = if n % 2 == 0 { a.clone() } else { b.clone() };
        tasks.push(tokio::spawn(async move {
            let name = format!("name{}", n % 10);
            let made = create("U", &format!("u{n}"), vec![("name", Value::from(name))]);
            write(&*app, vec![made]).await
        }));
    }
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert_eq!(error.reason(), Reason::DuplicateValue),
        }
    }
    assert_eq!(made, 10);
    let found = b.find(&query("U"), <_>::default()).await.unwrap();
    let names: HashSet<_> = found
        .records
        .iter()
        .map(|r| format!("{:?}", r.get("name")))
        .collect();
    assert_eq!((found.records.len(), names.len()), (10, 10));
}
