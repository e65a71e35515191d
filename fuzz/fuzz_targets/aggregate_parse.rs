//! Any value is a pipeline or refused with a reason for callers, and a pipeline runs or is refused.
//!
//! Input is storage JSON, so operators carry a second `$`: `[{"$$match":{"a":{"$$gt":1}}}]`.

#![no_main]

use basalt_base::{Kind, Limits, Map, Value};
use basalt_store::aggregate::{Executor, parse_filter_with, parse_with};
use basalt_store::{codec, eval};
use libfuzzer_sys::fuzz_target;

const DOCUMENTS: &str = r#"[
    {"_id":"1","a":1,"b":[1,{"a":2}],"c":"text","at":{"$t":1764633599999}},
    {"_id":"2","a":null,"b":{"a":[2.5,"x"]},"c":"","at":{"$t":-1}},
    {"_id":"3","b":[],"c":{"$b":"AP8="}}
]"#;

fn for_callers(error: &basalt_base::Error) -> bool {
    matches!(error.kind(), Kind::InvalidArgument | Kind::Unsupported)
}

fuzz_target!(|text: &str| {
    let Ok(value) = codec::decode(text) else {
        return;
    };
    let limits = Limits {
        pipeline_stages_max: 20,
        filter_nodes_max: 500,
        ..Limits::default()
    };
    if let Value::Map(map) = &value {
        match parse_filter_with(map, &limits) {
            Ok(filter) => {
                let _ = eval::matches_map(&filter, map);
            }
            Err(error) => assert!(for_callers(&error), "{error:?}"),
        }
    }
    let stages = match parse_with(&value, &limits) {
        Ok(stages) => stages,
        Err(error) => return assert!(for_callers(&error), "{error:?}"),
    };
    let mut executor = Executor::new(stages, 1_000_000, Box::new(|| Ok(())));
    let documents = codec::decode(DOCUMENTS).expect("they are fine");
    for document in documents.as_array().expect("a list") {
        let document: Map = document.as_map().expect("a map").clone();
        match executor.push(document) {
            Ok(flow) if flow.is_break() => break,
            Ok(_) => {}
            Err(error) => return assert!(for_callers(&error), "{error:?}"),
        }
    }
    if let Err(error) = executor.finish() {
        assert!(for_callers(&error), "{error:?}");
    }
});
