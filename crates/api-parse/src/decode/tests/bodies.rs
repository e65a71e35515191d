//! Objects and their operations.

use super::*;

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
