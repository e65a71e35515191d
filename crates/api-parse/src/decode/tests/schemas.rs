//! Schemas.

use super::*;

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
