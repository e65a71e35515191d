//! The storage JSON.

use crate::codec::{
    DEPTH_MAX, decode, decode_record, encode_for_sorting, encode_record, encode_to_string,
};
use crate::conformance::same_record;
use crate::{Acl, AclEntry, Record};
use basalt_base::{FileRef, GeoPoint, Map, Reason, Reference, Timestamp, Value};
use proptest::prelude::*;

#[test]
fn every_type_has_its_form() {
    let cases = [
        (Value::Null, "null"),
        (Value::Bool(true), "true"),
        (Value::Int(i64::MIN), "-9223372036854775808"),
        (Value::Double(0.1), "0.1"),
        (Value::number(1e300), "1e300"),
        (Value::from("a\"\\\n\u{1}é"), "\"a\\\"\\\\\\n\\u0001é\""),
        (Value::Decimal("1.50".into()), r#"{"$d":"1.50"}"#),
        (Value::Bytes(vec![0, 255]), r#"{"$b":"AP8="}"#),
        (Value::Timestamp(Timestamp::from_millis(-5)), r#"{"$t":-5}"#),
        (Value::Timestamp(Timestamp::new(1, 5)), r#"{"$t":[1,5]}"#),
        (
            Value::Timestamp(Timestamp::new(i64::MAX, 7)),
            r#"{"$t":[9223372036854775807,7]}"#,
        ),
        (
            Value::Geo(GeoPoint {
                latitude: 1.0,
                longitude: -2.5,
            }),
            r#"{"$g":[1.0,-2.5]}"#,
        ),
        (
            Value::Reference(Reference {
                collection: "A".into(),
                id: "x".into(),
            }),
            r#"{"$r":["A","x"]}"#,
        ),
        (
            Value::File(FileRef {
                name: "a".into(),
                url: None,
            }),
            r#"{"$f":["a",null]}"#,
        ),
    ];
    for (value, json) in cases {
        assert_eq!(encode_to_string(&value), json);
        assert_eq!(decode(json).unwrap(), value, "{json}");
    }
}

#[test]
fn keys_of_users_never_look_like_tags() {
    for key in ["$t", "$", "$$", "$$t", "$x"] {
        let map: Map = [(key.to_owned(), Value::Int(5))].into_iter().collect();
        let json = encode_to_string(&Value::Map(map.clone()));
        assert_eq!(json, format!("{{\"${key}\":5}}"));
        assert_eq!(decode(&json).unwrap(), Value::Map(map));
    }
}

#[test]
fn whole_numbers_stay_whole_and_doubles_are_canonical() {
    assert!(matches!(decode("5.0").unwrap(), Value::Int(5)));
    assert!(matches!(decode("-0.0").unwrap(), Value::Int(0)));
    assert!(matches!(
        decode("9007199254740993").unwrap(),
        Value::Int(9_007_199_254_740_993)
    ));
    assert!(matches!(
        decode("9223372036854775808").unwrap(),
        Value::Double(_)
    ));
    assert!(matches!(decode(" [ 1 , 2.5 ] ").unwrap(), Value::Array(_)));
}

#[test]
fn damage_is_corruption_and_nothing_worse() {
    let deep = "[".repeat(100_000);
    let broken = [
        "",
        " ",
        "{",
        "[",
        "[1",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "nul",
        "tru",
        "+1",
        "1.2.3",
        "--1",
        "1e999",
        "NaN",
        "\"",
        "\"\\",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\q\"",
        "\"\n\"",
        "1 2",
        "{\"$t\":\"x\"}",
        "{\"$t\":[1]}",
        "{\"$t\":[1,1000000000]}",
        "{\"$t\":1,\"a\":2}",
        "{\"a\":2,\"$t\":1}",
        "{\"$q\":1}",
        "{\"$\":1}",
        "{\"$b\":\"!\"}",
        "{\"$g\":[91,0]}",
        "{\"$g\":[1]}",
        "{\"$p\":[1]}",
        "{\"$r\":[\"A\"]}",
        "{\"$r\":[\"A\",1]}",
        "{\"$f\":[1,null]}",
        "{\"$d\":1}",
        &deep,
        "é",
        "\"\\é\"",
        "[1é]",
    ];
    for json in broken {
        let error = decode(json).expect_err(json);
        assert_eq!(error.reason(), Reason::StoreCorrupt, "{json}");
    }
    let most = "[".repeat(DEPTH_MAX) + &"]".repeat(DEPTH_MAX);
    decode(&most).unwrap();
    for json in ["{}", "[]", "{\"id\":\"a\"}", "{\"fields\":[]}"] {
        assert_eq!(
            decode_record(json).unwrap_err().reason(),
            Reason::StoreCorrupt
        );
    }
}

#[test]
fn objects_come_back_whole() {
    let acls = [
        Acl::default(),
        Acl {
            read: Some(vec![]),
            write: Some(vec![
                AclEntry::Public,
                AclEntry::User("r:x".into()),
                AclEntry::Role("é".into()),
            ]),
        },
    ];
    for acl in acls {
        let record = Record {
            id: "it's \"me\"".into(),
            created_at: Timestamp::from_millis(-1),
            updated_at: Timestamp::from_millis(1_700_000_000_000),
            rev: u64::MAX,
            acl,
            fields: vec![
                ("$t".into(), Value::Null),
                ("a".into(), decode(r#"[1,{"$t":5}]"#).unwrap()),
            ],
        };
        let read = decode_record(&encode_record(&record)).unwrap();
        assert!(same_record(&read, &record), "{read:?}");
    }
}

fn point() -> impl Strategy<Value = GeoPoint> {
    (-90.0..=90.0, -180.0..=180.0).prop_map(|(latitude, longitude)| GeoPoint {
        latitude,
        longitude,
    })
}

/// Text over everything that is stored: no U+0000.
fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just('$'),
            Just('"'),
            Just('\\'),
            proptest::char::range('\u{1}', '\u{80}'),
            any::<char>()
        ],
        0..8,
    )
    .prop_map(|chars| chars.into_iter().filter(|c| *c != '\0').collect())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        proptest::num::f64::NORMAL.prop_map(Value::number),
        proptest::num::f64::SUBNORMAL.prop_map(Value::number),
        text().prop_map(Value::String),
        proptest::collection::vec(any::<u8>(), 0..9).prop_map(Value::Bytes),
        (any::<i64>(), 0..1_000_000_000_u32)
            .prop_map(|(s, ns)| Value::Timestamp(Timestamp::new(s, ns))),
        any::<i64>().prop_map(|ms| Value::Timestamp(Timestamp::from_millis(ms))),
        point().prop_map(Value::Geo),
        proptest::collection::vec(point(), 0..4).prop_map(Value::Polygon),
        (text(), text())
            .prop_map(|(collection, id)| Value::Reference(Reference { collection, id })),
        (text(), proptest::option::of(text()))
            .prop_map(|(name, url)| Value::File(FileRef { name, url })),
        "[0-9]{1,38}".prop_map(|digits| Value::Decimal(digits.into())),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            proptest::collection::vec((text(), inner), 0..5)
                .prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(value in value()) {
        let json = encode_to_string(&value);
        let read = decode(&json).unwrap();
        prop_assert_eq!(&read, &value);
        // The same text again: order of keys, kinds of numbers and addresses of files too.
        prop_assert_eq!(encode_to_string(&read), json);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}\",:0-9a-z$.\\\\ é-]{0,40}") {
        if let Ok(value) = decode(&text) {
            let json = encode_to_string(&value);
            prop_assert_eq!(encode_to_string(&decode(&json).unwrap()), json);
        }
    }
}

#[test]
fn maps_that_a_store_sorted_come_back_in_their_order() {
    let nested = decode(r#"{"b":1,"$$x":2,"a":{"ccc":1,"bb":2,"a":{}},"":[{"z":1,"y":2}]}"#);
    let nested = nested.unwrap();
    let mut text = String::new();
    encode_for_sorting(&nested, &mut text);
    let sent = r#"{"b":1,"$$x":2,"a":{"ccc":1,"bb":2,"a":{},"$o":"2 1 0"},"":[{"z":1,"y":2,"$o":"1 0"}],"$o":"2 3 1 0"}"#;
    assert_eq!(text, sent);
    // As PostgreSQL gives it back.
    let sorted = r#"{"": [{"y": 2, "z": 1, "$o": "1 0"}], "a": {"a": {}, "$o": "2 1 0", "bb": 2, "ccc": 1}, "b": 1, "$o": "2 3 1 0", "$$x": 2}"#;
    let read = decode(sorted).unwrap();
    assert_eq!(encode_to_string(&read), encode_to_string(&nested));
    let mut plain = String::new();
    encode_for_sorting(&decode(r#"{"a":1,"bb":2}"#).unwrap(), &mut plain);
    assert_eq!(plain, r#"{"a":1,"bb":2}"#);
    assert!(decode(r#"{"a":1,"b":2,"$o":"0 0"}"#).is_err());
    assert!(decode(r#"{"a":1,"b":2,"$o":1}"#).is_err());
}
