//! Batches: sub-requests through the same table. Object writes that follow each other share one
//! engine call, and with that one durable commit.

use super::objects;
use crate::decode::fail;
use crate::encode;
use crate::errors;
use crate::json::{Json, Object};
use crate::reply::Reply;
use crate::request::Req;
use crate::routes::{self, Act, Routed};
use crate::transport::{self, QueryString};
use basalt_base::{Error, Reason, Result};
use basalt_data::BatchStep;
use http::{Method, StatusCode};

/// A sub-request.
struct Item<'b> {
    method: Method,
    routed: Routed<'b>,
    path: String,
    query: QueryString<'b>,
    body: &'b Json<'b>,
}

impl<'b> Item<'b> {
    fn req<'i>(&'i self, req: &Req<'i>) -> Req<'i>
    where
        'b: 'i,
    {
        Req {
            args: &self.routed.args,
            path: &self.path,
            body: self.body,
            query: &self.query,
            request_id: None,
            ..*req
        }
    }
}

fn bad(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    fail(Reason::InvalidJson, message)
}

/// Runs the sub-requests of a batch.
pub async fn batch(req: &Req<'_>) -> Result<Reply> {
    let body = req.object()?;
    let requests = body.get("requests").and_then(Json::as_array);
    let requests = requests.ok_or_else(|| bad("requests must be an array"))?;
    let max = req.app.options.limits.batch_requests_max;
    if requests.len() > max {
        return Err(bad(format!(
            "Batch request contains {} sub-requests, which exceeds the limit of {max}.",
            requests.len()
        )));
    }
    let nothing = Json::Object(Object::default());
    let prefixes = prefixes(req);
    let items: Result<Vec<Item<'_>>> = requests
        .iter()
        .map(|json| item(json, &prefixes, &nothing))
        .collect();
    let items = items?;
    for item in &items {
        item.req(req)
            .check_rate(&item.method, Some(&Method::POST))?;
    }
    match body.get("transaction") {
        Some(Json::Bool(true)) => transaction(req, &items).await,
        _ => independent(req, &items).await,
    }
}

/// The paths under which sub-requests may name the API: where it is mounted here, and its public
/// one. The longer one is tried first.
fn prefixes(req: &Req<'_>) -> Vec<String> {
    let options = &req.app.options;
    let public = options
        .public_url
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]))
        .unwrap_or_default();
    let mut prefixes: Vec<String> = [options.mount_path.as_str(), public]
        .into_iter()
        .map(|prefix| prefix.trim_end_matches('/').to_owned())
        .collect();
    prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
    prefixes.dedup();
    prefixes
}

fn item<'b>(json: &'b Json<'b>, prefixes: &[String], nothing: &'b Json<'b>) -> Result<Item<'b>> {
    let object = json.as_object();
    let path = object.and_then(|object| object.text("path"));
    let (object, path) = object
        .zip(path)
        .ok_or_else(|| bad("batch request path must be a string"))?;
    let method = match object.get("method") {
        Some(Json::String(name)) => Method::from_bytes(name.to_ascii_uppercase().as_bytes()),
        None => Ok(Method::GET),
        Some(_) => return Err(bad("batch request method must be a string")),
    };
    let method = method.map_err(|_| bad("batch request method must be a method"))?;
    let below = prefixes
        .iter()
        .filter_map(|prefix| path.strip_prefix(prefix.as_str()))
        .find(|rest| rest.starts_with('/'));
    let Some(below) = below else {
        let mut shown = path.to_owned();
        crate::json::shorten(&mut shown);
        return Err(bad(format!("cannot route batch path {shown}")));
    };
    let (below, query) = transport::split(below);
    let segments = transport::segments(below)?;
    let path = segments.join("/");
    let routed = routes::route(&method, segments).map_err(|e| bad(e.message().to_owned()))?;
    if routed.act == Act::Batch {
        return Err(bad("nested batch requests are not allowed"));
    }
    let body = match object.get("body") {
        _ if method == Method::DELETE => nothing,
        None | Some(Json::Null) => nothing,
        Some(body) => body,
    };
    Ok(Item {
        method,
        routed,
        path,
        query: QueryString::parse(query)?,
        body,
    })
}

/// Each sub-request on its own; what each answers stands in its place.
async fn independent(req: &Req<'_>, items: &[Item<'_>]) -> Result<Reply> {
    let mut answers: Vec<Vec<u8>> = vec![Vec::new(); items.len()];
    let mut run: Vec<(usize, BatchStep)> = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let sub = item.req(req);
        match objects::step(item.routed.act, &sub).filter(|_| !signs_up(item)) {
            Some(Ok(step)) => run.push((n, step)),
            Some(Err(error)) => failure(&mut answers[n], &error, req),
            None => {
                write_run(req, &mut run, &mut answers).await;
                // What is asked of one batch is no more than what may be asked of one request.
                let so_far = answers.iter().map(Vec::len).sum();
                match encode::check_bytes(so_far) {
                    Ok(()) => answers[n] = single(item, &sub).await,
                    Err(error) => failure(&mut answers[n], &error, req),
                }
            }
        }
    }
    write_run(req, &mut run, &mut answers).await;
    Ok(Reply::ok(joined(&answers)))
}

/// Whether the sub-request makes a user, which can turn out to be a sign-in.
fn signs_up(item: &Item<'_>) -> bool {
    item.routed.act == Act::Create && item.routed.args.first().is_some_and(|c| c == "_User")
}

/// One sub-request that is no plain object write.
async fn single(item: &Item<'_>, sub: &Req<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let result = match item.routed.act.check_rank(sub.call.principal.rank) {
        Ok(()) => routes::run(item.routed.act, sub).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(reply) => success(&mut out, |out| out.extend_from_slice(&reply.body)),
        Err(error) => failure(&mut out, &error, sub),
    }
    out
}

fn failure(out: &mut Vec<u8>, error: &Error, req: &Req<'_>) {
    if error.reason() == Reason::Internal {
        tracing::error!(request_id = %req.call.request_id, error = ?error, "sub-request failed");
    }
    errors::write_item(out, error, req.app.options.sanitize_refusals);
}

fn success(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"{\"success\":");
    content(out);
    out.push(b'}');
}

/// Writes what has gathered in one engine call.
async fn write_run(req: &Req<'_>, run: &mut Vec<(usize, BatchStep)>, answers: &mut [Vec<u8>]) {
    if run.is_empty() {
        return;
    }
    let (places, steps): (Vec<usize>, Vec<BatchStep>) = run.drain(..).unzip();
    match req.app.data.batch(req.call, steps).await {
        Ok(results) => {
            for (n, result) in places.into_iter().zip(results) {
                let out = &mut answers[n];
                match result {
                    Ok(done) => success(out, |out| objects::write_step(out, &done, req)),
                    Err(error) => failure(out, &error, req),
                }
            }
        }
        Err(error) => {
            for n in places {
                failure(&mut answers[n], &error, req);
            }
        }
    }
}

/// All sub-requests or none.
async fn transaction(req: &Req<'_>, items: &[Item<'_>]) -> Result<Reply> {
    let mut steps = Vec::with_capacity(items.len());
    for item in items {
        match objects::step(item.routed.act, &item.req(req)) {
            Some(Ok(step)) => steps.push(step),
            Some(Err(error)) => return Ok(refused(items.len(), &error, req)),
            None => {
                return Err(bad(
                    "A transaction holds creates, updates and deletes of objects only.",
                ));
            }
        }
    }
    match req.app.data.transaction(req.call, steps).await {
        Ok(done) => {
            let mut answers = vec![Vec::new(); done.len()];
            for (out, done) in answers.iter_mut().zip(&done) {
                success(out, |out| objects::write_step(out, done, req));
            }
            Ok(Reply::ok(joined(&answers)))
        }
        Err(error) => Ok(refused(items.len(), &error, req)),
    }
}

/// A failed transaction: every step failed for the one reason.
fn refused(count: usize, error: &Error, req: &Req<'_>) -> Reply {
    let mut out = Vec::new();
    failure(&mut out, error, req);
    let status = match errors::wire(error.reason()).0 {
        500 => StatusCode::INTERNAL_SERVER_ERROR,
        503 => StatusCode::SERVICE_UNAVAILABLE,
        429 => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::BAD_REQUEST,
    };
    Reply::new(status, joined(&vec![out; count]))
}

fn joined(answers: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + answers.iter().map(|a| a.len() + 1).sum::<usize>());
    out.push(b'[');
    for (n, answer) in answers.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        out.extend_from_slice(answer);
    }
    out.push(b']');
    out
}
