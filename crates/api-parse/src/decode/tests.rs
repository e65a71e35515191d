//! Shapes in, engine types or errors out, as tables.

#![expect(clippy::too_many_lines, reason = "the length is that of the tables")]

mod bodies;
mod pipelines;
mod queries;
mod schemas;
mod wheres;

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
