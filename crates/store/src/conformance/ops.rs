//! Operations, plain and nested.

use super::Harness;
use super::fixture::*;
use crate::{
    FieldType, Filter, Op, Precondition, Projection, Query, RecordWrite, SchemaChange, Test, Write,
};
use basalt_base::{Reason, Value};

async fn things(h: &dyn Harness, json: &str) -> Fixture {
    let f = Fixture::open(h).await;
    let types = [
        ("n", FieldType::Number),
        ("text", FieldType::String),
        ("list", FieldType::Array),
        ("map", FieldType::Object),
        ("ref", FieldType::Reference("Thing".into())),
    ];
    f.define("Thing", &types).await;
    f.create("Thing", "a", json).await;
    f
}

/// Applies one operation; the object as answered and as read again are the same.
async fn step(f: &Fixture, path: &str, op: Op) {
    let answered = f.update("Thing", "a", vec![(path, op)]).await.unwrap();
    let read = f.get("Thing", "a").await.unwrap();
    assert!(same_record(&answered, &read), "{answered:?} {read:?}");
}

async fn is(f: &Fixture, field: &str, json: &str) {
    let expected = (!json.is_empty()).then(|| v(json));
    assert_eq!(f.value("Thing", "a", field).await, expected, "{field}");
}

fn list(json: &str) -> Vec<Value> {
    v(json).as_array().unwrap().to_vec()
}

pub async fn set_and_unset(h: &dyn Harness) {
    let f = things(h, r#"{"n":1,"map":{"a":{"b":1,"c":2}}}"#).await;
    step(&f, "text", Op::Set(v("\"x\""))).await;
    is(&f, "text", "\"x\"").await;
    step(&f, "text", Op::Unset).await;
    is(&f, "text", "").await;
    step(&f, "text", Op::Unset).await;
    step(&f, "map.a.b", Op::Unset).await;
    is(&f, "map", r#"{"a":{"c":2}}"#).await;
    step(&f, "map.x.y", Op::Unset).await;
    is(&f, "map", r#"{"a":{"c":2}}"#).await;
    step(&f, "map.a", Op::Set(v("[1]"))).await;
    is(&f, "map", r#"{"a":[1]}"#).await;
    step(&f, "map", Op::Unset).await;
    is(&f, "map", "").await;
    step(&f, "map.a", Op::Unset).await;
    is(&f, "map", "").await;
    is(&f, "n", "1").await;
}

pub async fn set_on_insert_works_once(h: &dyn Harness) {
    let f = things(h, "{}").await;
    let upsert = |n: i64| {
        let set = Op::SetOnInsert(Value::Int(n));
        let ops = vec![("n", set.clone()), ("map.deep", set)];
        Write::Record(record_write("Thing", "b", update_action(ops, true)))
    };
    f.write(upsert(1)).await.unwrap();
    f.write(upsert(2)).await.unwrap();
    assert_eq!(f.value("Thing", "b", "n").await, Some(v("1")));
    assert_eq!(f.value("Thing", "b", "map").await, Some(v(r#"{"deep":1}"#)));
}

pub async fn increments_are_exact(h: &dyn Harness) {
    let f = things(h, "{}").await;
    step(&f, "n", Op::Increment(v("9007199254740993"))).await;
    is(&f, "n", "9007199254740993").await;
    step(&f, "n", Op::Increment(v("1"))).await;
    is(&f, "n", "9007199254740994").await;
    step(&f, "n", Op::Set(v("0"))).await;
    step(&f, "n", Op::Increment(v("0.1"))).await;
    step(&f, "n", Op::Increment(v("0.2"))).await;
    is(&f, "n", "0.30000000000000004").await;
    step(&f, "n", Op::Increment(v("-0.30000000000000004"))).await;
    is(&f, "n", "0").await;
    step(&f, "n", Op::Set(v("9223372036854775807"))).await;
    step(&f, "n", Op::Increment(v("1"))).await;
    is(&f, "n", "9223372036854775808").await;
    step(&f, "n", Op::Set(Value::Null)).await;
    step(&f, "n", Op::Increment(v("5"))).await;
    is(&f, "n", "5").await;
}

pub async fn increments_run_in_the_store(h: &dyn Harness) {
    let f = things(h, r#"{"n":0}"#).await;
    let one = || update("Thing", "a", vec![("n", Op::Increment(v("1")))]);
    let calls = (0..50).map(|_| vec![one()]);
    for answer in f.race(calls.collect()).await {
        answer.unwrap();
    }
    is(&f, "n", "50").await;
}

pub async fn lists_grow_and_shrink(h: &dyn Harness) {
    let f = things(h, "{}").await;
    step(&f, "list", Op::Remove(list("[1]"))).await;
    is(&f, "list", "").await;
    step(&f, "list", Op::Append(list("[1,1,null]"))).await;
    is(&f, "list", "[1,1,null]").await;
    step(
        &f,
        "list",
        Op::AddUnique(list(r#"[1,2,2,{"$r":["T","x"]}]"#)),
    )
    .await;
    is(&f, "list", r#"[1,1,null,2,{"$r":["T","x"]}]"#).await;
    step(
        &f,
        "list",
        Op::AddUnique(list(r#"[{"$r":["T","x"]},{"$r":["U","x"]},null]"#)),
    )
    .await;
    is(
        &f,
        "list",
        r#"[1,1,null,2,{"$r":["T","x"]},{"$r":["U","x"]}]"#,
    )
    .await;
    step(&f, "list", Op::Remove(list(r#"[1,{"$r":["T","x"]},"2"]"#))).await;
    is(&f, "list", r#"[null,2,{"$r":["U","x"]}]"#).await;
    step(&f, "list", Op::AddUnique(list(r#"[{"a":1,"b":2}]"#))).await;
    step(&f, "list", Op::AddUnique(list(r#"[{"b":2,"a":1}]"#))).await;
    step(&f, "list", Op::Remove(list(r#"[null,2,{"$r":["U","x"]}]"#))).await;
    is(&f, "list", r#"[{"a":1,"b":2}]"#).await;
    step(&f, "list.0.a", Op::Increment(v("1"))).await;
    step(&f, "list.1", Op::Set(v("9"))).await;
    is(&f, "list", r#"[{"a":2,"b":2},9]"#).await;
    step(&f, "list.0", Op::Unset).await;
    is(&f, "list", "[null,9]").await;
    step(&f, "list.4.n", Op::Increment(v("1"))).await;
    is(&f, "list", r#"[null,9,null,null,{"n":1}]"#).await;
}

pub async fn nested_operations_make_their_way(h: &dyn Harness) {
    let f = things(h, "{}").await;
    step(&f, "map.a.b.c.d", Op::Increment(v("1.5"))).await;
    step(&f, "map.a.b.c.d", Op::Increment(v("1.5"))).await;
    is(&f, "map", r#"{"a":{"b":{"c":{"d":3}}}}"#).await;
    step(&f, "map.a.list", Op::Append(list("[1]"))).await;
    step(&f, "map.a.list", Op::AddUnique(list("[1,2]"))).await;
    step(&f, "map.a.list", Op::Remove(list("[1]"))).await;
    step(&f, "map.gone.list", Op::Remove(list("[1]"))).await;
    step(&f, "map.x", Op::Set(Value::Null)).await;
    step(&f, "map.x.y", Op::Set(v("true"))).await;
    step(&f, "map.0", Op::Set(v("\"zero\""))).await;
    is(
        &f,
        "map",
        r#"{"a":{"b":{"c":{"d":3}},"list":[2]},"x":{"y":true},"0":"zero"}"#,
    )
    .await;
}

pub async fn wrong_types_are_refused_and_change_nothing(h: &dyn Harness) {
    let f = things(h, r#"{"n":1,"text":"x","list":[1],"map":{"t":"x","n":1}}"#).await;
    let before = f.get("Thing", "a").await.unwrap();
    let one = || Op::Increment(v("1"));
    let append = || Op::Append(list("[1]"));
    let cases = [
        (
            "n",
            Op::Set(v("\"x\"")),
            "SchemaMismatch",
            "Thing.n; expected Number but got String",
        ),
        (
            "text",
            Op::Set(v("1")),
            "SchemaMismatch",
            "Thing.text; expected String but got Number",
        ),
        (
            "text",
            one(),
            "SchemaMismatch",
            "Thing.text; expected String but got Number",
        ),
        (
            "n",
            append(),
            "SchemaMismatch",
            "Thing.n; expected Number but got Array",
        ),
        (
            "list",
            Op::Set(v("{}")),
            "SchemaMismatch",
            "Thing.list; expected Array but got Object",
        ),
        (
            "ref",
            Op::Set(v(r#"{"$r":["Other","x"]}"#)),
            "SchemaMismatch",
            "Thing.ref; expected Pointer<Thing> but got Pointer<Other>",
        ),
        (
            "text.a",
            Op::Set(v("1")),
            "SchemaMismatch",
            "Thing.text; expected String but got Object",
        ),
        ("map.t", one(), "IncorrectType", "map.t"),
        ("map.n", append(), "IncorrectType", "map.n"),
        (
            "map.n",
            Op::AddUnique(list("[1]")),
            "IncorrectType",
            "map.n",
        ),
        ("map.n", Op::Remove(list("[1]")), "IncorrectType", "map.n"),
        ("map.n.deep", Op::Set(v("1")), "IncorrectType", "map.n.deep"),
        ("list.9999", Op::Set(v("1")), "IncorrectType", "list.9999"),
        ("list.x", Op::Set(v("1")), "IncorrectType", "list.x"),
    ];
    for (path, op, reason, text) in cases {
        let ops = vec![("n", Op::Set(v("99"))), (path, op.clone())];
        let error = f.update("Thing", "a", ops).await.expect_err(path);
        let expected = if reason == "SchemaMismatch" {
            Reason::SchemaMismatch
        } else {
            Reason::IncorrectType
        };
        assert_eq!(error.reason(), expected, "{path} {op:?} {error:?}");
        assert!(error.message().contains(text), "{}", error.message());
    }
    let after = f.get("Thing", "a").await.unwrap();
    assert!(same_record(&before, &after), "{after:?}");
    refused!(
        f.write(create("Thing", "b", fields(r#"{"n":"x"}"#))).await,
        SchemaMismatch
    );
    assert!(f.get("Thing", "b").await.is_none());
}

pub async fn operations_apply_in_order(h: &dyn Harness) {
    let f = things(h, r#"{"n":5}"#).await;
    let ops = vec![
        ("n", Op::Unset),
        ("n", Op::Increment(v("1"))),
        ("n", Op::Increment(v("2"))),
        ("map", Op::Set(v("{}"))),
        ("map.a", Op::Set(v("[]"))),
        ("map.a", Op::Append(list("[1]"))),
        ("text", Op::Set(v("\"x\""))),
        ("text", Op::Unset),
    ];
    let write = RecordWrite {
        precondition: Precondition::Exists,
        ..record_write("Thing", "a", update_action(ops, false))
    };
    f.write(Write::Record(write)).await.unwrap();
    is(&f, "n", "3").await;
    is(&f, "map", r#"{"a":[1]}"#).await;
    is(&f, "text", "").await;
}

/// Null is kept under a name that is no field's, found like null in a field, and stays when the
/// field is declared.
pub async fn nulls_need_no_field(h: &dyn Harness) {
    let f = things(h, r#"{"n":1,"later":null,"gone":null}"#).await;
    f.create("Thing", "b", r#"{"n":2}"#).await;
    is(&f, "later", "null").await;
    step(&f, "n", Op::Increment(v("1"))).await;
    step(&f, "gone", Op::Unset).await;
    is(&f, "gone", "").await;
    step(&f, "other", Op::Set(Value::Null)).await;
    for declared in [false, true] {
        if declared {
            let field = ensure_field("Thing", "later", FieldType::Number);
            f.write(field).await.unwrap();
        }
        for (test, found) in [
            (Test::Exists(true), "a"),
            (Test::Exists(false), "b"),
            (Test::Eq(Value::Null), "a b"),
            (Test::Ne(Value::Null), ""),
            (Test::Gte(Value::Null), "a"),
            (Test::All(vec![Value::Null]), "a"),
            (Test::All(vec![Value::Null, v("1")]), ""),
            (Test::In(vec![v("1"), Value::Null]), "a b"),
        ] {
            let filter = Filter::test("later", test);
            let shown = format!("{filter:?} {declared}");
            assert_eq!(f.matching("Thing", filter).await, found, "{shown}");
        }
        is(&f, "later", "null").await;
        let only = Query {
            projection: Projection::Only(vec!["later".into()]),
            ..Query::all("Thing").filter(Filter::test("other", Test::Exists(true)))
        };
        let found = f.find(&only).await;
        let names: Vec<&str> = found[0].fields.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["later"]);
    }
    step(&f, "later", Op::Set(v("5"))).await;
    is(&f, "later", "5").await;
    let exists = Filter::test("later", Test::Exists(true));
    assert_eq!(f.matching("Thing", exists).await, "a");
    let field = ensure_field("Thing", "other", FieldType::String);
    f.write(field).await.unwrap();
    let drop = SchemaChange::DropField {
        collection: "Thing".into(),
        name: "other".into(),
    };
    f.change(drop).await.unwrap();
    is(&f, "other", "").await;
}
