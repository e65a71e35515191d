//! What queries and rows have of their own here.

use crate::support::Place;
use basalt_base::{Map, Timestamp, Value};
use basalt_store::{
    Acl, Action, AppStore, FieldDef, FieldRef, FieldType, Filter, IndexColumn, IndexDef, IndexKind,
    Pattern, PatternOptions, Precondition, Query, ReadOptions, RecordWrite, SchemaChange, Store,
    StoreId, Test, Write, WriteBatch, codec,
};
use std::sync::Arc;

const FIELDS: [(&str, FieldType); 3] = [
    ("text", FieldType::String),
    ("list", FieldType::Array),
    ("map", FieldType::Object),
];

fn object(id: usize, name: &str, value: Value) -> Write {
    Write::Record(RecordWrite {
        collection: "Thing".into(),
        id: format!("id{id:04}").into(),
        precondition: Precondition::Absent,
        action: Action::Create {
            fields: vec![(name.into(), value)],
            acl: Acl::default(),
        },
        at: Timestamp::from_millis(1_000),
    })
}

async fn filled(place: &Place, objects: Vec<Write>) -> Arc<dyn AppStore> {
    let store = place.node().await;
    let app = store.open_app(StoreId(1)).await.unwrap();
    let mut writes = vec![Write::Schema(SchemaChange::EnsureCollection {
        name: "Thing".into(),
        rules: Map::new(),
    })];
    for (name, ty) in FIELDS {
        writes.push(Write::Schema(SchemaChange::EnsureField {
            collection: "Thing".into(),
            field: FieldDef::new(name, ty),
        }));
        writes.push(Write::Schema(SchemaChange::CreateIndex {
            collection: "Thing".into(),
            index: IndexDef {
                name: name.into(),
                kind: IndexKind::Ordered,
                columns: vec![IndexColumn {
                    field: FieldRef::Named(name.into()),
                    descending: false,
                }],
            },
        }));
    }
    writes.extend(objects);
    let done = app.write(vec![WriteBatch::of(writes)]).await.unwrap();
    done.into_iter().next().unwrap().unwrap();
    app
}

#[tokio::test]
async fn maps_keep_the_order_of_their_keys() {
    let Some(place) = Place::new() else { return };
    let text = r#"{"zeta":1,"a":{"yy":[{"b":1,"a":2}],"x":null},"$$t":2,"\u0001":"\u0000"}"#;
    let map = codec::decode(text).unwrap();
    let app = filled(&place, vec![object(1, "map", map)]).await;
    let found = app.get("Thing", "id0001").await.unwrap().unwrap();
    assert_eq!(codec::encode_to_string(found.get("map").unwrap()), text);
}

#[tokio::test]
async fn a_page_is_full_however_late_its_matches_come() {
    let Some(place) = Place::new() else { return };
    let texts = (0..700).map(|n| object(n, "text", format!("n{n}").into()));
    let app = filled(&place, texts.collect()).await;
    let pattern = Pattern::new("^n[0-9]{2}[5-9]$", PatternOptions::default(), 100).unwrap();
    let filter = Filter::test("text", Test::Regex(Arc::new(pattern)));
    for (skip, limit) in [(0, 3), (348, 2), (298, 9)] {
        let mut query = Query::all("Thing").filter(filter.clone()).limit(limit);
        query.skip = skip;
        let found = app.find(&query, ReadOptions::default()).await.unwrap();
        let wanted: Vec<String> = (100..700)
            .filter(|n| n % 10 >= 5)
            .skip(skip as usize)
            .take(limit as usize)
            .map(|n| format!("id{n:04}"))
            .collect();
        let got: Vec<&str> = found.records.iter().map(|r| &*r.id).collect();
        assert_eq!(got, wanted);
    }
}

#[tokio::test]
async fn indexed_lists_may_be_long() {
    let Some(place) = Place::new() else { return };
    let mixed = |n: i64| {
        Value::String(format!(
            "{:x}",
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64)
        ))
    };
    let list = Value::Array((0..5_000).map(mixed).collect());
    let app = filled(
        &place,
        vec![
            object(1, "list", list),
            object(2, "list", Value::Array(vec![])),
        ],
    )
    .await;
    let query = Query::all("Thing").filter(Filter::test("list", Test::Eq(mixed(4_321))));
    let found = app.find(&query, ReadOptions::default()).await.unwrap();
    assert_eq!(found.records.len(), 1);
    let Value::Map(plan) = app.explain(&query).await.unwrap() else {
        panic!("no plan");
    };
    assert_eq!(plan.get("left_to_rust"), Some(&Value::Array(vec![])));
}
