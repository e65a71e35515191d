//! Objects come back as they were written.

use crate::support::*;
use basalt_base::{FileRef, GeoPoint, Map, Reference, Timestamp, Value};
use basalt_store::{FieldType, Filter, Query, ReadOptions, Test};

#[tokio::test]
async fn every_type_of_value_comes_back_as_it_was() {
    let place = place();
    let app = app(&place.store).await;
    let types = [
        ("n", FieldType::Number),
        ("r", FieldType::Number),
        ("s", FieldType::String),
        ("b", FieldType::Boolean),
        ("d", FieldType::Date),
        ("o", FieldType::Object),
        ("a", FieldType::Array),
        ("g", FieldType::GeoPoint),
        ("f", FieldType::File),
        ("y", FieldType::Bytes),
        ("p", FieldType::Reference("Other".into())),
        ("null", FieldType::String),
        ("missing", FieldType::String),
    ];
    let map: Map = [("k".to_owned(), Value::Null)].into_iter().collect();
    let values = vec![
        ("n", Value::Int(i64::MAX)),
        ("r", Value::Double(0.1)),
        ("s", "é\n".into()),
        ("b", true.into()),
        ("d", Value::Timestamp(Timestamp::from_millis(-1))),
        ("o", Value::Map(map)),
        ("a", Value::Array(vec![1.into(), "x".into(), Value::Null])),
        ("g", Value::Geo(GeoPoint::new(1.5, -2.25).unwrap())),
        (
            "f",
            Value::File(FileRef {
                name: "n.png".into(),
                url: Some("https://example.org/n".into()),
            }),
        ),
        ("y", Value::Bytes(vec![0, 255])),
        (
            "p",
            Value::Reference(Reference {
                collection: "Other".into(),
                id: "o1".into(),
            }),
        ),
        ("null", Value::Null),
    ];
    let mut writes = ensure("Post", &types);
    writes.push(create("Post", "one", values.clone()));
    write(&*app, writes).await.unwrap();

    let record = app.get("Post", "one").await.unwrap().unwrap();
    assert_eq!((&*record.id, record.rev), ("one", 1));
    assert_eq!(record.created_at, at());
    let names: Vec<&str> = record.fields.iter().map(|(n, _)| &**n).collect();
    assert_eq!(names, values.iter().map(|(n, _)| *n).collect::<Vec<_>>());
    for (name, value) in &values {
        assert_eq!(record.get(name), Some(value), "{name}");
    }
    let Some(Value::File(file)) = record.get("f") else {
        panic!("no file");
    };
    assert_eq!(file.url.as_deref(), Some("https://example.org/n"));

    let query = Query::all("Post").filter(Filter::test("s", Test::Eq("é\n".into())));
    let found = app.find(&query, ReadOptions::default()).await.unwrap();
    assert_eq!((found.records.len(), found.position.0), (1, 1));
    assert!(app.get("Post", "two").await.unwrap().is_none());
    assert!(app.get("Nowhere", "one").await.unwrap().is_none());
}
