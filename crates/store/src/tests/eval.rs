//! The evaluator, where the conformance suite does not reach.

use crate::codec::decode;
use crate::conformance::dice::Dice;
use crate::conformance::random::any;
use crate::eval::{candidates, compare_for_sort, matches_map, sort_maps, sort_records};
use crate::{Acl, FieldRef, Filter, Path, Record, Sort, SortKey, Test};
use basalt_base::{Map, Timestamp, Value};
use std::cmp::Ordering;

fn v(json: &str) -> Value {
    decode(json).unwrap()
}

fn map(json: &str) -> Map {
    v(json).as_map().unwrap().clone()
}

fn record(id: &str, json: &str) -> Record {
    Record {
        id: id.into(),
        created_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(0),
        rev: 1,
        acl: Acl::default(),
        fields: map(json).into_iter().map(|(k, v)| (k.into(), v)).collect(),
    }
}

#[test]
fn the_order_is_total_and_agrees_with_equality() {
    let dice = Dice::new(3);
    let values: Vec<Value> = (0..150).map(|_| any(&dice, 2)).collect();
    let compare = |a: &Value, b: &Value| compare_for_sort(Some(a), Some(b));
    for a in &values {
        assert_eq!(compare(a, a), Ordering::Equal);
        for b in &values {
            assert_eq!(compare(a, b), compare(b, a).reverse(), "{a:?} {b:?}");
            assert_eq!(compare(a, b).is_eq(), a == b, "{a:?} {b:?}");
            for c in values.iter().step_by(7) {
                if compare(a, b).is_le() && compare(b, c).is_le() {
                    assert!(compare(a, c).is_le(), "{a:?} {b:?} {c:?}");
                }
            }
        }
    }
}

#[test]
fn families_come_in_their_order() {
    let ladder = [
        "null",
        "-1e300",
        "1",
        "2.5",
        r#"{"$d":"1"}"#,
        "\"\"",
        "\"a\"",
        "{}",
        r#"{"a":1}"#,
        r#"{"a":1,"b":0}"#,
        r#"{"b":0}"#,
        "[]",
        "[1]",
        "[1,0]",
        "[2]",
        r#"{"$b":""}"#,
        r#"{"$r":["B","a"]}"#,
        r#"{"$r":["A","b"]}"#,
        "false",
        "true",
        r#"{"$t":-5}"#,
        r#"{"$t":5}"#,
        r#"{"$g":[1,2]}"#,
        r#"{"$p":[[0,0]]}"#,
        r#"{"$f":["a",null]}"#,
    ];
    for pair in ladder.windows(2) {
        let (a, b) = (v(pair[0]), v(pair[1]));
        assert_eq!(
            compare_for_sort(Some(&a), Some(&b)),
            Ordering::Less,
            "{pair:?}"
        );
    }
    assert_eq!(compare_for_sort(None, Some(&Value::Null)), Ordering::Equal);
    assert_eq!(compare_for_sort(None, Some(&v("-1"))), Ordering::Less);
}

#[test]
fn candidates_come_in_document_order() {
    let record = record(
        "x",
        r#"{"l":[{"a":[1]},7,{"a":{"b":2}},[{"a":9}],{"0":5}]}"#,
    );
    let at = |path: &str| {
        let found = candidates(&record, &Path::dotted(path));
        Value::Array(
            found
                .into_iter()
                .map(std::borrow::Cow::into_owned)
                .collect(),
        )
    };
    assert_eq!(at("l.a"), v(r#"[[1],{"b":2}]"#));
    assert_eq!(at("l.a.b"), v("[2]"));
    assert_eq!(at("l.0"), v(r#"[{"a":[1]},5]"#));
    assert_eq!(at("l.3.a"), v("[9]"));
    assert_eq!(at("l.9"), v("[]"));
    let id = candidates(&record, &Path::system(FieldRef::Id));
    assert_eq!(id[0].as_str(), Some("x"));
}

#[test]
fn sorting_is_stable_and_moves_every_item_once() {
    let key = SortKey::Path(Path::field("n"));
    let sort = [Sort {
        key,
        descending: false,
    }];
    let dice = Dice::new(1);
    for size in [0, 1, 2, 3, 10, 100] {
        let numbers: Vec<usize> = (0..size).map(|_| dice.below(5)).collect();
        let rows = numbers.iter().enumerate();
        let mut records: Vec<Record> = rows
            .map(|(at, n)| record(&format!("{at:03}"), &format!(r#"{{"n":{n}}}"#)))
            .collect();
        let mut wanted = records.clone();
        wanted.sort_by_key(|r| r.get("n").and_then(Value::as_f64).map(|n| n as i64));
        sort_records(&mut records, &sort);
        let ids = |records: &[Record]| records.iter().map(|r| r.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&records), ids(&wanted));
    }
}

#[test]
fn documents_of_pipelines_have_their_own_names() {
    let document = map(r#"{"_id":{"day":3},"_created_at":{"$t":5},"n":1}"#);
    let nested = Path {
        root: FieldRef::Id,
        rest: vec!["day".into()],
    };
    let tests = [
        (Filter::Test(nested, Test::Eq(v("3"))), true),
        (
            Filter::Test(
                Path::system(FieldRef::CreatedAt),
                Test::Gt(v(r#"{"$t":4}"#)),
            ),
            true,
        ),
        (
            Filter::Test(Path::system(FieldRef::UpdatedAt), Test::Exists(true)),
            false,
        ),
        (Filter::test("n", Test::Lt(v("1"))), false),
    ];
    for (filter, expected) in tests {
        assert_eq!(
            matches_map(&filter, &document).unwrap(),
            expected,
            "{filter:?}"
        );
    }
    let mut documents = vec![map(r#"{"_id":2}"#), map(r#"{"_id":1}"#)];
    let key = SortKey::Path(Path::system(FieldRef::Id));
    sort_maps(
        &mut documents,
        &[Sort {
            key,
            descending: false,
        }],
    );
    assert_eq!(documents[0], map(r#"{"_id":1}"#));
}
