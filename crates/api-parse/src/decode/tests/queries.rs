//! Options of queries.

use super::*;

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
