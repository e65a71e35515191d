//! Long lists: the same results as comparing everything with everything.

use crate::{
    Acl, Action, Collection, CollectionId, Field, FieldDef, FieldId, FieldOp, FieldType, Filter,
    Op, Path, Precondition, Record, RecordWrite, Test, apply, eval,
};
use basalt_base::{FileRef, GeoPoint, Map, Reference, Timestamp, Value};
use proptest::collection::vec;
use proptest::prelude::*;

/// Few different values, so that lists have much in common; several equal ones look different.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (0_i64..30).prop_map(Value::Int),
        (0_i64..10).prop_map(|n| Value::Double(n as f64)),
        (0_i64..10).prop_map(|n| Value::Double(n as f64 + 0.5)),
        Just(Value::Double(-0.0)),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (0_i64..20).prop_map(|n| Value::String(n.to_string())),
        (0_i64..20).prop_map(|n| Value::Decimal(n.to_string().into())),
        (0_u8..5).prop_map(|n| Value::Bytes(vec![n])),
        (0_i64..5).prop_map(|n| Value::Timestamp(Timestamp::from_millis(n))),
        (0_i64..20, any::<bool>()).prop_map(|(n, other)| Value::Reference(Reference {
            collection: if other { "A" } else { "B" }.to_owned(),
            id: n.to_string(),
        })),
        any::<bool>().prop_map(|negative| {
            let zero = if negative { -0.0 } else { 0.0 };
            GeoPoint::new(zero, 1.0).map_or(Value::Null, Value::Geo)
        }),
        any::<bool>().prop_map(|own| Value::File(FileRef {
            name: "f".to_owned(),
            url: own.then(|| "u".to_owned()),
        })),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::Array),
            vec((0_u8..3, inner), 0..3).prop_map(|pairs| {
                let pairs = pairs.into_iter().map(|(key, v)| (key.to_string(), v));
                Value::Map(pairs.collect::<Map>())
            }),
        ]
    })
}

fn record(list: Value) -> Record {
    Record {
        id: "a".into(),
        created_at: Timestamp::from_millis(1),
        updated_at: Timestamp::from_millis(1),
        rev: 1,
        acl: Acl::default(),
        fields: vec![("l".into(), list)],
    }
}

fn applied(list: Vec<Value>, op: Op) -> Value {
    let collection = Collection {
        id: CollectionId(1),
        name: "T".into(),
        fields: vec![Field {
            id: FieldId(1),
            def: FieldDef::new("l", FieldType::Array),
        }],
        indexes: Vec::new(),
        rules: Map::new(),
        version: 1,
    };
    let write = RecordWrite {
        collection: "T".into(),
        id: "a".into(),
        precondition: Precondition::None,
        action: Action::Update {
            ops: vec![FieldOp {
                path: Path::field("l"),
                op,
            }],
            acl: None,
            upsert: false,
        },
        at: Timestamp::from_millis(2),
    };
    let before = record(Value::Array(list));
    let after = apply::apply(&collection, Some(&before), &write, 2).unwrap();
    after.unwrap().get("l").unwrap().clone()
}

/// As the same text: equal values can look different.
fn same(got: &Value, wanted: Vec<Value>) {
    assert_eq!(format!("{got:?}"), format!("{:?}", Value::Array(wanted)));
}

fn equal(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Reference(r), Value::String(id)) => r.id == *id,
        _ => value == wanted,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn operations_give_what_comparing_all_pairs_gives(
        list in vec(value(), 0..120),
        items in vec(value(), 0..120),
    ) {
        let mut unique = list.clone();
        for item in &items {
            if !unique.contains(item) {
                unique.push(item.clone());
            }
        }
        same(&applied(list.clone(), Op::AddUnique(items.clone())), unique);
        let mut rest = list.clone();
        rest.retain(|value| !items.contains(value));
        same(&applied(list, Op::Remove(items)), rest);
    }

    #[test]
    fn tests_answer_what_comparing_all_pairs_answers(
        list in vec(value(), 0..80),
        wanted in vec(value(), 0..80),
        part in any::<bool>(),
    ) {
        // Lists that hold all of what is wanted are rare unless they are made so.
        let mut list = list;
        if part {
            list.extend(wanted.iter().cloned());
        }
        let holds = |test: Test| {
            let filter = Filter::Test(Path::field("l"), test);
            eval::matches(&filter, &record(Value::Array(list.clone()))).unwrap()
        };
        let has = |value: &Value| wanted.iter().any(|w| equal(value, w));
        let any = has(&Value::Array(list.clone())) || list.iter().any(has);
        prop_assert_eq!(holds(Test::In(wanted.clone())), any);
        prop_assert_eq!(holds(Test::NotIn(wanted.clone())), !any);
        let all = wanted.iter().all(|w| list.iter().any(|v| equal(v, w)));
        prop_assert_eq!(holds(Test::All(wanted.clone())), all && !wanted.is_empty());
        prop_assert_eq!(holds(Test::ContainedBy(wanted.clone())), list.iter().all(has));
    }
}

/// 240,000 against 240,000: by pairs this would be 58 billion comparisons.
#[test]
fn long_lists_meet_each_other() {
    let numbers = |from: i64| (from..from + 240_000).map(Value::Int).collect::<Vec<_>>();
    let sum = applied(numbers(0), Op::AddUnique(numbers(120_000)));
    assert_eq!(sum.as_array().map(<[_]>::len), Some(360_000));
    let rest = applied(numbers(0), Op::Remove(numbers(120_000)));
    assert_eq!(rest.as_array().map(<[_]>::len), Some(120_000));
    let list = record(Value::Array(numbers(0)));
    let holds = |test: Test| eval::matches(&Filter::Test(Path::field("l"), test), &list).unwrap();
    assert!(!holds(Test::In(numbers(240_000))));
    assert!(holds(Test::All(numbers(0))));
    assert!(holds(Test::ContainedBy(numbers(0))));
}
