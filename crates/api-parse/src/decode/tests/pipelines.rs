//! Pipelines of aggregates, and who may name what.

use super::*;

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
