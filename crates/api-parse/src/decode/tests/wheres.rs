//! Conditions.

use super::*;

#[test]
fn operators_beside_a_value_hold_with_it() {
    let pointer = r#""__type":"Pointer","className":"P","objectId":"x""#;
    let both = where_ok(&format!(r#"{{"a":{{{pointer},"$gt":1}}}}"#));
    assert!(both.starts_with("And([Test("), "{both}");
    assert!(both.contains("Eq(Reference") && both.contains("Gt(Int(1))"));
    assert!(where_ok(r#"{"a":{"$gt":1,"b":1}}"#).contains("Eq(Map"));
}

#[test]
fn what_nothing_stored_can_be_finds_nothing() {
    assert!(where_ok(r#"{"a":{"$all":[{"$unknown":"x"}]}}"#).contains("All([])"));
    let of_unsaved = r#"{"$relatedTo":{"key":"k","object":{"__type":"Pointer","className":"P"}}}"#;
    assert_eq!(where_ok(of_unsaved), "Or([])");
    let relative = where_ok(r#"{"a":{"$gt":{"$relativeTime":"now"}}}"#);
    assert!(relative.starts_with("OnTime("), "{relative}");
}

#[test]
fn boxes_with_both_corners_swapped_are_turned() {
    let within = |a: &str, b: &str| {
        let point = |c: &str| format!(r#"{{"__type":"GeoPoint",{c}}}"#);
        where_ok(&format!(
            r#"{{"a":{{"$within":{{"$box":[{},{}]}}}}}}"#,
            point(a),
            point(b)
        ))
    };
    let sw = r#""latitude":1,"longitude":2"#;
    let ne = r#""latitude":3,"longitude":4"#;
    assert_eq!(within(sw, ne), within(ne, sw));
    // West of its west alone: the box crosses the 180th meridian.
    let across = within(
        r#""latitude":1,"longitude":4"#,
        r#""latitude":3,"longitude":2"#,
    );
    assert!(across.starts_with("Or("), "{across}");
}

#[test]
fn wheres_that_are_refused_say_why() {
    let deep = format!("{}{{}}{}", r#"{"$or":["#.repeat(49), "]}".repeat(49));
    let table = [
        ("[]", 107, "where parameter is not valid JSON"),
        ("5", 107, "where parameter is not valid JSON"),
        (r#"{"$or":1}"#, 102, "Bad $or format - use an array value."),
        (r#"{"$or":[]}"#, 102, "Bad $or format - use an array value."),
        (
            r#"{"$or":[1]}"#,
            102,
            "Bad $or format - use an array value.",
        ),
        (
            r#"{"$and":{}}"#,
            102,
            "Bad $and format - use an array value.",
        ),
        (
            r#"{"$nor":[]}"#,
            102,
            "Bad $nor format - use an array of at least 1 value.",
        ),
        (r#"{"ACL":{}}"#, 102, "Cannot query on ACL."),
        (r#"{"$or":[{"ACL":1}]}"#, 102, "Cannot query on ACL."),
        (r#"{"$foo":1}"#, 105, "Invalid key name: $foo"),
        (
            r#"{"_hashed_password":{"$regex":"^a"}}"#,
            105,
            "Invalid key name: _hashed_password",
        ),
        (r#"{"$or":[{"_rperm":1}]}"#, 105, "Invalid key name: _rperm"),
        (r#"{"a'b":1}"#, 105, "Invalid key name: a'b"),
        (r#"{"a.b');--":1}"#, 105, "Invalid key name: a.b');--"),
        (r#"{"a.":1}"#, 105, "Invalid key name: a."),
        (r#"{"":1}"#, 105, "Invalid key name: "),
        (r#"{"a":{"$foo":1}}"#, 107, "bad constraint: $foo"),
        (r#"{"a":{"$where":"1"}}"#, 107, "bad constraint: $where"),
        (r#"{"a":{"$in":1}}"#, 107, "bad $in value"),
        (r#"{"a":{"$nin":{}}}"#, 107, "bad $nin value"),
        (r#"{"a":{"$all":"x"}}"#, 107, "bad $all value"),
        (
            r#"{"a":{"$containedBy":1}}"#,
            107,
            "bad $containedBy: should be an array",
        ),
        (
            r#"{"a":{"$all":[{"$regex":"^a"},"b"]}}"#,
            107,
            "All $all values must be of regex type or none: [object Object],b",
        ),
        (r#"{"a":{"$exists":"x"}}"#, 102, "bad $exists value"),
        (
            r#"{"a":{"$regex":1}}"#,
            102,
            "$regex value must be a string",
        ),
        (
            r#"{"a":{"$regex":"a","$options":"g"}}"#,
            102,
            "Bad $options value for query: g",
        ),
        (
            r#"{"a":{"$options":"i"}}"#,
            102,
            "Bad $options value for query: i",
        ),
        (
            r#"{"a":{"$not":1}}"#,
            107,
            "bad $not value: should hold operators",
        ),
        (
            r#"{"a":{"$maxDistance":1}}"#,
            107,
            "bad constraint: $maxDistance",
        ),
        (
            r#"{"a":{"$nearSphere":{"latitude":91,"longitude":0}}}"#,
            107,
            "bad $nearSphere value",
        ),
        (
            r#"{"a":{"$nearSphere":[0,0],"$maxDistance":-1}}"#,
            107,
            "bad $maxDistance value",
        ),
        (
            r#"{"a":{"$within":{"$box":[1]}}}"#,
            107,
            "malformatted $within arg",
        ),
        (r#"{"a":{"$within":1}}"#, 107, "malformatted $within arg"),
        (
            r#"{"a":{"$geoWithin":{"$polygon":[[0,0]]}}}"#,
            107,
            "bad $geoWithin value; $polygon should contain at least 3 GeoPoints",
        ),
        (
            r#"{"a":{"$geoWithin":{"$polygon":[[0,0],[0,1],[1,1]]}}}"#,
            102,
            "The $geoWithin.$polygon constraint is not supported by this server.",
        ),
        (
            r#"{"a":{"$geoWithin":{"$centerSphere":[[0,0],"x"]}}}"#,
            107,
            "bad $geoWithin value; $centerSphere distance invalid",
        ),
        (
            r#"{"a":{"$geoIntersects":{}}}"#,
            107,
            "bad $geoIntersect value; $point should be GeoPoint",
        ),
        (
            r#"{"a":{"$text":{"$search":"x"}}}"#,
            107,
            "bad $text: $search, should be object",
        ),
        (
            r#"{"a":{"$text":{"$search":{"$term":"x"}}}}"#,
            102,
            "The $text constraint is not supported by this server.",
        ),
        (
            r#"{"a":{"$eq":{"$relativeTime":"now"}}}"#,
            107,
            "$relativeTime can only be used with the $lt, $lte, $gt, and $gte operators",
        ),
        (
            r#"{"a":{"$gt":{"$relativeTime":"tomorrow"}}}"#,
            107,
            "bad $relativeTime ($gt) value. Time should either start with 'in' or end with 'ago'",
        ),
        (
            r#"{"a":{"$inQuery":{"where":{}}}}"#,
            102,
            "improper usage of $inQuery",
        ),
        (
            r#"{"a":{"$notInQuery":1}}"#,
            102,
            "improper usage of $notInQuery",
        ),
        (
            r#"{"a":{"$select":{"key":"b"}}}"#,
            102,
            "improper usage of $select",
        ),
        (
            r#"{"a":{"$dontSelect":{"key":1,"query":{}}}}"#,
            102,
            "improper usage of $dontSelect",
        ),
        (
            r#"{"$relatedTo":{"key":"a"}}"#,
            102,
            "improper usage of $relatedTo",
        ),
        (
            r#"{"a":{"__type":"Date","iso":"x"}}"#,
            111,
            "This is not a valid Date",
        ),
        (&deep, 107, ""),
    ];
    for (text, expected, message) in table {
        if text == deep {
            // 49 levels of logic fit; the brackets of 99 levels of JSON do, too.
            assert!(with(Rank::Client, text, filter).is_ok());
            continue;
        }
        assert_eq!(where_error(text), (expected, message.to_owned()), "{text}");
    }
}

#[test]
fn too_much_of_anything_is_refused() {
    let deep = Limits {
        filter_depth_max: 3,
        ..Limits::default()
    };
    let cx = Cx {
        limits: &deep,
        rank: Rank::Client,
        now: Timestamp::from_millis(0),
        public_url: "",
        allow_regex: true,
        custom_ids: false,
    };
    let nested = |levels: usize| {
        format!(
            "{}{{}}{}",
            r#"{"$and":["#.repeat(levels),
            "]}".repeat(levels)
        )
    };
    let run = |text: &str| {
        let json = parse(text.as_bytes(), &Limits::default()).unwrap();
        filter(&cx, &json).map(drop)
    };
    assert!(run(&nested(3)).is_ok());
    assert_eq!(
        run(&nested(4)).unwrap_err().reason(),
        Reason::QueryTooComplex
    );
    let wide = format!(r#"{{"$or":[{}]}}"#, vec![r#"{"a":1}"#; 10_001].join(","));
    assert_eq!(run(&wide).unwrap_err().reason(), Reason::QueryTooComplex);
    let long = format!(r#"{{"a":{{"$in":[{}]}}}}"#, vec!["1"; 20_001].join(","));
    assert_eq!(run(&long).unwrap_err().reason(), Reason::QueryTooComplex);
    let mut subqueries = "{}".to_owned();
    for _ in 0..11 {
        subqueries = format!(r#"{{"a":{{"$inQuery":{{"className":"A","where":{subqueries}}}}}}}"#);
    }
    assert_eq!(
        run(&subqueries).unwrap_err().reason(),
        Reason::QueryTooComplex
    );
}

#[test]
fn wheres_become_typed_tests() {
    let table = [
        ("{}", "And([])"),
        (r#"{"objectId":"x"}"#, r#"Eq(String("x"))"#),
        (
            r#"{"createdAt":{"$gt":"2001-09-09T01:46:40.000Z"}}"#,
            "Gt(Timestamp(",
        ),
        (r#"{"a.b":1.0}"#, r#"rest: ["b"] }, Eq(Int(1))"#),
        (r#"{"a":{}}"#, "Eq(Map({}))"),
        (r#"{"a":{"b":null}}"#, r#"Eq(Map({"b": Null}))"#),
        (r#"{"a":{"$in":[1,[2,3]]}}"#, "In([Int(1), Int(2), Int(3)])"),
        (r#"{"a":{"$exists":0}}"#, "Exists(false)"),
        (r#"{"a":{"$not":{"$gt":1}}}"#, "Not(And([Test("),
        (
            r#"{"a":{"$nearSphere":[10,20],"$maxDistanceInKilometers":6371}}"#,
            "radians_max: Some(1.0)",
        ),
        (
            r#"{"a":{"$within":{"$box":[[170,0],[-170,10]]}}}"#,
            "Or([Test(",
        ),
        (
            r#"{"p":{"__type":"Pointer","className":"A","objectId":"i"}}"#,
            r#"Eq(Reference(Reference { collection: "A", id: "i" }))"#,
        ),
        (
            r#"{"$relatedTo":{"object":{"__type":"Pointer","className":"A","objectId":"i"},"key":"k"}}"#,
            "RelatedTo",
        ),
        (
            r#"{"a":{"$inQuery":{"className":"B","where":{"c":1},"limit":5}}}"#,
            "limit: Some(5)",
        ),
        (
            r#"{"a":{"$dontSelect":{"key":"objectId","query":{"className":"B","where":{}}}}}"#,
            "negated: true",
        ),
        (
            r#"{"a":{"$lt":{"$relativeTime":"1 day ago"}}}"#,
            "seconds: 999913600",
        ),
        (r#"{"a":{"$all":[{"$regex":"^\\Qa\\E"}]}}"#, "AllMatch"),
    ];
    for (text, part) in table {
        let shown = where_ok(text);
        assert!(shown.contains(part), "{text}: {shown}");
    }
}

#[test]
fn a_distance_orders_unless_it_is_one_of_several_ways() {
    let near = |text: &str| with(Rank::Client, text, filter).unwrap().near.is_some();
    assert!(near(r#"{"a":{"$nearSphere":[0,0]}}"#));
    assert!(near(r#"{"$and":[{"a":{"$nearSphere":[0,0]}}]}"#));
    assert!(!near(r#"{"$or":[{"a":{"$nearSphere":[0,0]}}]}"#));
    assert!(!near(
        r#"{"a":{"$inQuery":{"className":"B","where":{"b":{"$nearSphere":[0,0]}}}}}"#
    ));
    assert!(!near(r#"{"a":{"$geoWithin":{"$centerSphere":[[0,0],1]}}}"#));
}
