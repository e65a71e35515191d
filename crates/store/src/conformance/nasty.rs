//! Values that storage likes to damage.

use super::Harness;
use super::fixture::*;
use crate::{FieldDef, FieldType, Filter, Op, SchemaChange, Test, Write};
use basalt_base::{Map, Value};

const TEXTS: &[&str] = &[
    "",
    " ",
    "'",
    "''",
    "\"",
    "\\",
    "\\u0041",
    "\u{1}\u{1f}\u{7f}\u{80}",
    "\n\r\t",
    "\u{feff}bom",
    "\u{fffd}\u{fffe}\u{ffff}",
    "🌍🇩🇪👨‍👩‍👧",
    "e\u{301}",
    "'; DROP TABLE t1; --",
    "?1 $1 :a @b",
    "{\"$t\":5}",
    "null",
    "%_",
    "\u{202e}right to left",
];

pub async fn texts_come_back_as_they_were(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let types = [
        ("s", FieldType::String),
        ("m", FieldType::Object),
        ("l", FieldType::Array),
    ];
    f.define("T", &types).await;
    for (n, text) in TEXTS.iter().enumerate() {
        let id = n.to_string();
        let value = Value::from(*text);
        let map: Map = [((*text).to_owned(), value.clone())].into_iter().collect();
        let fields = vec![
            ("s".into(), value.clone()),
            ("m".into(), Value::Map(map.clone())),
            ("l".into(), Value::Array(vec![value.clone()])),
        ];
        f.write(create("T", &id, fields)).await.unwrap();
        assert_eq!(
            f.value("T", &id, "s").await,
            Some(value.clone()),
            "{text:?}"
        );
        assert_eq!(
            f.value("T", &id, "m").await,
            Some(Value::Map(map)),
            "{text:?}"
        );
        for path in ["s", "l"] {
            let found = f
                .matching("T", Filter::test(path, Test::Eq(value.clone())))
                .await;
            assert_eq!(found, id, "{path} {text:?}");
        }
    }
}

pub async fn numbers_come_back_exact(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let types = [("n", FieldType::Number), ("m", FieldType::Object)];
    f.define("T", &types).await;
    let numbers = [
        "0",
        "-1",
        "9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "0.1",
        "-0.30000000000000004",
        "5e-324",
        "1.7976931348623157e308",
        "2.2250738585072014e-308",
        "123456789.12345679",
        "1e21",
    ];
    for (n, json) in numbers.iter().enumerate() {
        let id = n.to_string();
        let map = format!(r#"{{"n":{json},"m":{{"n":[{json}]}}}}"#);
        f.create("T", &id, &map).await;
        let read = f.get("T", &id).await.unwrap();
        assert_eq!(read.get("n"), Some(&v(json)), "{json}");
        assert_eq!(
            read.get("m"),
            Some(&v(&format!(r#"{{"n":[{json}]}}"#))),
            "{json}"
        );
        for path in ["n", "m.n"] {
            let found = f.matching("T", Filter::test(path, Test::Eq(v(json)))).await;
            assert_eq!(found, id, "{path} {json}");
        }
    }
}

pub async fn deep_values(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[("m", FieldType::Object)]).await;
    let deep = format!("{}7{}", r#"{"a":["#.repeat(50), "]}".repeat(50));
    f.create("T", "a", &format!(r#"{{"m":{deep}}}"#)).await;
    assert_eq!(f.value("T", "a", "m").await, Some(v(&deep)));
    let path = format!("m{}", ".a.0".repeat(50));
    assert_eq!(
        f.matching("T", Filter::test(&path, Test::Eq(v("7")))).await,
        "a"
    );
    f.update("T", "a", vec![(path.as_str(), Op::Increment(v("1")))])
        .await
        .unwrap();
    assert_eq!(
        f.matching("T", Filter::test(&path, Test::Eq(v("8")))).await,
        "a"
    );
}

pub async fn text_is_never_code(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let evil = "x\"'); DROP TABLE t1; --";
    f.define("T", &[("n", FieldType::Number), ("m", FieldType::Object)])
        .await;
    f.create("T", evil, r#"{"n":1,"m":{}}"#).await;
    let path = format!("m.{evil}");
    f.update("T", evil, vec![(&path, Op::Set(v("1")))])
        .await
        .unwrap();
    assert_eq!(
        f.matching("T", Filter::test(&path, Test::Eq(v("1")))).await,
        evil
    );
    assert_eq!(
        f.matching(evil, Filter::test(evil, Test::Eq(v("1")))).await,
        ""
    );
    let mut query = crate::Query::all("T");
    query.sort = vec![crate::Sort {
        key: crate::SortKey::Path(crate::Path::dotted(&path)),
        descending: true,
    }];
    query.projection = crate::Projection::Only(vec![evil.into()]);
    assert_eq!(f.ids(&query).await, evil);
    assert!(f.app.verify().await.unwrap().is_empty());
}

pub async fn many_fields(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let mut steps = vec![ensure("T")];
    for n in 0..300 {
        steps.push(Write::Schema(SchemaChange::EnsureField {
            collection: "T".into(),
            field: FieldDef::new(format!("f{n}"), FieldType::Number),
        }));
    }
    f.batch(steps).await.unwrap();
    let all = (0..300).map(|n| (format!("f{n}").into(), Value::Int(n)));
    f.write(create("T", "a", all.collect())).await.unwrap();
    let read = f.get("T", "a").await.unwrap();
    assert_eq!(read.fields.len(), 300);
    assert_eq!(
        f.matching("T", Filter::test("f299", Test::Eq(v("299"))))
            .await,
        "a"
    );
}
