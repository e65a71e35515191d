//! Shapes in, engine types or errors out, as tables.

#![expect(clippy::too_many_lines, reason = "the length is that of the tables")]

use super::*;
use crate::encode;
use crate::json::{Json, parse};
use basalt_base::{Limits, Map, Value};
use basalt_data::{Create, FieldChange, Where};
use std::fmt::Debug;

fn with<T>(rank: Rank, text: &str, run: impl Fn(&Cx<'_>, &Json<'_>) -> T) -> T {
    let limits = Limits::default();
    let cx = Cx {
        limits: &limits,
        rank,
        now: Timestamp::from_millis(1_000_000_000_000),
        public_url: "https://api.example/parse",
        allow_regex: true,
        custom_ids: false,
    };
    let json = parse(text.as_bytes(), &limits).unwrap();
    run(&cx, &json)
}

fn code<T: Debug>(result: Result<T>) -> (i32, String) {
    let error = result.unwrap_err();
    match crate::errors::wire(error.reason()).1 {
        crate::errors::Form::Coded(code) => (code, error.message().to_owned()),
        form => panic!("{form:?}: {error:?}"),
    }
}

fn where_error(text: &str) -> (i32, String) {
    code(with(Rank::Client, text, filter))
}

fn where_ok(text: &str) -> String {
    format!("{:?}", with(Rank::Client, text, filter).unwrap().filter)
}

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

fn create_of(text: &str) -> Result<Create> {
    with(Rank::Client, text, |cx, json| {
        create(cx, "Thing", json.as_object().unwrap())
    })
}

#[test]
fn bodies_that_are_refused_say_why() {
    let table = [
        (r#"{"a-b":1}"#, 105, "Invalid field name: a-b."),
        (r#"{"1a":1}"#, 105, "Invalid field name: 1a."),
        (r#"{"_x":1}"#, 105, "Invalid field name: _x."),
        (r#"{"a..b":1}"#, 105, "Invalid field name: a..b."),
        (r#"{"length":1}"#, 105, "Invalid field name: length."),
        (r#"{"__proto__":1}"#, 105, "Invalid field name: __proto__."),
        (
            r#"{"objectId":"x"}"#,
            105,
            "objectId is an invalid field name.",
        ),
        (r#"{"id":"x"}"#, 105, "id is an invalid field name."),
        (
            r#"{"a":{"b.c":1}}"#,
            121,
            "Nested keys should not contain the '$' or '.' characters",
        ),
        (
            r#"{"a":[{"$b":1}]}"#,
            121,
            "Nested keys should not contain the '$' or '.' characters",
        ),
        (
            r#"{"a":{"__type":"Nope"}}"#,
            111,
            "This is not a valid Nope",
        ),
        (r#"{"a":{"__type":1}}"#, 111, "This is not a valid 1"),
        (
            r#"{"a":{"__type":"Date"}}"#,
            111,
            "This is not a valid Date",
        ),
        (
            r#"{"a":{"__type":"Bytes","base64":"!"}}"#,
            111,
            "This is not a valid Bytes",
        ),
        (
            r#"{"a":{"__type":"GeoPoint","latitude":100,"longitude":0}}"#,
            111,
            "This is not a valid GeoPoint",
        ),
        (
            r#"{"a":{"__type":"File"}}"#,
            111,
            "This is not a valid File",
        ),
        (
            r#"{"a":{"__type":"Pointer"}}"#,
            111,
            "This is not a valid Pointer",
        ),
        (
            r#"{"a":{"__type":"Pointer","className":"B","objectId":{"$ne":1}}}"#,
            106,
            "A pointer needs an objectId.",
        ),
        (
            r#"{"a":{"__type":"Polygon","coordinates":[[0,0],[0,1],[0,0]]}}"#,
            111,
            "GeoJSON: Loop must have at least 3 different vertices",
        ),
        (
            r#"{"a":{"__op":"Increment","amount":"1"}}"#,
            107,
            "incrementing must provide a number",
        ),
        (
            r#"{"a":{"__op":"Add"}}"#,
            107,
            "objects to add must be an array",
        ),
        (
            r#"{"a":{"__op":"Remove","objects":1}}"#,
            107,
            "objects to remove must be an array",
        ),
        (
            r#"{"a":{"__op":"Nope"}}"#,
            108,
            "The Nope operator is not supported yet.",
        ),
        (r#"{"a":{"__op":1}}"#, 107, "__op must be a string."),
        (
            r#"{"a":{"__op":"AddRelation","objects":[1]}}"#,
            106,
            "A pointer was expected.",
        ),
        (
            r#"{"a":{"__op":"Batch","ops":[{"__op":"Batch","ops":[]}]}}"#,
            107,
            "A Batch operation holds AddRelation and RemoveRelation only.",
        ),
        (r#"{"ACL":1}"#, 123, "Invalid ACL."),
        (r#"{"ACL":{"*":null}}"#, 123, "Invalid ACL."),
        (r#"{"ACL":{"*unresolved":{}}}"#, 123, "Invalid ACL."),
        (r#"{"ACL":{"*":{"read":"yes"}}}"#, 123, "Invalid ACL."),
        (r#"{"ACL":{"*":{"admin":true}}}"#, 123, "Invalid ACL."),
        (r#"{"ACL":{"role:":{}}}"#, 123, "Invalid ACL."),
    ];
    for (text, expected, message) in table {
        assert_eq!(
            code(create_of(text)),
            (expected, message.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn bodies_become_changes() {
    let table = [
        (r#"{"a":null}"#, "Set(Null)"),
        (
            r#"{"a":{"b":{"__op":"Increment","amount":2}}}"#,
            r#"Set(Map({"b": Int(2)}))"#,
        ),
        (r#"{"a":{"b":{"__op":"Delete"}}}"#, "Set(Map({}))"),
        (r#"{"a":{"__op":"Delete"}}"#, "Unset"),
        (
            r#"{"a":{"__op":"SetOnInsert","amount":"x"}}"#,
            "SetOnInsert(String",
        ),
        (
            r#"{"a":{"__type":"Relation","className":"B"}}"#,
            "DeclareRelation",
        ),
        (
            r#"{"a":[{"__type":"Odd","x":1}]}"#,
            r#""__type": String("Odd")"#,
        ),
        (
            r#"{"a":{"__op":"AddRelation","objects":[{"__type":"Pointer","className":"B","objectId":"1"}]}}"#,
            "AddRelation",
        ),
        (
            r#"{"a":{"__type":"Polygon","coordinates":[[0,0],[0,1],[1,1]]}}"#,
            "latitude: 1.0, longitude: 1.0 }, GeoPoint { latitude: 0.0, longitude: 0.0 }]",
        ),
        (
            r#"{"a":{"__type":"File","name":"f","url":"https://api.example/parse/files/x/f"}}"#,
            "url: None",
        ),
        (
            r#"{"a":{"__type":"File","name":"f","url":"https://cdn.example/f"}}"#,
            "url: Some(",
        ),
        (
            r#"{"a":{"__type":"File","name":"f","url":"javascript:x"}}"#,
            "url: None",
        ),
    ];
    for (text, part) in table {
        let shown = format!("{:?}", create_of(text).unwrap().fields);
        assert!(shown.contains(part), "{text}: {shown}");
    }
    let acl =
        create_of(r#"{"ACL":{"*":{"read":true},"u1":{"write":true},"role:x":{"read":false}}}"#);
    let acl = acl.unwrap().acl.unwrap();
    assert_eq!((acl.read.unwrap().len(), acl.write.unwrap().len()), (1, 1));
    let update = with(
        Rank::Client,
        r#"{"a.b.c":{"__op":"Increment","amount":1},"objectId":"z"}"#,
        |cx, json| update(cx, "Thing", "z", json.as_object().unwrap()),
    );
    let fields = update.unwrap().fields;
    assert!(matches!(&fields[..], [FieldChange::Field(op)] if op.path.rest.len() == 2));
}

#[test]
fn values_come_back_as_they_went_in() {
    let text = concat!(
        r#"{"a":1,"b":[true,null,"x",{"c":1.5}],"#,
        r#""d":{"__type":"Date","iso":"2026-11-21T10:20:30.456Z"},"#,
        r#""e":{"__type":"Bytes","base64":"AAEC"},"#,
        r#""f":{"__type":"GeoPoint","latitude":1.5,"longitude":-2},"#,
        r#""g":{"__type":"Pointer","className":"_User","objectId":"u"},"#,
        r#""h":{"__type":"Polygon","coordinates":[[0,0],[0,1],[1,1],[0,0]]},"#,
        r#""i":{"__type":"File","name":"a b","url":"https://api.example/parse/files/app/a%20b"}}"#,
    );
    let map = with(Rank::Client, text, |cx, json| {
        let object = json.as_object().unwrap();
        let entry = |(k, v): (&str, &Json<'_>)| (k.to_owned(), value(cx, v).unwrap());
        object.iter().map(entry).collect::<Map>()
    });
    let files = encode::Files {
        public_url: "https://api.example/parse",
        app: "app",
    };
    let mut out = Vec::new();
    encode::plain_map(&mut out, &map, files);
    assert_eq!(String::from_utf8(out).unwrap(), text);
}

#[test]
fn options_of_queries() {
    let find = |text: &str| {
        with(Rank::Client, text, |cx, json| {
            super::find(cx, "Thing", json.as_object().unwrap())
        })
    };
    let query = find(
        r#"{"order":"-a, b","keys":"a,b.c,objectId","include":["b","d.e"],"limit":"7","skip":0,"count":1}"#,
    )
    .unwrap();
    assert_eq!(
        (query.sort.len(), query.limit, query.count),
        (2, Some(7), true)
    );
    assert_eq!(query.keys.unwrap().len(), 2);
    let none = find(r#"{"keys":""}"#).unwrap();
    assert_eq!(none.keys.as_deref(), Some(&[][..]));
    let below = query.include.child("b").unwrap();
    assert_eq!(below.keys.as_ref().unwrap().len(), 1);
    assert!(query.include.child("d").unwrap().child("e").unwrap().here);
    assert!(find(r#"{"include":"*"}"#).unwrap().include_all);
    let deep = format!(r#"{{"include":"{}"}}"#, ["a"; 11].join("."));
    let table = [
        (r#"{"foo":1}"#, 102, "Invalid parameter for query: foo"),
        (
            r#"{"_ApplicationId":"x"}"#,
            102,
            "Invalid parameter for query: _ApplicationId",
        ),
        (r#"{"where":"{"}"#, 107, "where parameter is not valid JSON"),
        (
            r#"{"limit":"x"}"#,
            102,
            "limit must be a whole number from 0.",
        ),
        (
            r#"{"limit":-1}"#,
            102,
            "limit must be a whole number from 0.",
        ),
        (
            r#"{"skip":1.5}"#,
            102,
            "skip must be a whole number from 0.",
        ),
        (
            r#"{"skip":2000000000}"#,
            102,
            "skip is larger than the limit.",
        ),
        (r#"{"keys":{}}"#, 102, "keys must be text."),
        (r#"{"order":"a'b"}"#, 105, "Invalid field name: a'b."),
        (
            r#"{"order":"_hashed_password"}"#,
            105,
            "Invalid field name: _hashed_password.",
        ),
        (r#"{"explain":"x"}"#, 102, "Invalid value for explain"),
        (
            r#"{"explain":true}"#,
            102,
            "Using the explain query parameter requires the master key",
        ),
        (&deep, 102, "include is too deep."),
    ];
    for (text, expected, message) in table {
        assert_eq!(code(find(text)), (expected, message.to_owned()), "{text}");
    }
}

#[test]
fn schemas_that_are_refused_say_why() {
    let run = |text: &str| {
        code(with(Rank::Master, text, |cx, json| {
            schema(
                cx,
                SchemaVerb::Create,
                "Thing",
                json.as_object().unwrap(),
                None,
            )
        }))
    };
    let table = [
        (
            r#"{"fields":{"a":{"type":"Odd"}}}"#,
            111,
            "invalid field type: Odd",
        ),
        (r#"{"fields":{"a":{"type":1}}}"#, 107, "invalid JSON"),
        (
            r#"{"fields":{"a":{"type":"Pointer"}}}"#,
            135,
            "type Pointer needs a class name",
        ),
        (
            r#"{"fields":{"a":{"type":"Pointer","targetClass":{}}}}"#,
            107,
            "invalid JSON",
        ),
        (
            r#"{"fields":{"0a":{"type":"String"}}}"#,
            105,
            "invalid field name: 0a",
        ),
        (
            r#"{"fields":{"objectId":{"type":"String"}}}"#,
            136,
            "field objectId cannot be added",
        ),
        (
            r#"{"fields":{"a":{"type":"Number","defaultValue":"x"}}}"#,
            111,
            "schema mismatch for Thing.a default value; expected Number but got String",
        ),
        (
            r#"{"fields":{"a":{"type":"Relation","targetClass":"B","required":true}}}"#,
            111,
            "The 'required' option is not applicable for Relation<B>",
        ),
        (
            r#"{"classLevelPermissions":{"find":{"* ":true}}}"#,
            107,
            "'* ' is not a valid key for class level permissions",
        ),
        (
            r#"{"classLevelPermissions":{"dig":{}}}"#,
            107,
            "dig is not a valid operation for class level permissions",
        ),
        (
            r#"{"classLevelPermissions":{"find":{"*":1}}}"#,
            107,
            "'1' is not a valid value for class level permissions find:*:1",
        ),
        (
            r#"{"classLevelPermissions":{"find":"x"}}"#,
            107,
            "'x' is not a valid value for class level permissions find - must be an object",
        ),
        (
            r#"{"classLevelPermissions":{"readUserFields":{}}}"#,
            107,
            "'[object Object]' is not a valid value for class level permissions readUserFields - must be an array",
        ),
        (
            r#"{"classLevelPermissions":{"writeUserFields":["a"]}}"#,
            107,
            "'a' is not a valid column for class level pointer permissions writeUserFields",
        ),
        (
            r#"{"classLevelPermissions":{"protectedFields":{"*":["a"]}}}"#,
            107,
            "Field 'a' in protectedFields:* does not exist",
        ),
        (
            r#"{"classLevelPermissions":{"protectedFields":{"*":["objectId"]}}}"#,
            107,
            "Default field 'objectId' can not be protected",
        ),
    ];
    for (text, expected, message) in table {
        assert_eq!(run(text), (expected, message.to_owned()), "{text}");
    }
}

#[test]
fn pipelines_are_translated() {
    let run = |text: &str| {
        with(Rank::Master, text, |cx, json| {
            aggregate(cx, "Thing", json.as_object().unwrap(), json, None)
        })
    };
    let ok = |text: &str| match run(text).unwrap() {
        Aggregate::Pipeline(Value::Array(stages)) => {
            let mut out = Vec::new();
            let files = encode::Files {
                public_url: "",
                app: "",
            };
            for stage in stages {
                let map = stage.as_map().cloned().unwrap();
                encode::plain_map(&mut out, &map, files);
            }
            String::from_utf8(out).unwrap()
        }
        other => panic!("{other:?}"),
    };
    let table = [
        (
            r#"{"pipeline":[{"$group":{"_id":"$createdAt","n":{"$sum":"$_p_x"}}}]}"#,
            r#"{"$group":{"_id":"$_created_at","n":{"$sum":"$x"}}}"#,
        ),
        (
            r#"{"pipeline":{"$match":{"objectId":"a","createdAt":{"$gt":"2020-01-01"}}}}"#,
            r#"{"$match":{"_id":"a","_created_at":{"$gt":{"__type":"Date","iso":"2020-01-01T00:00:00.000Z"}}}}"#,
        ),
        (
            r#"{"project":{"updatedAt":1}}"#,
            r#"{"$project":{"_updated_at":1}}"#,
        ),
        (
            r#"{"$group":{"_id":null,"createdAt":{"$max":"$createdAt"}},"$sort":{"createdAt":1}}"#,
            r#"{"$group":{"_id":null,"createdAt":{"$max":"$_created_at"}}}{"$sort":{"createdAt":1}}"#,
        ),
        (r#"{"$unwind":"$list"}"#, r#"{"$unwind":"$list"}"#),
        (r#"{"$limit":5,"hint":"x"}"#, r#"{"$limit":5}"#),
    ];
    for (text, expected) in table {
        assert_eq!(ok(text), expected, "{text}");
    }
    let table = [
        (r#"{"$odd":1}"#, "Invalid aggregate stage '$odd'."),
        (
            r#"{"$group":{"objectId":1}}"#,
            "Cannot use 'objectId' in aggregation stage $group.",
        ),
        (
            r#"{"$group":{}}"#,
            "Invalid parameter for query: group. Missing key _id",
        ),
        (
            r#"{"pipeline":[{"$sort":1,"$skip":1}]}"#,
            "Pipeline stages should only have one key but found $sort, $skip.",
        ),
    ];
    for (text, message) in table {
        assert_eq!(code(run(text)), (102, message.to_owned()), "{text}");
    }
    assert!(matches!(
        run(r#"{"distinct":"a.b","where":{"c":1}}"#),
        Ok(Aggregate::Distinct(..))
    ));
}

#[test]
fn only_clients_are_kept_from_internal_names() {
    let text = r#"{"_email_verify_token":{"$exists":true}}"#;
    assert!(with(Rank::Client, text, filter).is_err());
    assert!(with(Rank::ReadOnlyMaster, text, filter).is_err());
    let found = with(Rank::Master, text, filter).unwrap().filter;
    assert!(matches!(found, Where::Test(..)));
}
