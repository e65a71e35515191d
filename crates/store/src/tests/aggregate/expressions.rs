//! Expressions.

use super::{gives, run, v};
use basalt_base::Reason;

const DOC: &str = r#"[{"a":7,"b":2,"h":2.5,"s":"Grüße","l":[1,2,3],"z":null,"o":{"k":[{"x":1},{"x":2}]},
    "at":{"@t":1764633599999},"r":{"@r":["A","x"]}}]"#;

/// Asserts the value of an expression over [`DOC`]; `""` for missing.
fn is(expression: &str, expected: &str) {
    let stages = format!(r#"[{{"$project":{{"_id":0,"r":{expression}}}}}]"#);
    let expected = if expected.is_empty() {
        "[{}]".to_owned()
    } else {
        format!(r#"[{{"r":{expected}}}]"#)
    };
    gives(DOC, &stages, &expected);
}

fn refused(expression: &str) {
    let stages = format!(r#"[{{"$project":{{"r":{expression}}}}}]"#);
    let error = run(DOC, &stages).unwrap_err();
    assert_eq!(
        error.reason(),
        Reason::InvalidQuery,
        "{expression}: {error:?}"
    );
}

#[test]
fn arithmetic() {
    let cases = [
        (r#"{"$add":["$a","$b",1]}"#, "10"),
        (r#"{"$add":["$a","$h"]}"#, "9.5"),
        (r#"{"$add":[0.5,0.5]}"#, "1"),
        (r#"{"$add":[9223372036854775807,1]}"#, "9223372036854775808"),
        (r#"{"$add":["$a","$none"]}"#, "null"),
        (r#"{"$add":["$a","$z"]}"#, "null"),
        (r#"{"$add":[]}"#, "0"),
        (r#"{"$add":["$at",1]}"#, r#"{"@t":1764633600000}"#),
        (r#"{"$subtract":["$a","$b"]}"#, "5"),
        (r#"{"$subtract":["$at","$at"]}"#, "0"),
        (r#"{"$subtract":["$at",999]}"#, r#"{"@t":1764633599000}"#),
        (r#"{"$multiply":["$a","$h"]}"#, "17.5"),
        (
            r#"{"$multiply":[4294967296,4294967296]}"#,
            "18446744073709551616",
        ),
        (r#"{"$divide":["$a","$b"]}"#, "3.5"),
        (r#"{"$divide":[6,2]}"#, "3"),
        (r#"{"$mod":["$a",4]}"#, "3"),
        (r#"{"$mod":[-7,4]}"#, "-3"),
        (r#"{"$mod":[7.5,2]}"#, "1.5"),
        (r#"{"$abs":-2.5}"#, "2.5"),
        (r#"{"$ceil":2.1}"#, "3"),
        (r#"{"$floor":-2.1}"#, "-3"),
        (r#"{"$round":2.5}"#, "2"),
        (r#"{"$round":[3.14159,2]}"#, "3.14"),
        (r#"{"$round":[1250,-2]}"#, "1200"),
        (r#"{"$trunc":-2.9}"#, "-2"),
        (r#"{"$abs":"$z"}"#, "null"),
    ];
    for (e, expected) in cases {
        is(e, expected);
    }
    for e in [
        r#"{"$add":["$a","$s"]}"#,
        r#"{"$divide":["$a",0]}"#,
        r#"{"$mod":["$a",0]}"#,
        r#"{"$multiply":[1e300,1e300]}"#,
        r#"{"$round":[1.5,1000]}"#,
        r#"{"$add":["$at","$at"]}"#,
        r#"{"$abs":"$s"}"#,
    ] {
        refused(e);
    }
}

#[test]
fn text_and_lists() {
    let cases = [
        (r#"{"$concat":["$s"," ","x"]}"#, r#""Grüße x""#),
        (r#"{"$concat":["$s","$z"]}"#, "null"),
        (r#"{"$toUpper":"$s"}"#, r#""GRÜSSE""#),
        (r#"{"$toLower":"$s"}"#, r#""grüße""#),
        (r#"{"$toLower":"$none"}"#, r#""""#),
        (r#"{"$substr":["$s",1,3]}"#, r#""rüß""#),
        (r#"{"$substrCP":["$s",3,-1]}"#, r#""ße""#),
        (r#"{"$substr":["$s",99,1]}"#, r#""""#),
        (r#"{"$strLenCP":"$s"}"#, "5"),
        (r#"{"$toString":"$h"}"#, r#""2.5""#),
        (r#"{"$toString":"$at"}"#, r#""2025-12-01T23:59:59.999Z""#),
        (r#"{"$size":"$l"}"#, "3"),
        (r#"{"$arrayElemAt":["$l",0]}"#, "1"),
        (r#"{"$arrayElemAt":["$l",-1]}"#, "3"),
        (r#"{"$arrayElemAt":["$l",9]}"#, ""),
        (r#"{"$arrayElemAt":["$l",-9]}"#, ""),
        (r#"{"$arrayElemAt":["$z",0]}"#, "null"),
        (r#"{"$in":[2,"$l"]}"#, "true"),
        (r#"{"$in":["2","$l"]}"#, "false"),
        (r#"{"$isArray":"$l"}"#, "true"),
        (r#"{"$isArray":["$a"]}"#, "false"),
        (r#"{"$concatArrays":["$l",[4]]}"#, "[1,2,3,4]"),
        (r#""$o.k.x""#, "[1,2]"),
        (r#""$o.k.y""#, "[]"),
        (r#""$a.b""#, ""),
        (r#"{"$literal":"$a"}"#, r#""$a""#),
        (r#""$$ROOT.b""#, "2"),
    ];
    for (e, expected) in cases {
        is(e, expected);
    }
    for e in [
        r#"{"$size":"$a"}"#,
        r#"{"$concat":["$a"]}"#,
        r#"{"$in":[1,"$a"]}"#,
        r#"{"$arrayElemAt":["$a",0]}"#,
        r#"{"$toLower":"$o"}"#,
    ] {
        refused(e);
    }
}

#[test]
fn conditions() {
    let cases = [
        (r#"{"$cond":[{"$gt":["$a",5]},"big","small"]}"#, r#""big""#),
        (
            r#"{"$cond":{"if":"$none","then":1,"else":"$$ROOT.b"}}"#,
            "2",
        ),
        (r#"{"$ifNull":["$z","$none","$a"]}"#, "7"),
        (r#"{"$ifNull":["$none","$none2"]}"#, ""),
        (r#"{"$eq":["$a",7.0]}"#, "true"),
        (r#"{"$eq":["$none",null]}"#, "false"),
        (r#"{"$ne":["$a","7"]}"#, "true"),
        (r#"{"$lt":["$a","7"]}"#, "true"),
        (r#"{"$lte":["$none",null]}"#, "true"),
        (r#"{"$gte":["$l",[1,2]]}"#, "true"),
        (r#"{"$cmp":["$b","$a"]}"#, "-1"),
        (r#"{"$and":["$a",true,{"$gt":["$a",1]}]}"#, "true"),
        (r#"{"$and":["$a",0]}"#, "false"),
        (r#"{"$and":[]}"#, "true"),
        (r#"{"$or":["$z","$none",""]}"#, "true"),
        (r#"{"$or":[]}"#, "false"),
        (r#"{"$not":["$z"]}"#, "true"),
        (r#"{"$not":"$a"}"#, "false"),
    ];
    for (e, expected) in cases {
        is(e, expected);
    }
    // Only the branch that is taken is evaluated.
    is(r#"{"$cond":[true,1,{"$divide":[1,0]}]}"#, "1");
}

#[test]
fn dates() {
    let cases = [
        (r#"{"$year":"$at"}"#, "2025"),
        (r#"{"$month":"$at"}"#, "12"),
        (r#"{"$dayOfMonth":"$at"}"#, "1"),
        (r#"{"$dayOfWeek":"$at"}"#, "2"),
        (r#"{"$isoDayOfWeek":"$at"}"#, "1"),
        (r#"{"$dayOfYear":"$at"}"#, "335"),
        (r#"{"$week":"$at"}"#, "48"),
        (r#"{"$isoWeek":"$at"}"#, "49"),
        (r#"{"$hour":"$at"}"#, "23"),
        (r#"{"$minute":"$at"}"#, "59"),
        (r#"{"$second":"$at"}"#, "59"),
        (r#"{"$millisecond":"$at"}"#, "999"),
        (r#"{"$dayOfMonth":{"date":"$at","timezone":"+02:00"}}"#, "2"),
        (r#"{"$hour":{"date":"$at","timezone":"-0330"}}"#, "20"),
        (r#"{"$year":"$z"}"#, "null"),
        (
            r#"{"$dateToString":{"date":"$at"}}"#,
            r#""2025-12-01T23:59:59.999Z""#,
        ),
        (
            r#"{"$dateToString":{"format":"%d.%m.%Y %% %j %u %V","date":"$at"}}"#,
            r#""01.12.2025 % 335 1 49""#,
        ),
        (
            r#"{"$dateToString":{"format":"%H%z","date":"$at","timezone":"-03:30"}}"#,
            r#""20-0330""#,
        ),
        (r#"{"$dateToString":{"date":"$z","onNull":"-"}}"#, r#""-""#),
        (r#"{"$dateToString":{"date":"$none"}}"#, "null"),
    ];
    for (e, expected) in cases {
        is(e, expected);
    }
    refused(r#"{"$year":"$s"}"#);
    refused(r#"{"$dateToString":{"date":"$at","format":"%Q"}}"#);
    let named = r#"[{"$project":{"r":{"$hour":{"date":"$at","timezone":"Europe/Berlin"}}}}]"#;
    assert_eq!(
        run(DOC, named).unwrap_err().reason(),
        Reason::UnsupportedQuery
    );
}

#[test]
fn the_calendar_is_right_around_its_edges() {
    let cases = [
        (0_i64, "1970-01-01 001 4 00 1970-W01"),
        (951_782_400_000, "2000-02-29 060 2 09 2000-W09"),
        (-2_203_891_200_000, "1900-03-01 060 4 08 1900-W09"),
        (1_735_603_200_000, "2024-12-31 366 2 52 2025-W01"),
        (1_609_459_200_000, "2021-01-01 001 5 00 2020-W53"),
        (-62_135_596_800_000, "0001-01-01 001 1 00 0001-W01"),
        (253_402_300_799_999, "9999-12-31 365 5 52 9999-W52"),
        (-1, "1969-12-31 365 3 52 1970-W01"),
    ];
    for (ms, expected) in cases {
        let docs = format!(r#"[{{"at":{{"@t":{ms}}}}}]"#);
        let format = "%Y-%m-%d %j %u %U %G-W%V";
        let stages = format!(
            r#"[{{"$project":{{"_id":0,"r":{{"$dateToString":{{"date":"$at","format":"{format}"}}}}}}}}]"#
        );
        let got = run(&docs, &stages).unwrap();
        assert_eq!(got, v(&format!(r#"[{{"r":"{expected}"}}]"#)), "{ms}");
    }
}
