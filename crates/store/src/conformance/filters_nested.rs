//! Filters on arrays, maps and what is within them.

use super::Harness;
use super::fixture::*;
use crate::{FieldRef, FieldType, Filter, Path, Pattern, PatternOptions, Test};
use basalt_base::Value;
use std::sync::Arc;

fn values(json: &str) -> Vec<Value> {
    v(json).as_array().unwrap().to_vec()
}

fn regex(source: &str) -> Arc<Pattern> {
    Arc::new(Pattern::new(source, PatternOptions::default(), 1_000).unwrap())
}

async fn lists(h: &dyn Harness) -> Fixture {
    let f = Fixture::open(h).await;
    let rows = [
        r#"{"l":[1,2,3]}"#,
        r#"{"l":["a","b",null]}"#,
        r#"{"l":[]}"#,
        r#"{"l":[[1,2],[3]]}"#,
        r#"{"l":null}"#,
        "{}",
        r#"{"l":[{"a":1},{"a":2,"b":3}]}"#,
        r#"{"l":[2.5,{"$t":7},{"$r":["A","x"]},{"$b":"AA=="},true,{"$g":[1,2]}]}"#,
    ];
    f.fill("T", &[("l", FieldType::Array)], &rows).await;
    f
}

async fn all(f: &Fixture, cases: Vec<(&str, Test, &str)>) {
    for (path, test, expected) in cases {
        let found = f.matching("T", Filter::test(path, test.clone())).await;
        assert_eq!(found, expected, "{path} {test:?}");
    }
}

pub async fn arrays_match_by_element(h: &dyn Harness) {
    let f = lists(h).await;
    let cases = vec![
        ("l", Test::Eq(v("2")), "0"),
        ("l", Test::Eq(v("\"a\"")), "1"),
        ("l", Test::Ne(v("2")), "1 2 3 4 5 6 7"),
        ("l", Test::Gt(v("2")), "0 7"),
        ("l", Test::Lt(v("\"b\"")), "1"),
        ("l", Test::In(values("[3,\"b\"]")), "0 1"),
        ("l", Test::NotIn(values("[3,\"b\"]")), "2 3 4 5 6 7"),
        ("l", Test::Eq(Value::Null), "1 4 5"),
        ("l", Test::Ne(Value::Null), "0 2 3 6 7"),
        ("l", Test::In(values("[null]")), "1 4 5"),
        ("l", Test::Exists(true), "0 1 2 3 4 6 7"),
        ("l", Test::Eq(v("2.5")), "7"),
        ("l", Test::Eq(v(r#"{"$t":7}"#)), "7"),
        ("l", Test::Gt(v(r#"{"$t":6}"#)), "7"),
        ("l", Test::Eq(v(r#"{"$r":["A","x"]}"#)), "7"),
        ("l", Test::Eq(v(r#"{"$b":"AA=="}"#)), "7"),
        ("l", Test::Eq(v("true")), "7"),
        ("l", Test::Eq(v(r#"{"$g":[1,2]}"#)), "7"),
        ("l", Test::Eq(v(r#"{"a":1}"#)), "6"),
        ("l", Test::Eq(v(r#"{"b":3,"a":2}"#)), "6"),
        ("l", Test::Eq(v(r#"{"a":2}"#)), ""),
        ("l", Test::Regex(regex("^[ab]$")), "1"),
    ];
    all(&f, cases).await;
}

pub async fn whole_arrays_are_equal(h: &dyn Harness) {
    let f = lists(h).await;
    let cases = vec![
        ("l", Test::Eq(v("[1,2,3]")), "0"),
        ("l", Test::Eq(v("[1,2]")), "3"),
        ("l", Test::Eq(v("[3,2,1]")), ""),
        ("l", Test::Eq(v("[]")), "2"),
        ("l", Test::Eq(v("[[1,2],[3]]")), "3"),
        ("l", Test::In(values("[[],[3]]")), "2 3"),
        ("l", Test::Ne(v("[]")), "0 1 3 4 5 6 7"),
    ];
    all(&f, cases).await;
}

pub async fn all_and_contained_by(h: &dyn Harness) {
    let f = lists(h).await;
    let cases = vec![
        ("l", Test::All(values("[1,3]")), "0"),
        ("l", Test::All(values("[1,1]")), "0"),
        ("l", Test::All(values("[1,\"a\"]")), ""),
        ("l", Test::All(values("[null]")), "1 4"),
        ("l", Test::All(values("[[3]]")), "3"),
        ("l", Test::All(vec![]), ""),
        ("l", Test::All(values(r#"[{"a":1}]"#)), "6"),
        ("l", Test::ContainedBy(values("[1,2,3,4]")), "0 2"),
        ("l", Test::ContainedBy(values("[1,2]")), "2"),
        ("l", Test::ContainedBy(vec![]), "2"),
        ("l", Test::ContainedBy(values("[\"b\",\"a\",null]")), "1 2"),
        ("l", Test::ContainedBy(values("[[1,2],[3]]")), "2 3"),
        ("l.a", Test::All(values("[1]")), "6"),
        ("l.a", Test::All(values("[1,2]")), ""),
    ];
    all(&f, cases).await;
}

pub async fn all_match(h: &dyn Harness) {
    let f = lists(h).await;
    let cases = vec![
        ("l", Test::AllMatch(vec![regex("^a"), regex("b")]), "1"),
        ("l", Test::AllMatch(vec![regex("^a"), regex("c")]), ""),
        ("l", Test::AllMatch(vec![regex("^\\Qa\\E")]), "1"),
        ("l", Test::AllMatch(vec![regex("")]), "1"),
        ("l", Test::AllMatch(vec![]), ""),
        (
            "l",
            Test::Not(Box::new(Test::AllMatch(vec![regex("^a")]))),
            "0 2 3 4 5 6 7",
        ),
    ];
    all(&f, cases).await;
}

pub async fn paths_into_maps(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let rows = [
        r#"{"m":{"a":{"b":5}}}"#,
        r#"{"m":{"a":{"b":null}}}"#,
        r#"{"m":{"a":{}}}"#,
        r#"{"m":{"a":5}}"#,
        r#"{"m":{"a":{"b":"5"},"b":1}}"#,
        r#"{"m":null}"#,
        "{}",
        r#"{"m":{"a.b":5}}"#,
    ];
    f.fill("T", &[("m", FieldType::Object)], &rows).await;
    let cases = vec![
        ("m.a.b", Test::Eq(v("5")), "0"),
        ("m.a.b", Test::Eq(v("\"5\"")), "4"),
        ("m.a.b", Test::Gte(v("0")), "0"),
        ("m.a.b", Test::Eq(Value::Null), "1 2 3 5 6 7"),
        ("m.a.b", Test::Exists(true), "0 1 4"),
        ("m.a.b", Test::Ne(v("5")), "1 2 3 4 5 6 7"),
        ("m.a", Test::Eq(v(r#"{"b":5}"#)), "0"),
        ("m.a", Test::Eq(v("{}")), "2"),
        ("m.a", Test::In(values("[{},5]")), "2 3"),
        ("m", Test::Eq(v(r#"{"b":1,"a":{"b":"5"}}"#)), "4"),
        ("m", Test::Eq(v(r#"{"a":{"b":5,"c":1}}"#)), ""),
        ("m.a.b", Test::Regex(regex("^5")), "4"),
        ("m.b", Test::Lt(v("2")), "4"),
        ("m.a.b.c", Test::Exists(true), ""),
    ];
    all(&f, cases).await;
    let path = Path {
        root: FieldRef::Named("m".into()),
        rest: vec!["a.b".into()],
    };
    let dotted = Filter::Test(path, Test::Eq(v("5")));
    assert_eq!(f.matching("T", dotted).await, "7", "a key with a dot in it");
}

pub async fn paths_through_arrays(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let rows = [
        r#"{"m":{"l":[{"a":1},{"a":2}]}}"#,
        r#"{"m":{"l":[{"a":[1,3]},7]}}"#,
        r#"{"m":{"l":[[{"a":1}]]}}"#,
        r#"{"m":{"l":[]}}"#,
        r#"{"m":{"l":{"a":1}}}"#,
        r#"{"m":{"l":[{"b":1},{"a":null}]}}"#,
        r#"{"m":{"l":[{"a":{"a":1}}]}}"#,
        r#"{"m":{"l":[{"a":[{"a":9},{"a":1}]}]}}"#,
    ];
    f.fill("T", &[("m", FieldType::Object)], &rows).await;
    let cases = vec![
        ("m.l.a", Test::Eq(v("1")), "0 1 4"),
        ("m.l.a", Test::Eq(v("[1,3]")), "1"),
        ("m.l.a", Test::Ne(v("1")), "2 3 5 6 7"),
        ("m.l.a", Test::Gt(v("1")), "0 1"),
        ("m.l.a", Test::Exists(true), "0 1 4 5 6 7"),
        ("m.l.a", Test::Eq(Value::Null), "2 3 5"),
        ("m.l.a", Test::In(values("[2,3]")), "0 1"),
        ("m.l.a.a", Test::Eq(v("1")), "6 7"),
        ("m.l.a.0", Test::Eq(v("1")), "1"),
        ("m.l.0.a", Test::Eq(v("1")), "0 1 2"),
    ];
    all(&f, cases).await;
}

pub async fn numeric_steps(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let types = [("l", FieldType::Array), ("m", FieldType::Object)];
    let rows = [
        r#"{"l":[10,20],"m":{"0":10,"00":5}}"#,
        r#"{"l":[20,10],"m":{"a":[10]}}"#,
        r#"{"l":[[10]],"m":{"1":{"0":7}}}"#,
        r#"{"l":[{"0":10},{"1":3}]}"#,
        r#"{"l":[null]}"#,
    ];
    f.fill("T", &types, &rows).await;
    let cases = vec![
        ("l.0", Test::Eq(v("10")), "0 2 3"),
        ("l.1", Test::Eq(v("10")), "1"),
        ("l.1", Test::Eq(v("3")), "3"),
        ("l.0.0", Test::Eq(v("10")), "2 3"),
        ("l.00", Test::Exists(true), ""),
        ("l.-1", Test::Exists(true), ""),
        ("l.5", Test::Exists(true), ""),
        ("l.99999999999999999999999", Test::Exists(true), ""),
        ("l.0", Test::Exists(true), "0 1 2 3 4"),
        ("l.0", Test::Eq(Value::Null), "4"),
        ("l.1", Test::Exists(false), "2 4"),
        ("m.0", Test::Eq(v("10")), "0"),
        ("m.00", Test::Eq(v("5")), "0"),
        ("m.a.0", Test::Eq(v("10")), "1"),
        ("m.1.0", Test::Eq(v("7")), "2"),
    ];
    all(&f, cases).await;
}

pub async fn nested_special_values(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let rows = [
        r#"{"m":{"v":{"$t":1000}}}"#,
        r#"{"m":{"v":{"$t":[1,5]}}}"#,
        r#"{"m":{"v":{"$g":[1,2]}}}"#,
        r#"{"m":{"v":{"$r":["A","x"]}}}"#,
        r#"{"m":{"v":{"$b":"AP8="}}}"#,
        r#"{"m":{"v":{"$f":["a",null]}}}"#,
        r#"{"m":{"v":{"$$t":1000}}}"#,
        r#"{"m":{"v":1000}}"#,
        r#"{"m":{"v":false}}"#,
        r#"{"m":{"v":"true"}}"#,
        r#"{"m":{"v":{"$p":[[0,0],[0,1],[0,0]]}}}"#,
    ];
    f.fill("T", &[("m", FieldType::Object)], &rows).await;
    let cases = vec![
        ("m.v", Test::Eq(v(r#"{"$t":1000}"#)), "0"),
        ("m.v", Test::Gte(v(r#"{"$t":1000}"#)), "0 1"),
        ("m.v", Test::Gt(v(r#"{"$t":1000}"#)), "1"),
        ("m.v", Test::Lt(v(r#"{"$t":[1,5]}"#)), "0"),
        ("m.v", Test::Eq(v(r#"{"$g":[1,2]}"#)), "2"),
        ("m.v", Test::Eq(v(r#"{"$r":["A","x"]}"#)), "3"),
        ("m.v", Test::Eq(v(r#"{"$r":["B","x"]}"#)), ""),
        ("m.v", Test::Eq(v("\"x\"")), "3"),
        ("m.v", Test::Eq(v(r#"{"$b":"AP8="}"#)), "4"),
        ("m.v", Test::Eq(v(r#"{"$f":["a",null]}"#)), "5"),
        ("m.v", Test::Eq(v(r#"{"$$t":1000}"#)), "6"),
        ("m.v.$t", Test::Eq(v("1000")), "6"),
        ("m.v.$t", Test::Exists(true), "6"),
        ("m.v.$r", Test::Exists(true), ""),
        ("m.v", Test::Eq(v("1000")), "7"),
        ("m.v", Test::Lt(v("2000")), "7"),
        ("m.v", Test::Eq(v("false")), "8"),
        ("m.v", Test::Eq(v("0")), ""),
        ("m.v", Test::Eq(v("true")), ""),
        ("m.v", Test::Gt(v("\"t\"")), "3 9"),
        ("m.v", Test::Eq(v(r#"{"$p":[[0,0],[0,1],[0,0]]}"#)), "10"),
        ("m.v.0", Test::Exists(true), ""),
        ("m.v", Test::Ne(v("1000")), "0 1 2 3 4 5 6 8 9 10"),
    ];
    all(&f, cases).await;
}

pub async fn nasty_keys(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[("m", FieldType::Object)]).await;
    let keys = [
        "", " ", "a\"b", "it's", "$x", "$$", "[0]", "a[0]", "*", "é", "🌍", "\\", "\n", "%", "#",
    ];
    for (n, key) in keys.iter().enumerate() {
        let map = [((*key).to_owned(), Value::Int(n as i64))];
        let fields = vec![("m".into(), Value::Map(map.into_iter().collect()))];
        f.write(create("T", &n.to_string(), fields)).await.unwrap();
    }
    for (n, key) in keys.iter().enumerate() {
        let path = Path {
            root: FieldRef::Named("m".into()),
            rest: vec![(*key).into()],
        };
        let id = n.to_string();
        let equal = Filter::Test(path.clone(), Test::Eq(Value::Int(n as i64)));
        assert_eq!(f.matching("T", equal).await, id, "{key:?}");
        let there = Filter::Test(path, Test::Exists(true));
        assert_eq!(f.matching("T", there).await, id, "{key:?}");
    }
}
