//! Aggregate pipelines.

mod expressions;
mod parsing;
mod stages;

use crate::aggregate::{Executor, parse};
use crate::codec::decode;
use basalt_base::{Map, Result, Value};
use std::ops::ControlFlow;

/// A value from JSON in which `$` starts keys as it does in pipelines.
fn v(json: &str) -> Value {
    // Stored keys that start with `$` carry one more; tags are written `@tag` here.
    let json = json.replace("\"$", "\"$$").replace("\"@", "\"$");
    unescape(decode(&json).unwrap())
}

/// Text that starts with `$` was escaped along with the keys.
fn unescape(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(match text.strip_prefix("$$") {
            Some(rest) => format!("${rest}"),
            None => text,
        }),
        Value::Array(items) => Value::Array(items.into_iter().map(unescape).collect()),
        Value::Map(map) => Value::Map(map.into_iter().map(|(k, v)| (k, unescape(v))).collect()),
        other => other,
    }
}

const MEMORY: usize = 1_000_000;

/// Runs a pipeline over the documents of a JSON array.
fn run(docs: &str, stages: &str) -> Result<Value> {
    run_within(docs, stages, MEMORY)
}

fn run_within(docs: &str, stages: &str, bytes_max: usize) -> Result<Value> {
    let mut executor = Executor::new(parse(&v(stages))?, bytes_max, Box::new(|| Ok(())));
    for doc in v(docs).as_array().unwrap() {
        let doc: Map = doc.as_map().unwrap().clone();
        if executor.push(doc)? == ControlFlow::Break(()) {
            break;
        }
    }
    let docs = executor.finish()?.into_iter().map(Value::Map);
    Ok(Value::Array(docs.collect()))
}

/// Asserts what a pipeline makes of documents, the order of keys included.
fn gives(docs: &str, stages: &str, expected: &str) {
    let got = run(docs, stages).unwrap_or_else(|e| panic!("{stages}: {e:?}"));
    assert_eq!(format!("{got:?}"), format!("{:?}", v(expected)), "{stages}");
}
