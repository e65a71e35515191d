//! Aggregate pipelines.

use crate::support::*;
use basalt_base::{Map, Reason, Value};
use basalt_data::Rank;

fn map(pairs: Vec<(&str, Value)>) -> Value {
    Value::Map(
        pairs
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v))
            .collect::<Map>(),
    )
}

fn stage(name: &str, spec: Value) -> Value {
    map(vec![(name, spec)])
}

#[tokio::test]
async fn pipelines_run_over_the_objects() {
    let w = world().await;
    for (kind, n) in [("a", 1), ("b", 2), ("a", 3)] {
        w.put("N", vec![("kind", text(kind)), ("n", Value::Int(n))])
            .await;
    }
    let sum = map(vec![
        ("_id", text("$kind")),
        ("total", map(vec![("$sum", text("$n"))])),
    ]);
    let pipeline = Value::Array(vec![
        stage(
            "$match",
            map(vec![("n", map(vec![("$gt", Value::Int(0))]))]),
        ),
        stage("$group", sum),
        stage("$sort", map(vec![("total", Value::Int(-1))])),
    ]);
    let rows = w.data.aggregate(&master(), "N", &pipeline).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].get("total"), Some(&Value::Int(4)));
    assert!(
        w.data
            .aggregate(&master(), "Nope", &pipeline)
            .await
            .unwrap()
            .is_empty()
    );
    let got = why(w.data.aggregate(&user("u1"), "N", &pipeline).await);
    assert_eq!(got.0, Reason::MasterKeyRequired);
    let unknown = Value::Array(vec![stage("$nope", Value::Int(1))]);
    assert_eq!(
        why(w.data.aggregate(&master(), "N", &unknown).await).0,
        Reason::UnsupportedQuery
    );
}

#[tokio::test]
async fn secrets_stay_out_of_pipelines() {
    let w = world().await;
    let user = new(
        "_User",
        vec![("username", text("u")), ("_hashed_password", text("$2b"))],
    );
    w.data
        .create(&ranked(Rank::Maintenance), user)
        .await
        .unwrap();
    let everything = Value::Array(vec![]);
    let rows = w
        .data
        .aggregate(&master(), "_User", &everything)
        .await
        .unwrap();
    assert!(rows[0].get("_hashed_password").is_none());
    let copied = map(vec![("x", text("$_hashed_password"))]);
    let projected = Value::Array(vec![stage("$project", copied)]);
    let rows = w
        .data
        .aggregate(&master(), "_User", &projected)
        .await
        .unwrap();
    assert!(!format!("{rows:?}").contains("$2b"));
    let guess = map(vec![(
        "_hashed_password",
        map(vec![("$regex", text("^.2"))]),
    )]);
    let guess = Value::Array(vec![stage("$match", guess)]);
    assert!(w.data.aggregate(&master(), "_User", &guess).await.is_err());
}

#[tokio::test]
async fn a_pipeline_that_needs_too_much_memory_is_stopped() {
    let w = world_with(|o| o.limits.aggregate_bytes_max = 1_000).await;
    for _ in 0..20 {
        w.put("N", vec![("t", Value::String("x".repeat(100)))])
            .await;
    }
    let got = why(w
        .data
        .aggregate(&master(), "N", &Value::Array(vec![]))
        .await);
    assert_eq!(got.0, Reason::QueryTooComplex);
}
