//! What the parser takes and refuses.

use super::v;
use crate::aggregate::{parse, parse_filter, parse_with};
use basalt_base::{Limits, Reason, Value};

#[test]
fn what_is_unknown_is_named() {
    let cases = [
        (r#"[{"$facet":{}}]"#, "$facet"),
        (r#"[{"$lookup":{}}]"#, "$lookup"),
        (r#"[{"$out":"x"}]"#, "$out"),
        (r#"[{"$match":{"a":{"$type":"string"}}}]"#, "$type"),
        (r#"[{"$match":{"a":{"$elemMatch":{}}}}]"#, "$elemMatch"),
        (r#"[{"$match":{"$expr":{"$eq":[1,1]}}}]"#, "$expr"),
        (r#"[{"$match":{"$where":"1"}}]"#, "$where"),
        (r#"[{"$match":{"a":{"$not":{"$size":1}}}}]"#, "$size"),
        (
            r#"[{"$group":{"_id":null,"a":{"$stdDevPop":"$x"}}}]"#,
            "$stdDevPop",
        ),
        (r#"[{"$project":{"a":{"$map":{}}}}]"#, "$map"),
        (
            r#"[{"$project":{"a":{"$add":[{"$function":{}}]}}}]"#,
            "$function",
        ),
        (r#"[{"$project":{"a":"$$NOW"}}]"#, "$$NOW"),
        (r#"[{"$sort":{"a":{"$meta":"textScore"}}}]"#, "$meta"),
    ];
    for (stages, name) in cases {
        let error = parse(&v(stages)).expect_err(stages);
        assert_eq!(
            error.reason(),
            Reason::UnsupportedQuery,
            "{stages}: {error:?}"
        );
        assert_eq!(error.message(), name, "{stages}");
    }
}

#[test]
fn wrong_shapes_are_invalid() {
    let cases = [
        "{}",
        "[1]",
        "[{}]",
        r#"[{"$match":{},"$limit":1}]"#,
        r#"[{"$match":[]}]"#,
        r#"[{"$match":{"$or":{}}}]"#,
        r#"[{"$match":{"$and":[]}}]"#,
        r#"[{"$match":{"$or":[1]}}]"#,
        r#"[{"$match":{"a":{"$in":1}}}]"#,
        r#"[{"$match":{"a":{"$exists":"x"}}}]"#,
        r#"[{"$match":{"a":{"$not":1}}}]"#,
        r#"[{"$match":{"a":{"$regex":1}}}]"#,
        r#"[{"$match":{"a":{"$regex":"("}}}]"#,
        r#"[{"$match":{"a":{"$regex":"a","$options":"z"}}}]"#,
        r#"[{"$match":{"a..b":1}}]"#,
        r#"[{"$match":{"a.$b":1}}]"#,
        r#"[{"$limit":0}]"#,
        r#"[{"$limit":-1}]"#,
        r#"[{"$limit":1.5}]"#,
        r#"[{"$skip":"1"}]"#,
        r#"[{"$sort":{}}]"#,
        r#"[{"$sort":{"a":2}}]"#,
        r#"[{"$sort":"a"}]"#,
        r#"[{"$group":{"a":{"$sum":1}}}]"#,
        r#"[{"$group":{"_id":null,"a":1}}]"#,
        r#"[{"$group":{"_id":null,"a.b":{"$sum":1}}}]"#,
        r#"[{"$group":{"_id":null,"a":{"$sum":1,"$avg":1}}}]"#,
        r#"[{"$project":{}}]"#,
        r#"[{"$project":{"a":1,"b":0}}]"#,
        r#"[{"$project":{"a":"$b","c":0}}]"#,
        r#"[{"$project":{"a":1,"a.b":1}}]"#,
        r#"[{"$project":{"a.b":1,"a":1}}]"#,
        r#"[{"$project":{"$a":1}}]"#,
        r#"[{"$project":{"a":{"$add":1,"$subtract":2}}}]"#,
        r#"[{"$project":{"a":{"$subtract":[1]}}}]"#,
        r#"[{"$project":{"a":{"$cond":{"if":1}}}}]"#,
        r#"[{"$project":{"a":{"$cond":{"if":1,"then":1,"else":1,"x":1}}}}]"#,
        r#"[{"$project":{"a":"$"}}]"#,
        r#"[{"$project":{"a":"$b..c"}}]"#,
        r#"[{"$unwind":"a"}]"#,
        r#"[{"$unwind":1}]"#,
        r#"[{"$unwind":{"path":"$a","other":1}}]"#,
        r#"[{"$unwind":{"includeArrayIndex":"x"}}]"#,
        r#"[{"$count":"$a"}]"#,
        r#"[{"$count":""}]"#,
        r#"[{"$unset":1}]"#,
    ];
    for stages in cases {
        let error = parse(&v(stages)).expect_err(stages);
        assert_eq!(error.reason(), Reason::InvalidQuery, "{stages}: {error:?}");
    }
}

#[test]
fn limits_hold() {
    let limits = Limits {
        pipeline_stages_max: 3,
        filter_nodes_max: 20,
        filter_depth_max: 5,
        list_values_max: 4,
        regex_bytes_max: 10,
        ..Limits::default()
    };
    let nested = |n| {
        format!(
            r#"[{{"$match":{}{{"a":1}}{}}}]"#,
            r#"{"$or":["#.repeat(n),
            "]}".repeat(n)
        )
    };
    let deep = |n| {
        let (open, close) = (r#"{"$not":["#.repeat(n), "]}".repeat(n));
        format!(r#"[{{"$project":{{"a":{open}1{close}}}}}]"#)
    };
    let wide = |n: usize| {
        format!(
            r#"[{{"$match":{{"$or":[{}]}}}}]"#,
            vec![r#"{"a":1}"#; n].join(",")
        )
    };
    let good = [
        nested(5),
        deep(2),
        wide(19),
        r#"[{"$match":{"a":{"$in":[1,2,3,4]}}}]"#.to_owned(),
    ];
    for stages in good {
        parse_with(&v(&stages), &limits).unwrap_or_else(|e| panic!("{stages}: {e:?}"));
    }
    let bad = [
        nested(6),
        deep(6),
        wide(20),
        r#"[{"$match":{"a":{"$in":[1,2,3,4,5]}}}]"#.to_owned(),
        r#"[{"$match":{"a":{"$regex":"aaaaaaaaaaa"}}}]"#.to_owned(),
        format!("[{}]", [r#"{"$skip":1}"#; 4].join(",")),
    ];
    for stages in bad {
        let error = parse_with(&v(&stages), &limits).expect_err(&stages);
        assert_eq!(
            error.reason(),
            Reason::QueryTooComplex,
            "{stages}: {error:?}"
        );
    }
}

#[test]
fn filters_mean_what_mongo_means() {
    let document = v(r#"{"_id":"x","a":{"b":[1,2]},"s":"Hello","n":5,"z":null}"#);
    let document = document.as_map().unwrap();
    let cases = [
        ("{}", true),
        (r#"{"_id":"x"}"#, true),
        (r#"{"a.b":2}"#, true),
        (r#"{"a":{"b":[1,2]}}"#, true),
        (r#"{"n":{"$gt":4,"$lt":6,"$ne":7}}"#, true),
        (r#"{"n":{"$gte":6}}"#, false),
        (r#"{"n":{"$lte":5},"s":{"$eq":"Hello"}}"#, true),
        (r#"{"n":{"$in":[1,5]}}"#, true),
        (r#"{"n":{"$nin":[1,5]}}"#, false),
        (r#"{"z":null,"none":null}"#, true),
        (r#"{"z":{"$exists":true},"none":{"$exists":0}}"#, true),
        (r#"{"a.b":{"$all":[2,1]}}"#, true),
        (r#"{"s":{"$regex":"^hel","$options":"i"}}"#, true),
        (r#"{"s":{"$options":"i","$regex":"^hel"}}"#, true),
        (r#"{"n":{"$not":{"$gt":4,"$lt":5}}}"#, true),
        (r#"{"n":{"$not":{"$gt":4,"$lt":6}}}"#, false),
        (r#"{"$or":[{"n":1},{"s":"Hello"}]}"#, true),
        (r#"{"$nor":[{"n":1},{"s":"Hello"}]}"#, false),
        (r#"{"$and":[{"n":5},{"n":{"$lt":9}}],"$comment":"x"}"#, true),
    ];
    for (filter, expected) in cases {
        let Value::Map(map) = v(filter) else {
            panic!("a filter is a map");
        };
        let parsed = parse_filter(&map).unwrap_or_else(|e| panic!("{filter}: {e:?}"));
        let matched = crate::eval::matches_map(&parsed, document).unwrap();
        assert_eq!(matched, expected, "{filter}");
    }
}
