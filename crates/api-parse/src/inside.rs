//! Requests of the app's own code: below HTTP and its keys, above everything else. They go through
//! the same table, with the same permissions, limits and hooks.

use crate::decode::{fail, plain};
use crate::json::{self, Json, Object};
use crate::reply::Reply;
use crate::request::Req;
use crate::transport::QueryString;
use crate::{App, errors, routes, transport};
use basalt_base::{Reason, Result, Secret, Value};
use basalt_data::{Call, Rank};
use http::Method;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Answers a request of code that runs on behalf of `origin`: JSON with `m` (method), `p` (path),
/// `b` (body), `k` (with the master key), `s` (session token), `c` (context), `i` (installation).
/// Errors are JSON too: `{"code", "error"}`.
pub async fn inside(app: &App, origin: &Call, request: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
    let answer = answer(app, origin, request).await;
    let reply = answer.unwrap_or_else(|error| {
        tracing::debug!(app = %app.id, ?error, "a request of code was refused");
        errors::reply(&error, app.options.sanitize_refusals)
    });
    if reply.status.is_client_error() || reply.status.is_server_error() {
        return Err(coded(reply.body));
    }
    match reply.job_status_id {
        Some(id) => Ok(serde_json::json!({ "jobStatusId": id })
            .to_string()
            .into_bytes()),
        None => Ok(reply.body),
    }
}

/// Refusals without a code get that of forbidden operations, as in batches.
fn coded(body: Vec<u8>) -> Vec<u8> {
    let read = serde_json::from_slice::<serde_json::Value>(&body);
    let Ok(serde_json::Value::Object(mut error)) = read else {
        return body;
    };
    if !error.contains_key("code") {
        error.insert("code".to_owned(), 119.into());
    }
    if let Some(message) = error.remove("message") {
        error.insert("error".to_owned(), message);
    }
    serde_json::Value::Object(error).to_string().into_bytes()
}

async fn answer(app: &App, origin: &Call, request: &[u8]) -> Result<Reply> {
    let malformed = || fail(Reason::InvalidJson, "A request of code makes no sense.");
    let parsed = json::parse(request, &app.options.limits)?;
    let request = parsed.as_object().ok_or_else(malformed)?;
    let method = request.text("m").unwrap_or_default();
    let method: Method = method.parse().map_err(|_| malformed())?;
    let path = request.text("p").unwrap_or_default();
    let raw = format!("/{path}");
    let routed = routes::route(&method, transport::segments(&raw)?)?;
    let master = request.get("k").is_some_and(Json::truthy);
    let rank = if master { Rank::Master } else { Rank::Client };
    routed.act.check_rank(rank)?;
    let given = request.text("s").filter(|token| !token.is_empty());
    let token = given.filter(|_| routed.act.takes_session());
    let caller = app.identity.caller(&app.id, rank, token).await?;
    let context = match request.get("c").map(plain) {
        Some(Value::Map(context)) => context,
        _ => basalt_base::Map::new(),
    };
    let call = Call {
        principal: caller.principal,
        installation_id: installation(request).or_else(|| origin.installation_id.clone()),
        ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        request_id: origin.request_id.clone(),
        context,
        headers: origin.headers.clone(),
        depth: origin.depth,
        session_token: caller.session_digest.as_ref().and(token).map(Secret::new),
        session_digest: caller.session_digest,
    };
    let query = QueryString::parse("")?;
    let none = Json::Object(Object::default());
    let body = request.get("b").filter(|_| method != Method::DELETE);
    let path = path.trim_matches('/');
    let req = Req {
        app,
        call: &call,
        args: &routed.args,
        path,
        body: body.unwrap_or(&none),
        query: &query,
        session_token: given,
        request_id: None,
    };
    req.check_rate(&method, None)?;
    routes::run(routed.act, &req).await
}

fn installation(request: &Object<'_>) -> Option<Arc<str>> {
    let id = request
        .text("i")
        .filter(|id| !id.is_empty() && id.len() <= 255);
    id.map(Arc::from)
}
