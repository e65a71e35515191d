//! Whatever comes in, nothing panics and nothing is the server's fault.

use super::support::{encoded, send, world};
use basalt_api_parse::{fuzz, wire};
use proptest::prelude::*;

fn callers_fault(result: Result<(), basalt_base::Error>) {
    if let Err(error) = result {
        let (status, _) = wire(error.reason());
        assert!((400..500).contains(&status), "{error:?}");
    }
}

/// JSON made of the words that mean something, so that it gets past the first check.
fn json() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "a",
        "b.c",
        "objectId",
        "createdAt",
        "ACL",
        "_rperm",
        "$or",
        "$and",
        "$nor",
        "$not",
        "$eq",
        "$ne",
        "$gt",
        "$in",
        "$nin",
        "$all",
        "$exists",
        "$regex",
        "$options",
        "$containedBy",
        "$nearSphere",
        "$maxDistance",
        "$within",
        "$box",
        "$geoWithin",
        "$centerSphere",
        "$polygon",
        "$geoIntersects",
        "$point",
        "$text",
        "$search",
        "$term",
        "$inQuery",
        "$select",
        "key",
        "query",
        "where",
        "className",
        "$relatedTo",
        "object",
        "$relativeTime",
        "__type",
        "__op",
        "iso",
        "base64",
        "latitude",
        "longitude",
        "coordinates",
        "amount",
        "objects",
        "ops",
        "name",
        "$group",
        "_id",
        "$match",
        "pipeline",
        "fields",
        "type",
        "classLevelPermissions",
        "find",
        "protectedFields",
        "*",
        "pointerFields",
        "indexes",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        (-200.0..200.0).prop_map(|n: f64| n.to_string()),
        prop::sample::select(vec![
            "Pointer",
            "Date",
            "GeoPoint",
            "Bytes",
            "File",
            "Polygon",
            "Relation",
            "Increment",
            "Add",
            "AddRelation",
            "Batch",
            "Delete",
            "now",
            "i",
            "(",
            "^\\\\Qa\\\\E",
            "2020-01-01",
            "A",
            "String",
        ])
        .prop_map(|word| format!("\"{word}\"")),
    ];
    leaf.prop_recursive(6, 64, 5, move |inner| {
        let entry = (word.clone(), inner.clone()).prop_map(|(k, v)| format!("\"{k}\":{v}"));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(entry, 0..4).prop_map(|items| format!("{{{}}}", items.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        callers_fault(fuzz::parse_where(&bytes));
        callers_fault(fuzz::parse_object(&bytes));
        callers_fault(fuzz::parse_admin(&bytes));
    }

    #[test]
    fn any_json_is_decoded_or_refused(text in json()) {
        callers_fault(fuzz::parse_where(text.as_bytes()));
        callers_fault(fuzz::parse_object(text.as_bytes()));
        callers_fault(fuzz::parse_admin(text.as_bytes()));
    }

    #[test]
    fn any_query_string_is_decoded_or_refused(text in "[a-z\\[\\]=&%0-9+{}\":]{0,80}") {
        callers_fault(fuzz::parse_query_string(&text));
    }
}

/// The same through the whole stack, on a few hundred samples.
#[test]
fn the_whole_stack_never_answers_with_its_own_fault() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(world());
    let body = r#"{"a":[1,"x"],"b":{"c":1},"key":"v"}"#;
    let made = runtime.block_on(send(&world, "", "POST", "/classes/Thing", body));
    assert_eq!(made.status, 201);
    let config = ProptestConfig {
        cases: 400,
        ..ProptestConfig::default()
    };
    proptest!(config, |(text in json())| {
        let target = format!("/classes/Thing?where={}", encoded(&text));
        let answers = runtime.block_on(async {
            [
                send(&world, "", "GET", &target, "").await,
                send(&world, "", "POST", "/classes/Other", &text).await,
                send(&world, "master", "POST", "/schemas/Made", &text).await,
                send(&world, "master", "POST", "/aggregate/Thing", &format!(
                    "{{\"_method\":\"GET\",\"pipeline\":{text}}}")).await,
                send(&world, "", "POST", "/batch", &text).await,
                send(&world, "", "POST", "/login", &text).await,
            ]
        });
        for answer in answers {
            prop_assert!(answer.status < 500, "{} {} {}", text, answer.status, answer.text);
        }
    });
}
