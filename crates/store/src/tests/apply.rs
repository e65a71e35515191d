//! The application of writes.

use crate::codec::{FIELD_DEPTH_MAX, decode, decode_record, encode_record};
use crate::{
    Acl, Action, Collection, CollectionId, Field, FieldDef, FieldId, FieldOp, FieldRef, FieldType,
    Op, Path, Precondition, Record, RecordWrite, apply,
};
use basalt_base::{Map, Reason, Timestamp, Value};

fn v(json: &str) -> Value {
    decode(json).unwrap()
}

fn collection() -> Collection {
    let types = [
        ("n", FieldType::Number),
        ("m", FieldType::Object),
        ("l", FieldType::Array),
        ("at", FieldType::Date),
        ("rel", FieldType::Relation("U".into())),
    ];
    let fields = types.into_iter().enumerate().map(|(id, (name, ty))| Field {
        id: FieldId(id as u32),
        def: FieldDef::new(name, ty),
    });
    Collection {
        id: CollectionId(1),
        name: "T".into(),
        fields: fields.collect(),
        indexes: Vec::new(),
        rules: Map::new(),
        version: 1,
    }
}

fn write(action: Action) -> RecordWrite {
    RecordWrite {
        collection: "T".into(),
        id: "a".into(),
        precondition: Precondition::None,
        action,
        at: Timestamp::new(7, 1_999_999),
    }
}

fn update(ops: Vec<(&str, Op)>) -> RecordWrite {
    let ops = ops.into_iter().map(|(path, op)| FieldOp {
        path: Path::dotted(path),
        op,
    });
    write(Action::Update {
        ops: ops.collect(),
        acl: None,
        upsert: true,
    })
}

/// The fields after operations on an object with these fields.
fn after(json: &str, ops: Vec<(&str, Op)>) -> Value {
    let fields = v(json).as_map().unwrap().clone();
    let before = Record {
        id: "a".into(),
        created_at: Timestamp::from_millis(1),
        updated_at: Timestamp::from_millis(1),
        rev: 1,
        acl: Acl::default(),
        fields: fields.into_iter().map(|(k, v)| (k.into(), v)).collect(),
    };
    let record = apply::apply(&collection(), Some(&before), &update(ops), 2);
    let record = record.unwrap().unwrap();
    assert_eq!((record.rev, record.updated_at.nanos()), (2, 1_000_000));
    let fields = record.fields.into_iter();
    Value::Map(
        fields
            .map(|(name, value)| (name.to_string(), value))
            .collect(),
    )
}

#[test]
fn nested_increments_make_maps_and_stay_exact() {
    let one = || Op::Increment(v("1"));
    let cases = [
        (
            "{}",
            "m.a.b.c.d",
            one(),
            r#"{"m":{"a":{"b":{"c":{"d":1}}}}}"#,
        ),
        (r#"{"m":null}"#, "m.a", one(), r#"{"m":{"a":1}}"#),
        (r#"{"m":{"a":null}}"#, "m.a", one(), r#"{"m":{"a":1}}"#),
        (
            r#"{"m":{"a":9007199254740992}}"#,
            "m.a",
            one(),
            r#"{"m":{"a":9007199254740993}}"#,
        ),
        (
            r#"{"m":{"a":9223372036854775807}}"#,
            "m.a",
            one(),
            r#"{"m":{"a":9223372036854775808}}"#,
        ),
        (
            r#"{"m":{"a":0.5}}"#,
            "m.a",
            Op::Increment(v("0.5")),
            r#"{"m":{"a":1}}"#,
        ),
        (
            r#"{"m":{"l":[1,{"x":1}]}}"#,
            "m.l.1.x",
            one(),
            r#"{"m":{"l":[1,{"x":2}]}}"#,
        ),
        (r#"{"m":{"l":[1]}}"#, "m.l.1", one(), r#"{"m":{"l":[1,1]}}"#),
    ];
    for (before, path, op, expected) in cases {
        assert_eq!(
            after(before, vec![(path, op)]),
            v(expected),
            "{before} {path}"
        );
    }
}

#[test]
fn removing_what_is_not_there_changes_nothing() {
    for path in ["m", "m.a", "m.a.b", "l"] {
        for op in [Op::Unset, Op::Remove(vec![v("1")])] {
            if path == "m" && op != Op::Unset {
                continue;
            }
            assert_eq!(after("{}", vec![(path, op)]), v("{}"), "{path}");
        }
    }
    let kept = r#"{"m":{"a":null,"b":{"c":1}},"l":null}"#;
    for (path, op) in [
        ("m.a", Op::Remove(vec![v("1")])),
        ("m.a.x", Op::Unset),
        ("m.b.c.d", Op::Unset),
        ("m.b.x.y", Op::Remove(vec![])),
        ("l", Op::Remove(vec![v("1")])),
    ] {
        assert_eq!(after(kept, vec![(path, op)]), v(kept), "{path}");
    }
}

#[test]
fn keys_keep_their_order() {
    let ops = vec![
        ("m.b", Op::Unset),
        ("m.z", Op::Set(v("1"))),
        ("m.a", Op::Set(v("2"))),
    ];
    let m = after(r#"{"m":{"c":0,"b":0,"a":0}}"#, ops);
    assert_eq!(
        format!("{m:?}"),
        format!("{:?}", v(r#"{"m":{"c":0,"a":2,"z":1}}"#))
    );
    let fields = vec![
        ("l".into(), v("[]")),
        ("n".into(), v("1")),
        ("n".into(), v("2")),
    ];
    let acl = Acl::default();
    let made = apply::apply(
        &collection(),
        None,
        &write(Action::Create { fields, acl }),
        1,
    );
    let image = encode_record(&made.unwrap().unwrap());
    assert!(image.ends_with(r#""fields":{"n":2,"l":[]}}"#), "{image}");
}

#[test]
fn refusals_name_what_is_wrong() {
    let refuse = |ops| apply::apply(&collection(), None, &update(ops), 1).expect_err("refused");
    let cases = [
        (
            vec![("x", Op::Set(v("1")))],
            Reason::Internal,
            "Internal server error.",
        ),
        (
            vec![("n", Op::Increment(v("\"1\"")))],
            Reason::IncorrectType,
            "Cannot increment the field n by something that is no number.",
        ),
        (
            vec![
                ("n", Op::Set(v("1e308"))),
                ("n", Op::Increment(v("1.7e308"))),
            ],
            Reason::IncorrectType,
            "Cannot increment the field n past the largest number.",
        ),
        (
            vec![("m.a", Op::Set(v("true"))), ("m.a", Op::Increment(v("1")))],
            Reason::IncorrectType,
            "Cannot increment the field m.a because its value is no number.",
        ),
        (
            vec![("m.a", Op::Set(v("true"))), ("m.a", Op::Append(vec![]))],
            Reason::IncorrectType,
            "Cannot add to or remove from the field m.a because its value is no array.",
        ),
        (
            vec![("l.a", Op::Set(v("1")))],
            Reason::SchemaMismatch,
            "schema mismatch for T.l; expected Array but got Object",
        ),
        (
            vec![("rel", Op::Set(Value::Null))],
            Reason::SchemaMismatch,
            "schema mismatch for T.rel; expected Relation<U> but got Null",
        ),
        (
            vec![("n", Op::Set(Value::Decimal("1".into())))],
            Reason::SchemaMismatch,
            "schema mismatch for T.n; expected Number but got Decimal",
        ),
    ];
    for (ops, reason, message) in cases {
        let error = refuse(ops);
        assert_eq!((error.reason(), error.message()), (reason, message));
    }
    let on_id = FieldOp {
        path: Path::system(FieldRef::Id),
        op: Op::Unset,
    };
    let action = Action::Update {
        ops: vec![on_id],
        acl: None,
        upsert: true,
    };
    let error = apply::apply(&collection(), None, &write(action), 1).unwrap_err();
    assert_eq!(error.reason(), Reason::Internal);
}

#[test]
fn dates_are_cut_and_nested_ones_are_not() {
    let set = || Op::Set(v(r#"{"$t":[5,1999999]}"#));
    assert_eq!(
        after("{}", vec![("at", set()), ("m.at", set())]),
        v(r#"{"m":{"at":{"$t":[5,1999999]}},"at":{"$t":5001}}"#)
    );
}

#[test]
fn nothing_is_written_that_is_too_deep_to_be_read_again() {
    let refused = |path: &str, op: Op| {
        let result = apply::apply(&collection(), None, &update(vec![(path, op)]), 2);
        match result {
            Err(e) => assert_eq!(e.reason(), Reason::InvalidJson, "{e}"),
            Ok(_) => panic!("{} steps were written", path.len() / 2),
        }
    };
    let deep = |steps: usize| format!("m{}", ".a".repeat(steps));
    for op in [
        Op::Append(Vec::new()),
        Op::AddUnique(Vec::new()),
        Op::Remove(Vec::new()),
        Op::Increment(v("1")),
        Op::SetOnInsert(v("1")),
        Op::Set(v("1")),
        Op::Unset,
    ] {
        refused(&deep(100_000), op.clone());
        refused(&deep(FIELD_DEPTH_MAX + 1), op);
    }
    let mut nested = v("1");
    for _ in 0..=FIELD_DEPTH_MAX {
        nested = Value::Array(vec![nested]);
    }
    refused("l", Op::Set(nested.clone()));
    refused("l", Op::Append(vec![nested]));
    refused(&deep(FIELD_DEPTH_MAX - 1), Op::Set(v(r#"{"a":[1]}"#)));
    // What is just deep enough comes back from storage and from a change image.
    let polygon = Value::Polygon(vec![basalt_base::GeoPoint::new(0.0, 0.0).unwrap(); 4]);
    let most = update(vec![(&deep(FIELD_DEPTH_MAX), Op::Set(polygon))]);
    let record = apply::apply(&collection(), None, &most, 2)
        .unwrap()
        .unwrap();
    let again = decode_record(&encode_record(&record)).unwrap();
    assert_eq!(again.fields, record.fields);
}
