//! Filters on fields of every type.

use super::Harness;
use super::fixture::*;
use crate::{FieldRef, FieldType, Filter, Path, Pattern, PatternOptions, Test};
use basalt_base::{Timestamp, Value};
use std::sync::Arc;

/// The ids of the objects of `T` that pass a test.
async fn test(f: &Fixture, path: &str, test: Test) -> String {
    f.matching("T", Filter::test(path, test)).await
}

fn values(json: &str) -> Vec<Value> {
    v(json).as_array().unwrap().to_vec()
}

fn regex(source: &str, options: &str) -> Test {
    let options = PatternOptions::parse(options).unwrap();
    Test::Regex(Arc::new(Pattern::new(source, options, 1_000).unwrap()))
}

async fn numbers(h: &dyn Harness) -> Fixture {
    let f = Fixture::open(h).await;
    let types = [("n", FieldType::Number), ("s", FieldType::String)];
    let rows = [
        r#"{"n":1,"s":"a"}"#,
        r#"{"n":2,"s":"b"}"#,
        r#"{"n":2.5}"#,
        r#"{"n":null,"s":null}"#,
        r#"{"s":"2"}"#,
    ];
    f.fill("T", &types, &rows).await;
    f
}

pub async fn logic(h: &dyn Harness) {
    let f = numbers(h).await;
    let n = |json: &str| Filter::test("n", Test::Eq(v(json)));
    let not = |filter| Filter::Not(Box::new(filter));
    let cases = [
        (Filter::Everything, "0 1 2 3 4"),
        (Filter::Nothing, ""),
        (Filter::And(vec![]), "0 1 2 3 4"),
        (Filter::Or(vec![]), ""),
        (not(Filter::And(vec![])), ""),
        (not(Filter::Or(vec![])), "0 1 2 3 4"),
        (Filter::Or(vec![n("1"), n("2.5")]), "0 2"),
        (Filter::And(vec![n("1"), n("2")]), ""),
        (
            Filter::And(vec![n("2"), Filter::test("s", Test::Eq(v("\"b\"")))]),
            "1",
        ),
        (not(n("2")), "0 2 3 4"),
        (not(not(n("2"))), "1"),
        (not(Filter::Or(vec![n("1"), Filter::Nothing])), "1 2 3 4"),
        (
            not(Filter::And(vec![
                n("1"),
                Filter::test("s", Test::Eq(v("\"b\""))),
            ])),
            "0 1 2 3 4",
        ),
        (Filter::And(vec![not(n("null")), not(n("1"))]), "1 2"),
    ];
    for (filter, expected) in cases {
        assert_eq!(
            f.matching("T", filter.clone()).await,
            expected,
            "{filter:?}"
        );
    }
}

pub async fn equality_by_type(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let rows = [
        (FieldType::Number, "3", "4"),
        (FieldType::Number, "-2.25", "-2.5"),
        (FieldType::String, "\"x\"", "\"X\""),
        (FieldType::String, "\"\"", "\" \""),
        (FieldType::Boolean, "true", "false"),
        (FieldType::Date, r#"{"$t":1}"#, r#"{"$t":2}"#),
        (FieldType::Bytes, r#"{"$b":"AP8="}"#, r#"{"$b":""}"#),
        (FieldType::GeoPoint, r#"{"$g":[1,2]}"#, r#"{"$g":[2,1]}"#),
        (
            FieldType::File,
            r#"{"$f":["a",null]}"#,
            r#"{"$f":["b",null]}"#,
        ),
        (
            FieldType::Polygon,
            r#"{"$p":[[0,0],[0,1],[1,1],[0,0]]}"#,
            r#"{"$p":[[0,0]]}"#,
        ),
        (
            FieldType::Reference("T".into()),
            r#"{"$r":["T","x"]}"#,
            r#"{"$r":["T","y"]}"#,
        ),
        (FieldType::Object, r#"{"a":[1,{"$t":5}]}"#, r#"{"a":[1]}"#),
        (FieldType::Array, r#"[1,[2],{"a":null}]"#, "[]"),
    ];
    for (n, (ty, stored, other)) in rows.iter().enumerate() {
        let name = format!("f{n}");
        let both = [
            format!(r#"{{"{name}":{stored}}}"#),
            format!(r#"{{"{name}":{other}}}"#),
            "{}".to_owned(),
        ];
        let both: Vec<&str> = both.iter().map(String::as_str).collect();
        let class = format!("C{n}");
        f.fill(&class, &[(&name, ty.clone())], &both).await;
        let cases = [
            (Test::Eq(v(stored)), "0"),
            (Test::Eq(v(other)), "1"),
            (Test::Ne(v(stored)), "1 2"),
            (Test::In(vec![v(other), v(stored)]), "0 1"),
            (Test::NotIn(vec![v(other)]), "0 2"),
            (Test::Eq(Value::Null), "2"),
            (Test::Exists(true), "0 1"),
            (Test::Exists(false), "2"),
        ];
        for (test, expected) in cases {
            let found = f.matching(&class, Filter::test(&name, test.clone())).await;
            assert_eq!(found, expected, "{ty} {test:?}");
        }
    }
}

pub async fn ranges_stay_in_their_family(h: &dyn Harness) {
    let f = numbers(h).await;
    let cases = [
        ("n", Test::Lt(v("2")), "0"),
        ("n", Test::Lte(v("2")), "0 1"),
        ("n", Test::Gt(v("1")), "1 2"),
        ("n", Test::Gte(v("2.5")), "2"),
        ("n", Test::Gt(v("\"1\"")), ""),
        ("n", Test::Lt(v("\"z\"")), ""),
        ("n", Test::Gt(v("true")), ""),
        ("n", Test::Lt(v(r#"{"$t":1}"#)), ""),
        ("s", Test::Gt(v("\"\"")), "0 1 4"),
        ("s", Test::Lt(v("\"a\"")), "4"),
        ("s", Test::Gte(v("0")), ""),
        ("s", Test::Lte(v("false")), ""),
        ("n", Test::Eq(v("\"2\"")), ""),
        ("s", Test::Eq(v("2")), ""),
        ("s", Test::In(values("[2,true,\"b\"]")), "1"),
        ("n", Test::Gte(Value::Null), "3"),
        ("n", Test::Gt(Value::Null), ""),
        ("n", Test::Gt(v("[]")), ""),
        ("n", Test::Lt(v("{}")), ""),
    ];
    for (path, t, expected) in cases {
        assert_eq!(test(&f, path, t.clone()).await, expected, "{path} {t:?}");
    }
    let types = [
        ("b", FieldType::Boolean),
        ("at", FieldType::Date),
        ("bytes", FieldType::Bytes),
    ];
    let rows = [
        r#"{"b":false,"at":{"$t":-5},"bytes":{"$b":"AA=="}}"#,
        r#"{"b":true,"at":{"$t":5},"bytes":{"$b":"/w=="}}"#,
    ];
    f.fill("U", &types, &rows).await;
    let cases = [
        ("b", Test::Lt(v("true")), "0"),
        ("b", Test::Gte(v("false")), "0 1"),
        ("b", Test::Lt(v("1")), ""),
        ("at", Test::Lt(v(r#"{"$t":0}"#)), "0"),
        ("at", Test::Gt(v(r#"{"$t":[0,4999999]}"#)), "1"),
        ("at", Test::Gt(v(r#"{"$t":[0,5000001]}"#)), ""),
        ("at", Test::Gte(v(r#"{"$t":[0,5000001]}"#)), ""),
        ("at", Test::Lt(v(r#"{"$t":[0,5000001]}"#)), "0 1"),
        ("at", Test::Gt(v("0")), ""),
        ("bytes", Test::Gt(v(r#"{"$b":"AA=="}"#)), "1"),
        ("bytes", Test::Lt(v(r#"{"$b":"AAA="}"#)), "0"),
    ];
    for (path, t, expected) in cases {
        let found = f.matching("U", Filter::test(path, t.clone())).await;
        assert_eq!(found, expected, "{path} {t:?}");
    }
}

pub async fn numbers_compare_by_exact_value(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let rows = [
        r#"{"n":9007199254740992}"#,
        r#"{"n":9007199254740993}"#,
        r#"{"n":9007199254740994}"#,
        r#"{"n":9223372036854775807}"#,
        r#"{"n":9223372036854775808}"#,
        r#"{"n":-9223372036854775808}"#,
        r#"{"n":1e300}"#,
        r#"{"n":0.1}"#,
    ];
    f.fill("T", &[("n", FieldType::Number)], &rows).await;
    let cases = [
        (Test::Eq(v("9007199254740993")), "1"),
        (Test::Gt(v("9007199254740992")), "1 2 3 4 6"),
        (Test::Lt(v("9007199254740993.0")), "5 7"),
        (Test::Eq(v("9223372036854775807")), "3"),
        (Test::Eq(v("9223372036854775808")), "4"),
        (Test::Lt(v("9223372036854775808")), "0 1 2 3 5 7"),
        (Test::Gt(v("9223372036854775807")), "4 6"),
        (Test::Lte(v("-9223372036854775808")), "5"),
        (Test::Eq(v("0.1")), "7"),
        (Test::Gt(v("1e299")), "6"),
        (Test::In(values("[9007199254740993,1e300]")), "1 6"),
        (Test::Lt(v("1e19")), "0 1 2 3 4 5 7"),
    ];
    for (t, expected) in cases {
        assert_eq!(test(&f, "n", t.clone()).await, expected, "{t:?}");
    }
}

pub async fn null_and_missing(h: &dyn Harness) {
    let f = numbers(h).await;
    let cases = [
        ("n", Test::Eq(Value::Null), "3 4"),
        ("n", Test::Ne(Value::Null), "0 1 2"),
        ("n", Test::In(values("[null,1]")), "0 3 4"),
        ("n", Test::NotIn(values("[null,1]")), "1 2"),
        ("n", Test::Ne(v("2")), "0 2 3 4"),
        ("n", Test::NotIn(values("[2]")), "0 2 3 4"),
        ("n", Test::Exists(true), "0 1 2 3"),
        ("n", Test::Exists(false), "4"),
        ("n", Test::Not(Box::new(Test::Gt(v("1")))), "0 3 4"),
        ("n", Test::Not(Box::new(Test::Exists(true))), "4"),
        ("n", Test::Not(Box::new(Test::Eq(Value::Null))), "0 1 2"),
    ];
    for (path, t, expected) in cases {
        assert_eq!(test(&f, path, t.clone()).await, expected, "{path} {t:?}");
    }
}

pub async fn membership(h: &dyn Harness) {
    let f = numbers(h).await;
    let cases = [
        (Test::In(vec![]), ""),
        (Test::NotIn(vec![]), "0 1 2 3 4"),
        (Test::In(values("[1,1,1]")), "0"),
        (Test::In(values("[1,2.5,99]")), "0 2"),
        (Test::In(values("[\"1\",[1],{}]")), ""),
        (Test::NotIn(values("[\"1\",[1],{}]")), "0 1 2 3 4"),
        (Test::All(values("[1]")), "0"),
        (Test::All(values("[1,2]")), ""),
        (Test::All(vec![]), ""),
        (Test::ContainedBy(values("[1,2]")), ""),
    ];
    for (t, expected) in cases {
        assert_eq!(test(&f, "n", t.clone()).await, expected, "{t:?}");
    }
}

pub async fn existence(h: &dyn Harness) {
    let f = numbers(h).await;
    for root in [FieldRef::Id, FieldRef::CreatedAt, FieldRef::UpdatedAt] {
        let path = Path::system(root.clone());
        let exists = |wanted| Filter::Test(path.clone(), Test::Exists(wanted));
        assert_eq!(f.matching("T", exists(true)).await, "0 1 2 3 4", "{root:?}");
        assert_eq!(f.matching("T", exists(false)).await, "", "{root:?}");
        let rest = vec!["x".into()];
        let nested = Path { root, rest };
        let below = Filter::Test(nested, Test::Exists(true));
        assert_eq!(f.matching("T", below).await, "");
    }
    assert_eq!(test(&f, "n.x", Test::Exists(true)).await, "");
    assert_eq!(test(&f, "n.x", Test::Eq(Value::Null)).await, "0 1 2 3 4");
}

pub async fn negation_of_every_test(h: &dyn Harness) {
    let f = numbers(h).await;
    let place = basalt_base::GeoPoint::new(0.0, 0.0).unwrap();
    let tests = [
        Test::Eq(v("2")),
        Test::Ne(v("2")),
        Test::Lt(v("2")),
        Test::Lte(v("2")),
        Test::Gt(v("\"a\"")),
        Test::Gte(Value::Null),
        Test::In(values("[1,null]")),
        Test::NotIn(values("[1,null]")),
        Test::All(values("[2]")),
        Test::AllMatch(vec![]),
        Test::Exists(true),
        Test::ContainedBy(values("[2]")),
        regex("a", ""),
        Test::Near {
            center: place,
            radians_max: None,
        },
        Test::WithinBox {
            south_west: place,
            north_east: place,
        },
    ];
    for path in ["n", "s", "n.x", "unknown"] {
        for inner in &tests {
            let yes = test(&f, path, inner.clone()).await;
            let no = test(&f, path, Test::Not(Box::new(inner.clone()))).await;
            let negated = Filter::Not(Box::new(Filter::test(path, inner.clone())));
            assert_eq!(f.matching("T", negated).await, no, "{path} {inner:?}");
            let all = ["0", "1", "2", "3", "4"];
            let (yes, no): (Vec<_>, Vec<_>) = (yes.split(' ').collect(), no.split(' ').collect());
            for id in all {
                assert!(
                    yes.contains(&id) != no.contains(&id),
                    "{path} {inner:?} {id}"
                );
            }
        }
    }
}

pub async fn text_is_compared_by_bytes(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let rows = [
        r#"{"s":"Z"}"#,
        r#"{"s":"a"}"#,
        r#"{"s":"é"}"#,
        r#"{"s":"\uffee"}"#,
        r#"{"s":"\ud83d\ude00"}"#,
        r#"{"s":"e\u0301"}"#,
        r#"{"s":""}"#,
        r#"{"s":"a "}"#,
    ];
    f.fill("T", &[("s", FieldType::String)], &rows).await;
    let cases = [
        (Test::Lt(v("\"a\"")), "0 6"),
        (Test::Gt(v("\"z\"")), "2 3 4"),
        (Test::Gt(v("\"\u{ffee}\"")), "4"),
        (Test::Eq(v("\"\u{e9}\"")), "2"),
        (Test::Eq(v("\"A\"")), ""),
        (Test::Eq(v("\"a\"")), "1"),
        (Test::Lte(v("\"\"")), "6"),
    ];
    for (t, expected) in cases {
        assert_eq!(test(&f, "s", t.clone()).await, expected, "{t:?}");
    }
}

pub async fn patterns(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let rows = [
        r#"{"s":"apple"}"#,
        r#"{"s":"Apple pie"}"#,
        r#"{"s":"a.c\nb"}"#,
        r#"{"s":"100%_"}"#,
        r#"{"s":"\\E\""}"#,
        r#"{"s":"äpfel"}"#,
        r#"{"s":""}"#,
        r#"{"n":5,"s":null}"#,
        r#"{"n":5}"#,
        r#"{"s":"appliance"}"#,
    ];
    let types = [("s", FieldType::String), ("n", FieldType::Number)];
    f.fill("T", &types, &rows).await;
    let cases = [
        ("s", "^app", "", "0 9"),
        ("s", "^appl", "i", "0 1 9"),
        ("s", "^\\Qapp\\E", "", "0 9"),
        ("s", "e$", "", "0 1 9"),
        ("s", "^a.c$", "", ""),
        ("s", "^a.c$", "m", "2"),
        ("s", "c.b", "", ""),
        ("s", "c.b", "s", "2"),
        ("s", "\\Qa.c\\E", "", "2"),
        ("s", "a p p l e # fruit", "x", "0"),
        ("s", "^\\Q100%_\\E$", "", "3"),
        ("s", "%", "", "3"),
        ("s", "^100%", "", "3"),
        ("s", "^\\\\E", "", "4"),
        ("s", "^ä", "", "5"),
        ("s", "^Ä", "i", "5"),
        ("s", "^", "", "0 1 2 3 4 5 6 9"),
        ("s", "^$", "", "6"),
        ("s", "^(?!app)", "", "1 2 3 4 5 6"),
        ("s", "(p)\\1", "", "0 1 9"),
        ("s", "^apple|pie$", "", "0 1"),
        ("s", "^appl?", "", "0 9"),
        ("s", "^app.*e$", "", "0 9"),
        ("n", "5", "", ""),
        ("unknown", "", "", ""),
    ];
    for (path, source, options, expected) in cases {
        let found = test(&f, path, regex(source, options)).await;
        assert_eq!(found, expected, "{path} /{source}/{options}");
    }
}

pub async fn references_compare_by_id(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let types = [
        ("r", FieldType::Reference("A".into())),
        ("list", FieldType::Array),
    ];
    let rows = [
        r#"{"r":{"$r":["A","x"]},"list":[{"$r":["A","x"]}]}"#,
        r#"{"r":{"$r":["A","y"]},"list":[{"$r":["B","x"]},"x"]}"#,
        r#"{"r":null,"list":["y"]}"#,
        "{}",
    ];
    f.fill("T", &types, &rows).await;
    let cases = [
        ("r", Test::Eq(v(r#"{"$r":["A","x"]}"#)), "0"),
        ("r", Test::Eq(v(r#"{"$r":["B","x"]}"#)), ""),
        ("r", Test::Eq(v("\"x\"")), "0"),
        ("r", Test::Ne(v("\"x\"")), "1 2 3"),
        ("r", Test::In(values(r#"["x",{"$r":["A","y"]}]"#)), "0 1"),
        (
            "r",
            Test::NotIn(values(r#"["x",{"$r":["B","y"]}]"#)),
            "1 2 3",
        ),
        ("r", Test::In(values("[null]")), "2 3"),
        ("r", Test::Exists(true), "0 1 2"),
        ("r", Test::Gt(v("\"x\"")), "1"),
        ("r", Test::Lte(v(r#"{"$r":["A","x"]}"#)), "0"),
        ("r.id", Test::Exists(true), ""),
        ("list", Test::Eq(v(r#"{"$r":["A","x"]}"#)), "0"),
        ("list", Test::Eq(v("\"x\"")), "0 1"),
        ("list", Test::Eq(v("\"y\"")), "2"),
        ("list", Test::All(values(r#"[{"$r":["B","x"]},"x"]"#)), "1"),
    ];
    for (path, t, expected) in cases {
        assert_eq!(test(&f, path, t.clone()).await, expected, "{path} {t:?}");
    }
}

pub async fn times_of_the_object(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[("n", FieldType::Number)]).await;
    for (n, ms) in [100, 200, 300].into_iter().enumerate() {
        let fields = Vec::new();
        let acl = crate::Acl::default();
        let action = crate::Action::Create { fields, acl };
        let mut write = record_write("T", &n.to_string(), action);
        write.at = Timestamp::from_millis(ms);
        f.write(crate::Write::Record(write)).await.unwrap();
    }
    let mut write = record_write("T", "0", update_action(vec![], false));
    write.at = Timestamp::from_millis(900);
    f.write(crate::Write::Record(write)).await.unwrap();
    let at = |ms| Value::Timestamp(Timestamp::from_millis(ms));
    let cases = [
        (FieldRef::CreatedAt, Test::Gte(at(200)), "1 2"),
        (FieldRef::CreatedAt, Test::Eq(at(100)), "0"),
        (FieldRef::CreatedAt, Test::In(vec![at(100), at(300)]), "0 2"),
        (FieldRef::CreatedAt, Test::Gt(v("0")), ""),
        (FieldRef::UpdatedAt, Test::Gt(at(250)), "0 2"),
        (FieldRef::UpdatedAt, Test::Ne(at(900)), "1 2"),
        (FieldRef::UpdatedAt, Test::Eq(Value::Null), ""),
        (
            FieldRef::CreatedAt,
            Test::Lt(v(r#"{"$t":[0,200000001]}"#)),
            "0 1",
        ),
    ];
    for (root, t, expected) in cases {
        let filter = Filter::Test(Path::system(root.clone()), t.clone());
        assert_eq!(f.matching("T", filter).await, expected, "{root:?} {t:?}");
    }
}

pub async fn ids(h: &dyn Harness) {
    let f = numbers(h).await;
    let id = |test| Filter::Test(Path::system(FieldRef::Id), test);
    let cases = [
        (Filter::id("3"), "3"),
        (Filter::id("x"), ""),
        (
            Filter::ids(["4".to_owned(), "1".to_owned(), "x".to_owned()]),
            "1 4",
        ),
        (Filter::ids([]), ""),
        (id(Test::Ne(v("\"3\""))), "0 1 2 4"),
        (id(Test::NotIn(values("[\"3\",\"0\"]"))), "1 2 4"),
        (id(Test::Eq(v("3"))), ""),
        (id(Test::Eq(Value::Null)), ""),
        (id(Test::Gt(v("\"2\""))), "3 4"),
        (id(Test::Lte(v("\"1\""))), "0 1"),
        (id(regex("[24]", "")), "2 4"),
        (id(regex("^3", "")), "3"),
        (id(Test::All(values("[\"3\"]"))), "3"),
        (
            Filter::id("1").and(Filter::test("n", Test::Eq(v("2")))),
            "1",
        ),
        (Filter::id("1").and(Filter::test("n", Test::Eq(v("1")))), ""),
    ];
    for (filter, expected) in cases {
        assert_eq!(
            f.matching("T", filter.clone()).await,
            expected,
            "{filter:?}"
        );
    }
}

pub async fn unknown_fields_hold_nothing(h: &dyn Harness) {
    let f = numbers(h).await;
    for path in ["unknown", "unknown.a.b", "n\"; --", "_x", "objectId"] {
        assert_eq!(test(&f, path, Test::Eq(v("1"))).await, "", "{path}");
        assert_eq!(
            test(&f, path, Test::Exists(false)).await,
            "0 1 2 3 4",
            "{path}"
        );
        assert_eq!(
            test(&f, path, Test::Ne(v("1"))).await,
            "0 1 2 3 4",
            "{path}"
        );
        assert_eq!(
            test(&f, path, Test::Eq(Value::Null)).await,
            "0 1 2 3 4",
            "{path}"
        );
    }
}

pub async fn long_lists_of_values(h: &dyn Harness) {
    let f = numbers(h).await;
    // More than any store binds in one statement.
    let many: Vec<Value> = (2..40_000).map(Value::Int).collect();
    assert_eq!(test(&f, "n", Test::In(many.clone())).await, "1");
    assert_eq!(test(&f, "n", Test::NotIn(many)).await, "0 2 3 4");
    // The same with some that are no whole numbers, and with bytes.
    let mut mixed: Vec<Value> = (0..40_000).map(|n| Value::Int(n * 10 + 7)).collect();
    mixed.extend([
        Value::Double(0.1),
        Value::Double(1e300),
        Value::Double(-2.5),
    ]);
    let types = [("n", FieldType::Number), ("b", FieldType::Bytes)];
    f.define("M", &types).await;
    for (id, json) in [
        ("a", r#"{"n":0.1}"#),
        ("b", r#"{"n":17}"#),
        ("c", r#"{"n":17.5}"#),
        ("d", r#"{"n":1e300}"#),
        ("e", r#"{"n":0.30000000000000004}"#),
        ("f", "{}"),
    ] {
        f.create("M", id, json).await;
    }
    let of = |test| f.matching("M", Filter::test("n", test));
    assert_eq!(of(Test::In(mixed.clone())).await, "a b d");
    assert_eq!(of(Test::NotIn(mixed)).await, "c e f");
    let bytes = |n: u32| Value::Bytes(n.to_be_bytes().to_vec());
    let held = vec![("b".into(), bytes(7))];
    f.write(create("M", "g", held)).await.unwrap();
    let many: Vec<Value> = (0..40_000).map(bytes).collect();
    let of = |test| f.matching("M", Filter::test("b", test));
    assert_eq!(of(Test::In(many.clone())).await, "g");
    assert_eq!(of(Test::NotIn(many)).await, "a b c d e f");
    let ids = (1..40_000).map(|n| n.to_string());
    assert_eq!(f.matching("T", Filter::ids(ids)).await, "1 2 3 4");
    let either = (2..300).map(|n| Filter::test("n", Test::Eq(Value::Int(n))));
    assert_eq!(f.matching("T", Filter::Or(either.collect())).await, "1");
}
