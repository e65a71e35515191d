//! Schema changes.

use super::Harness;
use super::fixture::*;
use crate::{FieldDef, FieldType, Filter, IndexKind, Op, SchemaChange, Test};
use basalt_base::{Map, Reason, Value};

fn number(name: &str) -> (&str, FieldType) {
    (name, FieldType::Number)
}

fn drop_field(collection: &str, name: &str) -> SchemaChange {
    SchemaChange::DropField {
        collection: collection.into(),
        name: name.into(),
    }
}

fn drop_collection(name: &str, only_if_empty: bool) -> SchemaChange {
    SchemaChange::DropCollection {
        name: name.into(),
        only_if_empty,
    }
}

pub async fn ensuring_twice_is_once(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[number("n")]).await;
    let first = f.collection("T");
    let version = f.app.catalogue().version;
    f.define("T", &[number("n")]).await;
    let rules: Map = [("other".to_owned(), v("1"))].into_iter().collect();
    let name = "T".into();
    f.change(SchemaChange::EnsureCollection { name, rules })
        .await
        .unwrap();
    let second = f.collection("T");
    assert_eq!(
        f.app.catalogue().version,
        version,
        "no-ops change no version"
    );
    assert_eq!((first.id, first.version), (second.id, second.version));
    assert_eq!(second.fields.len(), 1);
    assert!(second.rules.is_empty(), "the rules of a new one only");
    f.change(create_index("T", "i", IndexKind::Ordered, &["n"]))
        .await
        .unwrap();
    let version = f.app.catalogue().version;
    f.change(create_index("T", "i", IndexKind::Ordered, &["n"]))
        .await
        .unwrap();
    assert_eq!(f.app.catalogue().version, version);
    let other = create_index("T", "i", IndexKind::Unique, &["n"]);
    refused!(f.change(other).await, SchemaRefused);
}

pub async fn another_type_is_refused(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let target = FieldType::Reference("A".into());
    f.define("T", &[number("n"), ("r", target)]).await;
    let cases = [
        (
            "n",
            FieldType::String,
            "schema mismatch for T.n; expected Number but got String",
        ),
        (
            "r",
            FieldType::Reference("B".into()),
            "schema mismatch for T.r; expected Pointer<A> but got Pointer<B>",
        ),
        (
            "r",
            FieldType::Relation("A".into()),
            "schema mismatch for T.r; expected Pointer<A> but got Relation<A>",
        ),
    ];
    for (name, ty, message) in cases {
        let error = refused!(f.write(ensure_field("T", name, ty)).await, SchemaMismatch);
        assert_eq!(error.message(), message);
    }
    assert_eq!(f.collection("T").fields.len(), 2);
}

pub async fn creating_twice_is_refused(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let make = || SchemaChange::CreateCollection {
        name: "T".into(),
        rules: Map::new(),
    };
    f.change(make()).await.unwrap();
    refused!(f.change(make()).await, SchemaRefused);
}

pub async fn versions_grow_with_changes(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("Other", &[]).await;
    let mut last = f.app.catalogue().version;
    let mut collection_version = None;
    let changes = [
        SchemaChange::CreateCollection {
            name: "T".into(),
            rules: Map::new(),
        },
        SchemaChange::EnsureField {
            collection: "T".into(),
            field: FieldDef::new("n", FieldType::Number),
        },
        create_index("T", "i", IndexKind::Ordered, &["n"]),
        SchemaChange::SetRules {
            collection: "T".into(),
            rules: [("a".to_owned(), v("1"))].into_iter().collect(),
        },
        SchemaChange::DropIndex {
            collection: "T".into(),
            name: "i".into(),
        },
        drop_field("T", "n"),
    ];
    let other = f.collection("Other").version;
    for change in changes {
        f.change(change.clone()).await.unwrap();
        let version = f.app.catalogue().version;
        assert_eq!(version, last + 1, "{change:?}");
        last = version;
        let own = Some(f.collection("T").version);
        assert_ne!(own, collection_version, "{change:?}");
        collection_version = own;
    }
    assert_eq!(f.collection("Other").version, other);
}

pub async fn altering_keeps_values(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[number("n")]).await;
    f.create("T", "a", r#"{"n":5}"#).await;
    let alter = |ty| SchemaChange::AlterField {
        collection: "T".into(),
        field: FieldDef {
            required: true,
            default: Some(v("[{\"$t\":5},null]")),
            ..FieldDef::new("n", ty)
        },
    };
    f.change(alter(FieldType::Number)).await.unwrap();
    let collection = f.collection("T");
    let field = collection.field("n").unwrap();
    assert!(field.def.required);
    assert_eq!(field.def.default, Some(v("[{\"$t\":5},null]")));
    assert_eq!(f.value("T", "a", "n").await, Some(v("5")));
    f.change(alter(FieldType::String))
        .await
        .expect_err("the type can't change");
    assert_eq!(
        f.collection("T").field("n").unwrap().def.ty,
        FieldType::Number
    );
}

pub async fn dropped_fields_come_back_empty(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[number("n"), number("m")]).await;
    f.create("T", "a", r#"{"n":5,"m":1}"#).await;
    f.create("T", "b", r#"{"n":null,"m":2}"#).await;
    let old = f.collection("T").field("n").unwrap().id;
    f.change(drop_field("T", "n")).await.unwrap();
    assert!(f.collection("T").field("n").is_none());
    let read = f.get("T", "a").await.unwrap();
    assert_eq!(read.fields, fields(r#"{"m":1}"#));
    assert_eq!(
        f.matching("T", Filter::test("n", Test::Exists(true))).await,
        ""
    );
    f.define("T", &[("n", FieldType::String)]).await;
    assert_ne!(
        f.collection("T").field("n").unwrap().id,
        old,
        "ids are not reused"
    );
    for id in ["a", "b"] {
        assert_eq!(
            f.value("T", id, "n").await,
            None,
            "neither values nor nulls come back"
        );
    }
    f.update("T", "a", vec![("n", Op::Set(v("\"text\"")))])
        .await
        .unwrap();
    assert_eq!(f.value("T", "a", "n").await, Some(v("\"text\"")));
    assert_eq!(f.value("T", "a", "m").await, Some(v("1")));
    let names: Vec<_> = f
        .collection("T")
        .fields
        .iter()
        .map(|f| f.def.name.clone())
        .collect();
    assert_eq!(
        names,
        [std::sync::Arc::from("m"), "n".into()],
        "in order of creation"
    );
}

pub async fn dropped_collections_come_back_empty(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[number("n")]).await;
    f.create("T", "a", r#"{"n":5}"#).await;
    let old = f.collection("T").id;
    refused!(f.change(drop_collection("T", true)).await, SchemaRefused);
    f.change(drop_collection("T", false)).await.unwrap();
    assert!(f.app.catalogue().collection("T").is_none());
    assert!(f.get("T", "a").await.is_none());
    assert_eq!(f.matching("T", Filter::Everything).await, "");
    f.define("T", &[("n", FieldType::String)]).await;
    assert_ne!(f.collection("T").id, old, "ids are not reused");
    assert_eq!(f.matching("T", Filter::Everything).await, "");
    f.create("T", "a", r#"{"n":"text"}"#).await;
    f.write(delete("T", "a")).await.unwrap();
    f.change(drop_collection("T", true)).await.unwrap();
}

pub async fn names_differ_by_case(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("Post", &[number("n"), ("N", FieldType::String)])
        .await;
    f.define("post", &[("n", FieldType::String)]).await;
    f.create("Post", "a", r#"{"n":1,"N":"x"}"#).await;
    f.create("post", "a", r#"{"n":"low"}"#).await;
    assert_eq!(f.value("Post", "a", "n").await, Some(v("1")));
    assert_eq!(f.value("Post", "a", "N").await, Some(v("\"x\"")));
    assert_eq!(f.value("post", "a", "n").await, Some(v("\"low\"")));
    f.change(create_index("Post", "i", IndexKind::Unique, &["n"]))
        .await
        .unwrap();
    f.change(create_index("Post", "I", IndexKind::Unique, &["N"]))
        .await
        .unwrap();
    f.change(create_index("post", "i", IndexKind::Unique, &["n"]))
        .await
        .unwrap();
    f.change(drop_collection("Post", false)).await.unwrap();
    assert_eq!(f.value("post", "a", "n").await, Some(v("\"low\"")));
}

pub async fn long_and_odd_names(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let long = "x".repeat(200);
    let longer = format!("{long}y");
    let keywords = [
        "select", "table", "order", "group", "rowid", "oid", "main", "null", "_Join",
    ];
    let columns = [
        "id",
        "created_at",
        "createdAt",
        "_rev",
        "values",
        "c1",
        "t1",
    ];
    let mut names = vec![long.as_str(), &longer, "t1", "sqlite_master", "pg_class"];
    names.extend(keywords);
    for (n, name) in names.iter().enumerate() {
        let mut types: Vec<_> = columns.into_iter().map(number).collect();
        types.extend([number(&long), number(&longer)]);
        types.extend(keywords.into_iter().map(number));
        f.define(name, &types).await;
        let json = types.iter().map(|(field, _)| format!("\"{field}\":{n}"));
        let json: Vec<String> = json.collect();
        f.create(name, "a", &format!("{{{}}}", json.join(",")))
            .await;
        f.change(create_index(name, &long, IndexKind::Ordered, &["select"]))
            .await
            .unwrap();
        f.change(create_index(name, &longer, IndexKind::Unique, &[&longer]))
            .await
            .unwrap();
    }
    for (n, name) in names.iter().enumerate() {
        let read = f.get(name, "a").await.unwrap();
        assert_eq!(read.fields.len(), columns.len() + keywords.len() + 2);
        assert!(
            read.fields
                .iter()
                .all(|(_, value)| *value == Value::Int(n as i64))
        );
        let filter = Filter::test("order", Test::Eq(Value::Int(n as i64)));
        assert_eq!(f.matching(name, filter).await, "a");
    }
    assert_eq!(f.app.catalogue().collections.len(), names.len());
}

pub async fn rules_and_defaults_are_kept(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let Value::Map(rules) = v(r#"{"find":{"*":true},"$$x":[{"$t":5},1.5],"é":null}"#) else {
        panic!("rules are a map");
    };
    let name = "T".into();
    f.change(SchemaChange::CreateCollection {
        name,
        rules: rules.clone(),
    })
    .await
    .unwrap();
    let default = v(r#"{"$r":["A","x"]}"#);
    let field = FieldDef {
        required: true,
        default: Some(default.clone()),
        ..FieldDef::new("r", FieldType::Reference("A".into()))
    };
    let collection = "T".into();
    f.change(SchemaChange::EnsureField {
        collection,
        field: field.clone(),
    })
    .await
    .unwrap();
    drop(f);
    let f = Fixture::open(h).await;
    let collection = f.collection("T");
    assert_eq!(collection.rules, rules);
    assert_eq!(collection.field("r").unwrap().def, field);
}

pub async fn indexes_are_listed(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let place = ("p", FieldType::GeoPoint);
    let types = [
        number("n"),
        ("s", FieldType::String),
        place,
        ("l", FieldType::Array),
    ];
    f.define("T", &types).await;
    f.create("T", "a", r#"{"n":1,"s":"x","p":{"$g":[1,2]},"l":[1]}"#)
        .await;
    let changes = [
        create_index("T", "one", IndexKind::Ordered, &["n"]),
        create_index("T", "two", IndexKind::Ordered, &["s", "n"]),
        create_index("T", "place", IndexKind::Geo, &["p"]),
        create_index("T", "list", IndexKind::Ordered, &["l"]),
    ];
    let mut wanted = Vec::new();
    for change in changes {
        if let SchemaChange::CreateIndex { index, .. } = &change {
            wanted.push(index.clone());
        }
        f.change(change).await.unwrap();
    }
    assert_eq!(f.collection("T").indexes, wanted);
    assert_eq!(
        f.matching("T", Filter::test("n", Test::Eq(v("1")))).await,
        "a"
    );
    assert_eq!(
        f.matching("T", Filter::test("l", Test::Eq(v("1")))).await,
        "a"
    );
    drop(f);
    let f = Fixture::open(h).await;
    assert_eq!(f.collection("T").indexes, wanted);
    f.change(drop_field("T", "n")).await.unwrap();
    let left = f.collection("T").indexes.clone();
    assert!(
        left.iter().all(|i| i.name.as_ref() != "one"),
        "an index goes with its field"
    );
}

pub async fn unknown_things_are_refused(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[number("n")]).await;
    refused!(
        f.change(drop_collection("Nothing", false)).await,
        CollectionNotFound
    );
    refused!(f.change(drop_field("T", "x")).await, SchemaRefused);
    let collection = || "T".into();
    let name = "i".into();
    let drop_index = SchemaChange::DropIndex {
        collection: collection(),
        name,
    };
    refused!(f.change(drop_index).await, SchemaRefused);
    let alter = SchemaChange::AlterField {
        collection: collection(),
        field: FieldDef::new("x", FieldType::Number),
    };
    f.change(alter).await.expect_err("there is no such field");
    let index = create_index("T", "i", IndexKind::Ordered, &["x"]);
    f.change(index).await.expect_err("there is no such field");
    f.write(ensure_field("Nothing", "n", FieldType::Number))
        .await
        .expect_err("there is no such collection");
}

pub async fn relations_have_no_values(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let relation = FieldType::Relation("U".into());
    f.define("T", &[("likes", relation.clone()), number("n")])
        .await;
    assert_eq!(f.collection("T").field("likes").unwrap().def.ty, relation);
    f.create("T", "a", r#"{"n":1}"#).await;
    assert_eq!(f.value("T", "a", "likes").await, None);
    assert_eq!(
        f.matching("T", Filter::test("likes", Test::Exists(true)))
            .await,
        ""
    );
    f.write(create("T", "b", fields(r#"{"likes":{"$r":["U","x"]}}"#)))
        .await
        .expect_err("a relation holds no value");
    f.change(drop_field("T", "likes")).await.unwrap();
}

pub async fn racing_schema_changes_agree(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let calls = (0..20).map(|n| {
        let ty = if n % 4 == 3 {
            FieldType::String
        } else {
            FieldType::Number
        };
        let value = if n % 4 == 3 { "\"x\"" } else { "1" };
        vec![
            ensure("T"),
            ensure_field("T", "n", ty),
            create("T", &n.to_string(), fields(&format!(r#"{{"n":{value}}}"#))),
        ]
    });
    let answers = f.race(calls.collect()).await;
    let won = answers.iter().filter(|a| a.is_ok()).count();
    assert!(won == 15 || won == 5, "one type wins: {won}");
    for error in answers.into_iter().filter_map(Result::err) {
        assert_eq!(error.reason(), Reason::SchemaMismatch);
    }
    assert_eq!(f.find(&crate::Query::all("T")).await.len(), won);
    assert_eq!(f.collection("T").fields.len(), 1);
}

pub async fn concurrent_writers_and_schema(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[number("n")]).await;
    let calls = (0..40).map(|n| {
        let json = format!(r#"{{"n":{n},"g{}":1}}"#, n / 4);
        let field = ensure_field("T", &format!("g{}", n / 4), FieldType::Number);
        vec![field, create("T", &n.to_string(), fields(&json))]
    });
    for answer in f.race(calls.collect()).await {
        answer.unwrap();
    }
    assert_eq!(f.find(&crate::Query::all("T")).await.len(), 40);
    assert_eq!(f.collection("T").fields.len(), 1 + 10);
}
