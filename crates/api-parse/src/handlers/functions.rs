//! Calling functions, and what they have logged.

use super::idempotency;
use crate::decode::plain;
use crate::encode::{Fields, value};
use crate::json::Json;
use crate::reply::Reply;
use crate::request::Req;
use crate::time;
use basalt_base::{Result, Value};
use basalt_functions::{Level, LogQuery};

/// Lines that a search returns when it names no number.
const LINES_DEFAULT: usize = 10;
/// How far back a search looks when it names no time, in seconds.
const BACK_SECONDS: i64 = 7 * 86_400;

/// Calls a function.
pub async fn call(req: &Req<'_>) -> Result<Reply> {
    let name = req.arg(0);
    let Value::Map(params) = plain(&Json::Object(req.params().into_owned())) else {
        return Ok(Reply::empty());
    };
    idempotency::claim(req).await?;
    let result = req.app.functions.call(req.call, name, params).await?;
    let mut out = Vec::with_capacity(64);
    let mut fields = Fields::open(&mut out);
    if let Some(result) = &result {
        value(fields.key("result"), result, req.files());
    }
    fields.close();
    Ok(Reply::ok(out))
}

/// Searches the logs.
pub async fn logs(req: &Req<'_>) -> Result<Reply> {
    let params = req.params();
    let text = |name: &str| params.get(name).and_then(Json::as_str);
    let size = |name: &str| {
        let given = params.get(name)?;
        let parsed = given.as_str().and_then(|text| text.parse::<f64>().ok());
        let number = given.as_f64().or(parsed)?;
        (number >= 1.0).then_some(number as usize)
    };
    let now = req.app.data.deps().clock.now();
    let week = basalt_base::Timestamp::new(now.seconds() - BACK_SECONDS, 0);
    let level = text("level").and_then(Level::of);
    let query = LogQuery {
        from: Some(text("from").and_then(time::parse).unwrap_or(week)),
        until: text("until").and_then(time::parse),
        size: size("n").or_else(|| size("size")).unwrap_or(LINES_DEFAULT),
        ascending: text("order") == Some("asc"),
        level: level.unwrap_or(Level::Info),
    };
    let lines = req.app.functions.logs().search(query).await?;
    let mut out = Vec::with_capacity(1_024);
    value(&mut out, &Value::Array(lines), req.files());
    Ok(Reply::ok(out))
}
