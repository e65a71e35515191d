//! Several steps at once.

use crate::support::*;
use basalt_base::{Reason, Value};
use basalt_data::{BatchStep, BatchStepDone, FieldChange, SchemaChangeRequest};
use basalt_store::{FieldRef, FieldType, IndexColumn, IndexDef, IndexKind, Op};

fn created(done: &BatchStepDone) -> &str {
    match done {
        BatchStepDone::Created(created) => &created.record.id,
        _ => panic!("not a create"),
    }
}

#[tokio::test]
async fn steps_of_a_batch_stand_alone() {
    let w = world().await;
    let id = w.put("Post", vec![("n", Value::Int(1))]).await;
    let add = || {
        BatchStep::Update(change(
            "Post",
            &id,
            vec![op("n", Op::Increment(Value::Int(1)))],
        ))
    };
    let steps = vec![
        BatchStep::Create(new("Post", vec![("n", Value::Int(5))])),
        add(),
        BatchStep::Create(new("Post", vec![("n", text("wrong"))])),
        add(),
        BatchStep::Delete(gone("Post", &id)),
        add(),
    ];
    let before = w.store.position().0;
    let done = w.data.batch(&anyone(), steps).await.unwrap();
    let ok: Vec<bool> = done.iter().map(Result::is_ok).collect();
    assert_eq!(ok, [true, true, false, true, true, false]);
    assert_eq!(w.store.position().0, before + 4);
    let Ok(BatchStepDone::Updated(third)) = &done[3] else {
        panic!("an update");
    };
    assert_eq!(third.record.get("n"), Some(&Value::Int(3)));
    let reasons: Vec<_> = done
        .into_iter()
        .filter_map(Result::err)
        .map(|e| e.reason())
        .collect();
    assert_eq!(reasons, [Reason::SchemaMismatch, Reason::ObjectNotFound]);
}

#[tokio::test]
async fn a_batch_is_limited() {
    let w = world().await;
    let steps: Vec<_> = (0..51)
        .map(|_| BatchStep::Create(new("P", vec![])))
        .collect();
    assert!(w.data.batch(&anyone(), steps[..50].to_vec()).await.is_ok());
    assert_eq!(
        why(w.data.batch(&anyone(), steps.clone()).await).0,
        Reason::InvalidQuery
    );
    assert!(w.data.transaction(&anyone(), steps).await.is_err());
}

#[tokio::test]
async fn a_transaction_happens_whole_or_not_at_all() {
    let w = world().await;
    let id = w.put("Post", vec![("n", Value::Int(1))]).await;
    let good = || {
        vec![
            BatchStep::Create(new("New", vec![("x", Value::Int(1))])),
            BatchStep::Update(change(
                "Post",
                &id,
                vec![op("n", Op::Increment(Value::Int(1)))],
            )),
        ]
    };
    let mut bad = good();
    bad.push(BatchStep::Delete(gone("Post", "nope")));
    let before = w.store.position();
    assert_eq!(
        why(w.data.transaction(&anyone(), bad).await).0,
        Reason::ObjectNotFound
    );
    assert_eq!(w.store.position(), before);
    assert!(w.store.catalogue().collection("New").is_none());
    let done = w.data.transaction(&anyone(), good()).await.unwrap();
    let new = created(&done[0]).to_owned();
    assert!(w.read(&anyone(), "New", &new).await.is_ok());
    assert_eq!(
        w.read(&anyone(), "Post", &id).await.unwrap().get("n"),
        Some(&Value::Int(2))
    );
    assert!(
        w.data
            .transaction(&anyone(), vec![])
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn later_steps_of_a_transaction_see_earlier_ones() {
    let w = world_with(|o| o.allow_custom_ids = true).await;
    let create = basalt_data::Create {
        id: Some("a".to_owned()),
        ..new("Post", vec![("n", Value::Int(1))])
    };
    w.put("Post", vec![]).await;
    let steps = vec![
        BatchStep::Create(create),
        BatchStep::Update(change(
            "Post",
            "a",
            vec![op("n", Op::Increment(Value::Int(1)))],
        )),
        BatchStep::Update(change(
            "Post",
            "a",
            vec![FieldChange::set("m", Value::Int(1))],
        )),
    ];
    w.data.transaction(&anyone(), steps).await.unwrap();
    let read = w.read(&anyone(), "Post", "a").await.unwrap();
    assert_eq!(
        (read.get("n"), read.get("m")),
        (Some(&Value::Int(2)), Some(&Value::Int(1)))
    );
}

#[tokio::test]
async fn unique_values_stay_unique_under_a_race() {
    let w = world().await;
    let request = SchemaChangeRequest {
        indexes: vec![basalt_data::IndexChange::Add(IndexDef {
            name: "one".into(),
            kind: IndexKind::Unique,
            columns: vec![IndexColumn {
                field: FieldRef::Named("name".into()),
                descending: false,
            }],
        })],
        ..schema("Name", vec![("name", FieldType::String)])
    };
    w.data.create_schema(&master(), request).await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..50 {
        let data = w.data.clone();
        tasks.push(tokio::spawn(async move {
            data.create(&anyone(), new("Name", vec![("name", text("x"))]))
                .await
        }));
    }
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => made += 1,
            Err(e) => {
                let message = "A duplicate value for a field with unique values was provided";
                assert_eq!((e.reason(), e.message()), (Reason::DuplicateValue, message));
            }
        }
    }
    assert_eq!(made, 1);
}

#[tokio::test]
async fn increments_of_one_object_are_exact() {
    let w = world().await;
    let id = w.put("Counter", vec![("n", Value::Int(0))]).await;
    let mut tasks = Vec::new();
    for _ in 0..100 {
        let (data, id) = (w.data.clone(), id.clone());
        tasks.push(tokio::spawn(async move {
            let add = change("Counter", &id, vec![op("n", Op::Increment(Value::Int(1)))]);
            data.update(&anyone(), add).await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(
        w.read(&anyone(), "Counter", &id).await.unwrap().get("n"),
        Some(&Value::Int(100))
    );
}
