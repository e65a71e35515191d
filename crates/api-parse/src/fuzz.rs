//! Entry points for fuzzers and property tests: bytes in, an error of the caller's or nothing out.

use crate::decode::{self, Cx};
use crate::json::parse;
use crate::transport::QueryString;
use basalt_base::{Error, Limits, Timestamp};
use basalt_data::Rank;

fn cx(limits: &Limits) -> Cx<'_> {
    Cx {
        limits,
        rank: Rank::Client,
        now: Timestamp::from_millis(0),
        public_url: "http://localhost/parse",
        allow_regex: true,
        custom_ids: false,
    }
}

/// Decodes any bytes as a `where`.
pub fn parse_where(bytes: &[u8]) -> Result<(), Error> {
    let limits = Limits::default();
    let json = parse(bytes, &limits)?;
    decode::filter(&cx(&limits), &json).map(drop)
}

/// Decodes any bytes as the body of a create and of an update.
pub fn parse_object(bytes: &[u8]) -> Result<(), Error> {
    let limits = Limits::default();
    let json = parse(bytes, &limits)?;
    if let Some(object) = json.as_object() {
        decode::create(&cx(&limits), "Thing", object)?;
        decode::update(&cx(&limits), "Thing", "x", object)?;
    }
    Ok(())
}

/// Decodes any text as the query string of a find.
pub fn parse_query_string(text: &str) -> Result<(), Error> {
    let limits = Limits::default();
    let query = QueryString::parse(text)?;
    let params = query.over(&crate::json::Json::Null, &limits);
    decode::find(&cx(&limits), "Thing", &params).map(drop)
}

/// Decodes any bytes as an aggregate and as a schema.
pub fn parse_admin(bytes: &[u8]) -> Result<(), Error> {
    let limits = Limits::default();
    let json = parse(bytes, &limits)?;
    if let Some(object) = json.as_object() {
        let cx = cx(&limits);
        let aggregate = decode::aggregate(&cx, "Thing", object, &json, None).map(drop);
        let verb = decode::SchemaVerb::Create;
        decode::schema(&cx, verb, "Thing", object, None).map(drop)?;
        aggregate?;
    }
    Ok(())
}
