//! Unique indexes.

use super::Harness;
use super::fixture::*;
use crate::{
    DuplicateKey, FieldType, Filter, IndexKind, Op, SchemaChange, Test, Write, WriteBatch,
};
use basalt_base::{Error, Reason, Value};
use std::sync::Arc;

const UNIQUE: IndexKind = IndexKind::Unique;

async fn users(h: &dyn Harness) -> Fixture {
    let f = Fixture::open(h).await;
    let types = [
        ("name", FieldType::String),
        ("n", FieldType::Number),
        ("r", FieldType::Reference("T".into())),
    ];
    f.define("T", &types).await;
    f.change(create_index("T", "by_name", UNIQUE, &["name"]))
        .await
        .unwrap();
    f
}

fn names_the_index(error: &Error, index: &str) {
    let key = DuplicateKey::of(error).expect("the error names the index");
    assert_eq!((&*key.collection, &*key.index), ("T", index));
}

pub async fn a_taken_value_is_refused(h: &dyn Harness) {
    let f = users(h).await;
    f.create("T", "a", r#"{"name":"x"}"#).await;
    let again = f
        .write(create("T", "b", fields(r#"{"name":"x","n":1}"#)))
        .await;
    names_the_index(&refused!(again, DuplicateValue), "by_name");
    assert!(f.get("T", "b").await.is_none());
    f.create("T", "b", r#"{"name":"y"}"#).await;
    let id_taken = f.write(create("T", "b", fields(r#"{"name":"z"}"#))).await;
    assert!(DuplicateKey::of(&refused!(id_taken, DuplicateValue)).is_none());
    assert!(f.app.has_index("T", &crate::FieldRef::Named("name".into())));
    assert!(!f.app.has_index("T", &crate::FieldRef::Named("n".into())));
    assert!(f.app.has_index("T", &crate::FieldRef::Id));
}

pub async fn missing_values_dont_count(h: &dyn Harness) {
    let f = users(h).await;
    for id in ["a", "b"] {
        f.create("T", id, "{}").await;
    }
    for id in ["c", "d"] {
        f.create("T", id, r#"{"name":null}"#).await;
    }
    f.create("T", "e", r#"{"name":""}"#).await;
    let again = f.write(create("T", "f", fields(r#"{"name":""}"#))).await;
    refused!(again, DuplicateValue);
}

pub async fn values_can_be_freed_and_reused(h: &dyn Harness) {
    let f = users(h).await;
    f.create("T", "a", r#"{"name":"x"}"#).await;
    f.update("T", "a", vec![("name", Op::Set(v("\"x\"")))])
        .await
        .unwrap();
    f.update("T", "a", vec![("name", Op::Unset)]).await.unwrap();
    f.create("T", "b", r#"{"name":"x"}"#).await;
    f.write(delete("T", "b")).await.unwrap();
    f.create("T", "c", r#"{"name":"x"}"#).await;
    let swap = vec![
        update("T", "c", vec![("name", Op::Set(v("\"y\"")))]),
        update("T", "a", vec![("name", Op::Set(v("\"x\"")))]),
        delete("T", "c"),
        create("T", "d", fields(r#"{"name":"y"}"#)),
    ];
    f.batch(swap).await.unwrap();
    assert_eq!(
        f.matching("T", Filter::test("name", Test::Eq(v("\"x\""))))
            .await,
        "a"
    );
}

pub async fn several_columns(h: &dyn Harness) {
    let f = users(h).await;
    f.change(create_index("T", "pair", UNIQUE, &["n", "r"]))
        .await
        .unwrap();
    let row = |n: &str, r: &str| fields(&format!(r#"{{"n":{n},"r":{{"$r":["T","{r}"]}}}}"#));
    f.write(create("T", "a", row("1", "x"))).await.unwrap();
    f.write(create("T", "b", row("1", "y"))).await.unwrap();
    f.write(create("T", "c", row("2", "x"))).await.unwrap();
    let error = refused!(
        f.write(create("T", "d", row("1", "x"))).await,
        DuplicateValue
    );
    names_the_index(&error, "pair");
    f.create("T", "e", r#"{"n":1}"#).await;
    f.create("T", "f", r#"{"n":1}"#).await;
}

pub async fn races_have_one_winner(h: &dyn Harness) {
    let f = users(h).await;
    for round in 0..5 {
        let calls = (0..20).map(|n| {
            let id = format!("{round}-{n}");
            let json = format!(r#"{{"name":"x{round}","n":{n}}}"#);
            vec![create("T", &id, fields(&json))]
        });
        let answers = f.race(calls.collect()).await;
        let won = answers.iter().filter(|a| a.is_ok()).count();
        assert_eq!(won, 1, "one of the racing creates wins");
        for error in answers.into_iter().filter_map(Result::err) {
            assert_eq!(error.reason(), Reason::DuplicateValue);
        }
    }
    assert_eq!(f.find(&crate::Query::all("T")).await.len(), 5);
}

pub async fn existing_duplicates_refuse_the_index(h: &dyn Harness) {
    let f = users(h).await;
    for id in ["a", "b", "c"] {
        f.create("T", id, r#"{"n":1}"#).await;
    }
    refused!(
        f.change(create_index("T", "by_n", UNIQUE, &["n"])).await,
        DuplicateValue
    );
    assert_eq!(f.collection("T").indexes.len(), 1);
    f.create("T", "d", r#"{"n":1}"#).await;
    for (id, n) in [("a", 2), ("b", 3), ("c", 4)] {
        f.update("T", id, vec![("n", Op::Set(Value::Int(n)))])
            .await
            .unwrap();
    }
    f.change(create_index("T", "by_n", UNIQUE, &["n"]))
        .await
        .unwrap();
    refused!(
        f.write(create("T", "e", fields(r#"{"n":1}"#))).await,
        DuplicateValue
    );
}

pub async fn updates_are_checked_too(h: &dyn Harness) {
    let f = users(h).await;
    f.change(create_index("T", "by_n", UNIQUE, &["n"]))
        .await
        .unwrap();
    f.create("T", "a", r#"{"name":"x","n":1}"#).await;
    f.create("T", "b", r#"{"name":"y","n":2}"#).await;
    let set = vec![("name", Op::Set(v("\"x\"")))];
    names_the_index(
        &refused!(f.update("T", "b", set).await, DuplicateValue),
        "by_name",
    );
    let up = vec![("n", Op::Increment(v("1")))];
    names_the_index(
        &refused!(f.update("T", "a", up).await, DuplicateValue),
        "by_n",
    );
    assert_eq!(f.value("T", "a", "n").await, Some(v("1")));
    assert_eq!(f.value("T", "b", "name").await, Some(v("\"y\"")));
}

pub async fn references_and_numbers(h: &dyn Harness) {
    let f = users(h).await;
    f.change(create_index("T", "by_n", UNIQUE, &["n"]))
        .await
        .unwrap();
    f.change(create_index("T", "by_r", UNIQUE, &["r"]))
        .await
        .unwrap();
    f.create("T", "a", r#"{"n":9007199254740992}"#).await;
    f.create("T", "b", r#"{"n":9007199254740993}"#).await;
    let again = f
        .write(create("T", "c", fields(r#"{"n":9007199254740992.0}"#)))
        .await;
    refused!(again, DuplicateValue);
    f.create("T", "d", r#"{"r":{"$r":["T","a"]}}"#).await;
    let again = f
        .write(create("T", "e", fields(r#"{"r":{"$r":["T","a"]}}"#)))
        .await;
    refused!(again, DuplicateValue);
}

pub async fn dropping_the_index_lifts_it(h: &dyn Harness) {
    let f = users(h).await;
    f.create("T", "a", r#"{"name":"x"}"#).await;
    let (collection, name) = ("T".into(), "by_name".into());
    f.change(SchemaChange::DropIndex { collection, name })
        .await
        .unwrap();
    f.create("T", "b", r#"{"name":"x"}"#).await;
    assert!(f.collection("T").indexes.is_empty());
    let (collection, name) = ("T".into(), "by_name".into());
    refused!(
        f.change(SchemaChange::DropIndex { collection, name }).await,
        SchemaRefused
    );
}

pub async fn case_matters(h: &dyn Harness) {
    let f = users(h).await;
    for (id, name) in [
        ("a", "x"),
        ("b", "X"),
        ("c", "x "),
        ("d", "ä"),
        ("e", "a\u{308}"),
    ] {
        f.create("T", id, &format!(r#"{{"name":"{name}"}}"#)).await;
    }
}

/// Each object under two unique indexes and under one of two columns.
async fn people(h: &dyn Harness) -> Fixture {
    let f = Fixture::open(h).await;
    let types = [
        ("name", FieldType::String),
        ("mail", FieldType::String),
        ("team", FieldType::String),
        ("place", FieldType::Number),
    ];
    f.define("T", &types).await;
    for (name, columns) in [
        ("by_name", &["name"][..]),
        ("by_mail", &["mail"]),
        ("by_place", &["team", "place"]),
    ] {
        f.change(create_index("T", name, UNIQUE, columns))
            .await
            .unwrap();
    }
    for (n, id) in ["a", "b", "c"].into_iter().enumerate() {
        let json = format!(r#"{{"name":"{id}","mail":"{id}@x","team":"t","place":{n}}}"#);
        f.create("T", id, &json).await;
    }
    f
}

fn text(field: &str, value: &str) -> (Arc<str>, Op) {
    (field.into(), Op::Set(Value::from(value)))
}

fn sets(id: &str, ops: &[(Arc<str>, Op)]) -> Write {
    let ops = ops.iter().map(|(field, op)| (&**field, op.clone()));
    update("T", id, ops.collect())
}

/// All that the objects hold, checked against what each index finds.
async fn held(f: &Fixture) -> Vec<String> {
    let mut rows = Vec::new();
    for record in f.find(&crate::Query::all("T")).await {
        let mut values = vec![record.id.to_string()];
        for field in ["name", "mail", "team", "place"] {
            let value = record.get(field).cloned().unwrap_or(Value::Null);
            let same = Filter::test(field, Test::Eq(value.clone()));
            let found = f.matching("T", same).await;
            assert!(
                found.split(' ').any(|id| id == &*record.id),
                "{field} of {} is found",
                record.id
            );
            values.push(crate::codec::encode_to_string(&value).replace('"', ""));
        }
        rows.push(values.join(" "));
    }
    rows
}

pub async fn changing_one_index_keeps_the_others(h: &dyn Harness) {
    let f = people(h).await;
    // Together, in one batch and in two batches of one call.
    f.batch(vec![
        sets("a", &[text("mail", "a@y")]),
        sets("b", &[text("mail", "b@y")]),
    ])
    .await
    .unwrap();
    let apart = vec![
        WriteBatch::of(vec![sets("b", &[text("name", "bb")])]),
        WriteBatch::of(vec![sets("c", &[text("mail", "c@y")])]),
    ];
    for answer in f.app.write(apart).await.unwrap() {
        answer.unwrap();
    }
    assert_eq!(
        held(&f).await,
        ["a a a@y t 0", "b bb b@y t 1", "c c c@y t 2"]
    );
    let again = f.write(create("T", "d", fields(r#"{"name":"a"}"#))).await;
    names_the_index(&refused!(again, DuplicateValue), "by_name");
}

pub async fn changing_a_part_of_a_key_keeps_the_rest(h: &dyn Harness) {
    let f = people(h).await;
    let place = |n: i64| (Arc::from("place"), Op::Set(Value::Int(n)));
    f.batch(vec![
        sets("a", &[place(7)]),
        sets("b", &[place(8)]),
        sets("c", &[text("team", "u")]),
    ])
    .await
    .unwrap();
    assert_eq!(
        held(&f).await,
        ["a a a@x t 7", "b b b@x t 8", "c c c@x u 2"]
    );
    let taken = fields(r#"{"team":"t","place":7}"#);
    let again = f.write(create("T", "d", taken)).await;
    names_the_index(&refused!(again, DuplicateValue), "by_place");
}

pub async fn values_go_round_in_one_batch(h: &dyn Harness) {
    let f = people(h).await;
    let place = |n: i64| (Arc::from("place"), Op::Set(Value::Int(n)));
    // Nobody may hold what another one holds, not even for a step.
    f.batch(vec![
        sets("a", &[text("mail", "-"), (Arc::from("place"), Op::Unset)]),
        sets("b", &[text("mail", "a@x"), place(0)]),
        sets("c", &[text("mail", "b@x"), place(1)]),
        sets("a", &[text("mail", "c@x"), place(2)]),
    ])
    .await
    .unwrap();
    assert_eq!(
        held(&f).await,
        ["a a c@x t 2", "b b a@x t 0", "c c b@x t 1"]
    );
    // The same with batches of their own, one of which moves a name as well.
    let apart = vec![
        WriteBatch::of(vec![sets("a", &[text("mail", "-"), text("name", "z")])]),
        WriteBatch::of(vec![sets("b", &[text("mail", "c@x")])]),
        WriteBatch::of(vec![sets("c", &[text("mail", "a@x"), text("name", "a")])]),
        WriteBatch::of(vec![sets("a", &[text("mail", "b@x")])]),
    ];
    for answer in f.app.write(apart).await.unwrap() {
        answer.unwrap();
    }
    assert_eq!(
        held(&f).await,
        ["a z b@x t 2", "b b c@x t 0", "c a a@x t 1"]
    );
}
