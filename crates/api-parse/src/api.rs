//! The adapter's front: cheap checks first (app, keys), then the session, then the operation.

use crate::decode::fail;
use crate::json::{Json, Object};
use crate::live::{self, Opened, Sockets};
use crate::reply::Reply;
use crate::request::Req;
use crate::transport::{self, Body, Cors, Presented, QueryString};
use crate::{App, Apps, errors, routes};
use basalt_base::{Clock, Error, Kind, Limits, Map, Reason, Result, Secret, SystemClock};
use basalt_data::{Call, Rank};
use basalt_functions::{DEPTH_HEADER, depth_of};
use basalt_listener::{Request, Response, Route, SocketLimits, bytes_response};
use http::Method;
use http::header::{self, HeaderMap, HeaderValue};
use std::borrow::Cow;
use std::sync::Arc;

const JSON: &str = "application/json; charset=utf-8";
/// Longest installation id and request id in bytes.
const ID_BYTES_MAX: usize = 255;
/// The route of requests that were refused before theirs was found, or that have none.
const UNROUTED: &str = "/*";

/// The adapter.
pub struct ParseApi {
    apps: Arc<dyn Apps>,
    cors: Cors,
    sockets: Sockets,
    limits: Arc<Limits>,
    clock: Arc<dyn Clock>,
}

/// What became known of a request on the way to its answer.
#[derive(Default)]
struct Found {
    app: Option<Arc<App>>,
    template: Option<&'static str>,
}

impl Found {
    /// For the log, if there is anything to say.
    fn route(&self) -> Option<Route> {
        let app = self.app.as_ref().map(|app| app.id.clone());
        let template = self.template.or(app.as_ref().and(Some(UNROUTED)))?;
        Some(Route { template, app })
    }
}

/// What is left of a request once its body has been taken.
struct Head<'h> {
    path: Vec<Cow<'h, str>>,
    query: &'h str,
    method: &'h Method,
    headers: &'h HeaderMap,
    ip: std::net::IpAddr,
    id: &'h Arc<str>,
}

impl ParseApi {
    /// Over these apps.
    pub fn new(apps: Arc<dyn Apps>) -> Self {
        Self {
            apps,
            cors: Cors::default(),
            sockets: Sockets::new(Limits::default().live_sockets_per_ip_max),
            limits: Arc::default(),
            clock: Arc::new(SystemClock),
        }
    }

    /// The same with these sockets, which have these limits until their app is known.
    pub fn with_sockets(mut self, sockets: Sockets, limits: Limits) -> Self {
        self.sockets = sockets;
        self.limits = Arc::new(limits);
        self
    }

    /// Answers the handshake of a WebSocket, on whatever path it comes.
    pub fn socket(&self, mut request: Request) -> Response {
        let ip = request.client.ip;
        let Some(place) = self.sockets.enter(ip) else {
            let error = fail(
                Reason::Overloaded,
                "There is no room for another connection.",
            );
            return response(errors::reply(&error, false));
        };
        let limits = SocketLimits {
            message_bytes_max: self.limits.live_message_bytes_max,
        };
        match request.accept_websocket(limits) {
            Ok((response, upgrading)) => {
                let opened = Opened {
                    apps: Arc::clone(&self.apps),
                    limits: Arc::clone(&self.limits),
                    clock: Arc::clone(&self.clock),
                    place,
                    ip,
                };
                tokio::spawn(live::serve(upgrading, opened));
                response
            }
            Err(error) => {
                let mut response = response(errors::reply(&error, false));
                let version = HeaderValue::from_static("13");
                let headers = response.headers_mut();
                headers.insert(header::SEC_WEBSOCKET_VERSION, version);
                response
            }
        }
    }

    /// The same with other cross-origin answers where no app is known yet, as in preflights.
    pub fn with_cors(mut self, cors: Cors) -> Self {
        self.cors = cors;
        self
    }

    /// Answers one request; `path` is the raw path below the mount path (`/classes/Post`).
    pub async fn handle(&self, path: &str, request: Request) -> Response {
        if request.is_websocket() {
            return self.socket(request);
        }
        let origin = request.head.headers.get(header::ORIGIN).cloned();
        let id = request.id.clone();
        let mut found = Found::default();
        let result = if request.head.method == Method::OPTIONS {
            Ok(Reply::ok(""))
        } else {
            self.answer(path, request, &mut found).await
        };
        let options = found.app.as_deref().map(|app| &app.options);
        let reply = result.unwrap_or_else(|error| {
            log(&error, &id);
            errors::reply(&error, options.is_none_or(|o| o.sanitize_refusals))
        });
        let mut response = response(reply);
        match options {
            Some(options) if !options.allow_origin.is_empty() => {
                let cors = Cors::new(&options.allow_origin, &options.allow_headers);
                cors.apply(origin.as_ref(), response.headers_mut());
            }
            _ => self.cors.apply(origin.as_ref(), response.headers_mut()),
        }
        if let Some(route) = found.route() {
            response.extensions_mut().insert(route);
        }
        response
    }

    async fn answer(&self, path: &str, request: Request, found: &mut Found) -> Result<Reply> {
        let Request {
            head, body, client, ..
        } = request;
        let (path, _) = transport::split(path);
        let head = Head {
            path: transport::segments(path)?,
            query: head.uri.query().unwrap_or_default(),
            method: &head.method,
            headers: &head.headers,
            ip: client.ip,
            id: &request.id,
        };
        if let [only] = head.path.as_slice()
            && only == "health"
            // Clients that send everything as POST ask for this so too.
            && matches!(*head.method, Method::GET | Method::HEAD | Method::POST)
        {
            found.template = Some("/health");
            return Ok(Reply::ok(r#"{"status":"ok"}"#));
        }
        let mut presented = Presented::from_headers(head.headers)?;
        let mut app = self.named_app(&mut presented, head.headers).await?;
        let mut rank = None;
        if let Some(app) = &app {
            found.app = Some(Arc::clone(app));
            rank = Some(transport::rank(app, &presented, head.ip)?);
        }
        let limits = match &app {
            Some(app) => app.options.limits.clone(),
            None => Limits::default(),
        };
        check_encoding(head.headers)?;
        let bytes = body.collect(limits.body_bytes_max).await?;
        // File uploads are no JSON; nothing of them is read.
        let raw = app.is_some() && head.path.first().is_some_and(|first| first == "files");
        let bytes: &[u8] = if raw { b"" } else { &bytes };
        let form = is_form(head.headers);
        let mut body = Body::parse(bytes, head.method, &limits, form)?;
        if app.is_none() {
            if let Json::Object(object) = &mut body.json {
                presented.take_from(object)?;
                app = self.find_app(presented.app.as_deref()).await?;
            }
            found.app.clone_from(&app);
        }
        let app = app.ok_or_else(unauthorized)?;
        let rank = match rank {
            Some(rank) => rank,
            None => transport::rank(&app, &presented, head.ip)?,
        };
        Box::pin(operate(&app, head, presented, body, rank, found)).await
    }

    async fn find_app(&self, id: Option<&str>) -> Result<Option<Arc<App>>> {
        match id {
            Some(id) => self.apps.app(id).await,
            None => Ok(None),
        }
    }

    /// The app that the headers name; HTTP Basic counts when it names one that exists.
    async fn named_app(
        &self,
        presented: &mut Presented<'_>,
        headers: &HeaderMap,
    ) -> Result<Option<Arc<App>>> {
        if let Some(basic) = Presented::basic(headers)
            && let Some(app) = self.find_app(Some(&basic.app)).await?
        {
            if let Some(key) = basic.master_key {
                presented.master_key = Some(key.into());
            }
            if let Some(key) = basic.javascript_key {
                presented.javascript_key = Some(key.into());
            }
            return Ok(Some(app));
        }
        self.find_app(presented.app.as_deref()).await
    }
}

/// Refuses compressed bodies before they are read: no client of this protocol sends them, and what
/// is never unpacked can't grow.
fn check_encoding(headers: &HeaderMap) -> Result<()> {
    let plain = |value: &HeaderValue| {
        let coding = value.as_bytes().trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    };
    if headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Ok(());
    }
    let message = "Request bodies can't be compressed.";
    Err(fail(Reason::InvalidJson, message))
}

/// Whether the body says that it is a form.
fn is_form(headers: &HeaderMap) -> bool {
    const FORM: &str = "application/x-www-form-urlencoded";
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|value| value.to_str().ok());
    kind.and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(FORM))
}

fn unauthorized() -> Error {
    fail(Reason::Unauthorized, "unauthorized")
}

/// Resolves the caller and runs the operation.
async fn operate(
    app: &App,
    head: Head<'_>,
    presented: Presented<'_>,
    body: Body<'_>,
    rank: Rank,
    found: &mut Found,
) -> Result<Reply> {
    let method = match body.method {
        Method::HEAD => Method::GET,
        method => method,
    };
    let path_text = head.path.join("/");
    let routed = routes::route(&method, head.path)?;
    found.template = Some(routed.template);
    routed.act.check_rank(rank)?;
    let given = presented.session_token.as_deref();
    let token = given.filter(|_| routed.act.takes_session());
    let caller = app.identity.caller(&app.id, rank, token).await?;
    for id in [&presented.installation_id, &presented.request_id] {
        if id.as_ref().is_some_and(|id| id.len() > ID_BYTES_MAX) {
            return Err(fail(
                Reason::InvalidJson,
                "An id in the request is too long.",
            ));
        }
    }
    let (headers, depth) = for_hooks(app, head.headers, &presented);
    let call = Call {
        principal: caller.principal,
        installation_id: presented.installation_id.as_deref().map(Arc::from),
        ip: Some(head.ip),
        request_id: head.id.clone(),
        context: presented.context,
        headers,
        depth,
        session_token: caller.session_digest.as_ref().and(token).map(Secret::new),
        session_digest: caller.session_digest,
    };
    let query = QueryString::parse(head.query)?;
    let no_body = Json::Object(Object::default());
    let req = Req {
        app,
        call: &call,
        args: &routed.args,
        path: &path_text,
        body: if method == Method::DELETE {
            &no_body
        } else {
            &body.json
        },
        query: &query,
        session_token: given,
        request_id: presented.request_id.as_deref(),
    };
    req.check_rate(&method, None)?;
    routes::run(routed.act, &req).await
}

/// What hooks are told of a request beside the operation, and how deep within them it is.
fn for_hooks(
    app: &App,
    headers: &HeaderMap,
    presented: &Presented<'_>,
) -> (Option<Arc<Map>>, usize) {
    if app.functions.is_empty() {
        return (None, 0);
    }
    let depth = headers.get(DEPTH_HEADER);
    let depth = depth.and_then(|value| value.to_str().ok());
    let depth = depth_of(depth, &presented.context);
    let headers = crate::webhooks::shown_headers(headers);
    (Some(Arc::new(headers)), depth)
}

/// Logs what the caller must not see, once.
fn log(error: &Error, id: &str) {
    match error.kind() {
        // Load, not a failure.
        _ if error.reason() == Reason::BodiesExhausted => {
            tracing::debug!(request_id = id, "no room for the body");
        }
        Kind::Internal | Kind::Corrupt | Kind::Unavailable => {
            tracing::error!(request_id = id, error = ?error, "request failed");
        }
        _ => tracing::debug!(request_id = id, error = ?error, "request refused"),
    }
}

fn response(reply: Reply) -> Response {
    let mut response = bytes_response(reply.status, JSON, reply.body);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if let Some(seconds) = reply.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(Ok(id)) = reply.job_status_id.map(HeaderValue::try_from) {
        headers.insert("x-parse-job-status-id", id);
    }
    match reply.location.map(HeaderValue::try_from) {
        Some(Ok(location)) => {
            headers.insert(header::LOCATION, location);
        }
        Some(Err(_)) => tracing::warn!("an address does not fit into a header"),
        None => {}
    }
    response
}
