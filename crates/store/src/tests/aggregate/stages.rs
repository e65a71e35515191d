//! Stages.

use super::{gives, run, run_within, v};
use crate::aggregate::{Executor, Stage, parse, record_to_doc, split_leading_match};
use crate::{Acl, Record};
use basalt_base::{Error, Map, Reason, Timestamp, Value};
use std::ops::ControlFlow;

const SALES: &str = r#"[
    {"_id":"1","item":"pen","n":2,"price":1.5,"tags":["a","b"]},
    {"_id":"2","item":"ink","n":1,"price":8,"tags":[]},
    {"_id":"3","item":"pen","n":5,"price":1.25,"tags":["b"]},
    {"_id":"4","item":"pad","n":null,"tags":null},
    {"_id":"5","item":"pen","n":"x","price":0.25}
]"#;

#[test]
fn match_sort_skip_limit() {
    gives(
        SALES,
        r#"[{"$match":{"item":"pen","price":{"$lt":1.5}}},{"$project":{"_id":1}}]"#,
        r#"[{"_id":"3"},{"_id":"5"}]"#,
    );
    gives(
        SALES,
        r#"[{"$sort":{"item":1,"price":-1}},{"$skip":1},{"$limit":3},{"$project":{"_id":1}}]"#,
        r#"[{"_id":"4"},{"_id":"1"},{"_id":"3"}]"#,
    );
    gives(
        SALES,
        r#"[{"$limit":3},{"$match":{"item":"pen"}},{"$sort":{"_id":-1}},{"$project":{"n":1}}]"#,
        r#"[{"_id":"3","n":5},{"_id":"1","n":2}]"#,
    );
    gives(
        SALES,
        r#"[{"$match":{"_id":{"$in":["2","9"]}}},{"$count":"found"}]"#,
        r#"[{"found":1}]"#,
    );
    gives(
        SALES,
        r#"[{"$match":{"_id":"9"}},{"$count":"found"}]"#,
        "[]",
    );
}

#[test]
fn groups() {
    gives(
        SALES,
        r#"[{"$group":{"_id":"$item","n":{"$sum":"$n"},"c":{"$sum":1},"avg":{"$avg":"$price"}}}]"#,
        r#"[{"_id":"pen","n":7,"c":3,"avg":1},{"_id":"ink","n":1,"c":1,"avg":8},
            {"_id":"pad","n":0,"c":1,"avg":null}]"#,
    );
    gives(
        SALES,
        r#"[{"$group":{"_id":null,"min":{"$min":"$n"},"max":{"$max":"$n"},"c":{"$count":{}},
            "first":{"$first":"$n"},"last":{"$last":"$price"},"none":{"$max":"$x"}}}]"#,
        r#"[{"_id":null,"min":1,"max":"x","c":5,"first":2,"last":0.25,"none":null}]"#,
    );
    gives(
        SALES,
        r#"[{"$group":{"_id":null,"p":{"$push":"$price"},"s":{"$addToSet":"$item"},
            "l":{"$last":"$x"}}}]"#,
        r#"[{"_id":null,"p":[1.5,8,1.25,0.25],"s":["pen","ink","pad"],"l":null}]"#,
    );
    gives(
        SALES,
        r#"[{"$group":{"_id":{"i":"$item","none":"$x"},"c":{"$sum":1}}},
            {"$match":{"_id.i":{"$ne":"pen"}}},{"$sort":{"_id.i":1}}]"#,
        r#"[{"_id":{"i":"ink"},"c":1},{"_id":{"i":"pad"},"c":1}]"#,
    );
    gives(
        r#"[{"n":1},{"n":1.0},{"n":"1"},{"n":null},{},{"n":9007199254740993}]"#,
        r#"[{"$group":{"_id":"$n","c":{"$sum":1}}}]"#,
        r#"[{"_id":1,"c":2},{"_id":"1","c":1},{"_id":null,"c":2},{"_id":9007199254740993,"c":1}]"#,
    );
    gives(
        r#"[{"n":9223372036854775807},{"n":1},{"n":-1}]"#,
        r#"[{"$group":{"_id":null,"s":{"$sum":"$n"}}}]"#,
        r#"[{"_id":null,"s":9223372036854775807}]"#,
    );
    gives(
        SALES,
        r#"[{"$sortByCount":"$item"},{"$limit":1}]"#,
        r#"[{"_id":"pen","count":3}]"#,
    );
    gives("[]", r#"[{"$group":{"_id":null,"s":{"$sum":1}}}]"#, "[]");
}

#[test]
fn unwind() {
    gives(
        SALES,
        r#"[{"$unwind":"$tags"},{"$project":{"tags":1}}]"#,
        r#"[{"_id":"1","tags":"a"},{"_id":"1","tags":"b"},{"_id":"3","tags":"b"}]"#,
    );
    gives(
        SALES,
        r#"[{"$unwind":{"path":"$tags","includeArrayIndex":"at","preserveNullAndEmptyArrays":true}},
            {"$project":{"tags":1,"at":1}}]"#,
        r#"[{"_id":"1","tags":"a","at":0},{"_id":"1","tags":"b","at":1},{"_id":"2","at":null},
            {"_id":"3","tags":"b","at":0},{"_id":"4","tags":null,"at":null},
            {"_id":"5","at":null}]"#,
    );
    gives(
        r#"[{"a":{"b":[1,2]}},{"a":{"b":7}},{"a":[{"b":[1]}]},{"a":{"b":[]}}]"#,
        r#"[{"$unwind":"$a.b"}]"#,
        r#"[{"a":{"b":1}},{"a":{"b":2}},{"a":{"b":7}}]"#,
    );
    gives(
        r#"[{"a":{"b":[]}}]"#,
        r#"[{"$unwind":{"path":"$a.b","preserveNullAndEmptyArrays":true}}]"#,
        r#"[{"a":{}}]"#,
    );
    gives(
        SALES,
        r#"[{"$unwind":"$tags"},{"$limit":2},{"$count":"n"}]"#,
        r#"[{"n":2}]"#,
    );
}

#[test]
fn project() {
    let docs = r#"[{"_id":"1","a":{"b":1,"c":2},"l":[{"b":1,"c":2},7,[{"b":3}]],"n":5}]"#;
    let cases = [
        (r#"{"n":1}"#, r#"{"_id":"1","n":5}"#),
        (r#"{"n":true,"_id":0}"#, r#"{"n":5}"#),
        (r#"{"_id":1}"#, r#"{"_id":"1"}"#),
        (r#"{"_id":0,"l":0}"#, r#"{"a":{"b":1,"c":2},"n":5}"#),
        (
            r#"{"_id":0}"#,
            r#"{"a":{"b":1,"c":2},"l":[{"b":1,"c":2},7,[{"b":3}]],"n":5}"#,
        ),
        (r#"{"l":0,"a":0,"_id":1}"#, r#"{"_id":"1","n":5}"#),
        (r#"{"a.b":1}"#, r#"{"_id":"1","a":{"b":1}}"#),
        (r#"{"a":{"b":1}}"#, r#"{"_id":"1","a":{"b":1}}"#),
        (r#"{"l.b":1,"_id":0}"#, r#"{"l":[{"b":1},[{"b":3}]]}"#),
        (
            r#"{"l.b":0,"a":0,"_id":0}"#,
            r#"{"l":[{"c":2},7,[{}]],"n":5}"#,
        ),
        (r#"{"x":"$a.b","_id":0}"#, r#"{"x":1}"#),
        (r#"{"x":"$none","n":1}"#, r#"{"_id":"1","n":5}"#),
        (r#"{"x.y":{"$add":["$n",1]},"_id":0}"#, r#"{"x":{"y":6}}"#),
        (r#"{"a.z":"$n","a.b":1,"_id":0}"#, r#"{"a":{"b":1,"z":5}}"#),
        (r#"{"l":["$n","$none"],"_id":0}"#, r#"{"l":[5,null]}"#),
        (r#"{"n":"$a.c","_id":"$n"}"#, r#"{"n":2,"_id":5}"#),
        (r#"{"b":"$l.b","_id":0}"#, r#"{"b":[1]}"#),
    ];
    for (project, expected) in cases {
        let stages = format!(r#"[{{"$project":{project}}}]"#);
        gives(docs, &stages, &format!("[{expected}]"));
    }
    gives(
        docs,
        r#"[{"$addFields":{"n":{"$add":["$n",1]},"a.d":"$n","x":"$none"}},{"$unset":["l","a.b"]}]"#,
        r#"[{"_id":"1","a":{"c":2,"d":5},"n":6}]"#,
    );
    gives(
        docs,
        r#"[{"$unset":"l"},{"$set":{"a":1}}]"#,
        r#"[{"_id":"1","a":1,"n":5}]"#,
    );
}

#[test]
fn memory_is_bounded() {
    let many: Vec<String> = (0..5_000)
        .map(|n| format!(r#"{{"n":{n},"k":{}}}"#, n % 3))
        .collect();
    let docs = format!("[{}]", many.join(","));
    let all = 100_000;
    for stages in [
        r#"[{"$sort":{"n":1}}]"#,
        r#"[{"$group":{"_id":"$n"}}]"#,
        r#"[{"$group":{"_id":null,"all":{"$push":"$$ROOT"}}}]"#,
        r#"[{"$group":{"_id":null,"all":{"$addToSet":"$n"}}}]"#,
        "[]",
    ] {
        let error = run_within(&docs, stages, all).expect_err(stages);
        assert_eq!(error.reason(), Reason::QueryTooComplex, "{stages}");
    }
    let grouped = run_within(&docs, r#"[{"$group":{"_id":"$k","n":{"$sum":"$n"}}}]"#, all);
    assert_eq!(grouped.unwrap().as_array().unwrap().len(), 3);
    let counted = run_within(&docs, r#"[{"$sort":{"n":1}},{"$limit":1}]"#, 500_000);
    assert_eq!(counted.unwrap(), v(r#"[{"n":0,"k":0}]"#));
}

#[test]
fn a_sort_with_a_limit_is_the_same_and_holds_less() {
    let many: Vec<String> = (0..9_000)
        .map(|n| format!(r#"{{"n":{},"at":{n}}}"#, n * 7919 % 501))
        .collect();
    let docs = format!("[{}]", many.join(","));
    let limited = run_within(&docs, r#"[{"$sort":{"n":-1}},{"$limit":40}]"#, 700_000).unwrap();
    let all = run_within(&docs, r#"[{"$sort":{"n":-1}}]"#, 100_000_000).unwrap();
    assert_eq!(limited.as_array().unwrap(), &all.as_array().unwrap()[..40]);
}

#[test]
fn it_stops_when_told_or_when_it_has_enough() {
    let mut asked = 0;
    let check = move || {
        asked += 1;
        if asked > 2 {
            return Err(Error::new(Reason::Cancelled, "The caller left."));
        }
        Ok(())
    };
    let stages = parse(&v(r#"[{"$match":{"n":1}}]"#)).unwrap();
    let mut executor = Executor::new(stages, 1_000, Box::new(check));
    let failed = (0..10_000).find_map(|_| executor.push(Map::new()).err());
    assert_eq!(failed.unwrap().reason(), Reason::Cancelled);
    let stages = parse(&v(r#"[{"$skip":1},{"$limit":2}]"#)).unwrap();
    let mut executor = Executor::new(stages, 1_000_000, Box::new(|| Ok(())));
    let flow: Vec<bool> = (0..4)
        .map(|_| executor.push(Map::new()).unwrap().is_break())
        .collect();
    assert_eq!(flow, [false, false, true, true]);
    assert_eq!(executor.push(Map::new()).unwrap(), ControlFlow::Break(()));
    assert_eq!(executor.finish().unwrap().len(), 2);
}

#[test]
fn objects_become_documents_and_matches_split_off() {
    let record = Record {
        id: "x".into(),
        created_at: Timestamp::from_millis(1),
        updated_at: Timestamp::from_millis(2),
        rev: 1,
        acl: Acl::default(),
        fields: vec![("n".into(), Value::Int(5))],
    };
    let doc = Value::Map(record_to_doc(&record));
    let wanted = v(r#"{"_id":"x","n":5,"_created_at":{"@t":1},"_updated_at":{"@t":2}}"#);
    assert_eq!(doc, wanted);
    let stages = parse(&v(
        r#"[{"$match":{"n":5}},{"$match":{"_id":"x"}},{"$limit":1},{"$match":{}}]"#,
    ));
    let (filter, rest) = split_leading_match(stages.unwrap());
    assert!(crate::eval::matches(&filter.unwrap(), &record).unwrap());
    assert!(matches!(
        rest.as_slice(),
        [Stage::Limit(1), Stage::Match(_)]
    ));
    assert!(split_leading_match(vec![Stage::Limit(1)]).0.is_none());
    assert_eq!(run("[{}]", "[]").unwrap(), v("[{}]"));
}
