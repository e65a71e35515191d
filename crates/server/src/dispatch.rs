//! From the listener to the adapters and back, with a log line and counters for each request.

use crate::apps::AppTable;
use crate::cluster::{self, Cluster};
use crate::doors::{self, DOORS, Door, Head};
use crate::metrics::Metrics;
use crate::product::PARSE_MOUNT;
use basalt_api_admin::{AdminApi, error_response};
use basalt_api_parse::{ParseApi, Sockets};
use basalt_base::{BoxFuture, Clock, Error, Monotonic, Reason};
use basalt_listener::{
    Client, Dispatch, Request, Response, Route, Stats, bytes_response, json_response,
};
use basalt_store::{Reading, Store};
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue};
use http::header::{STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use http::{Method, StatusCode, Version};
use serde_json::json;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Requests that take longer are logged with the failed ones.
const SLOW: Duration = Duration::from_secs(1);

/// The adapters and what is answered without one.
pub(crate) struct Router {
    pub parse: ParseApi,
    /// The WebSockets of live queries.
    pub sockets: Sockets,
    pub admin: AdminApi,
    pub apps: Arc<AppTable>,
    pub cluster: Arc<Cluster>,
    pub store: Arc<dyn Store>,
    pub metrics: Metrics,
    pub stats: Arc<Stats>,
    pub clock: Arc<dyn Clock>,
    pub started: Monotonic,
    pub mode: &'static str,
    /// Whether a caller on loopback is surely on this machine: not when a proxy is.
    pub loopback_is_local: bool,
    /// Whether the server was told to stop.
    pub stopping: AtomicBool,
    /// Hosts that belong to an app, bucket or site.
    pub hosts: HashSet<String>,
}

impl Dispatch for Router {
    fn dispatch(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            let mut request = request;
            let mut place = self.door(&request);
            if doors::is_form(&request.head.method, &request.head.headers) {
                // A body that ends early is the adapter's to refuse.
                if let Ok(form) = request.body.peek(doors::FORM_BYTES_LOOKED_AT).await
                    && doors::is_signed_form(form)
                {
                    place = doors::AWS;
                }
            }
            let mut record = Record {
                router: self,
                place,
                id: Arc::clone(&request.id),
                method: request.head.method.clone(),
                client: request.client.ip,
                begun: self.clock.monotonic(),
                answered: None,
            };
            let secure = request.client.secure;
            let is_http1 = request.head.version <= Version::HTTP_11;
            let mut response = self.answer(DOORS[place].0, request).await;
            protect(response.headers_mut(), secure);
            if is_http1 && self.stopping.load(Ordering::Relaxed) {
                // Whoever keeps connections must not send on one that is about to end.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            let route = response.extensions_mut().remove::<Route>();
            record.answered = Some((response.status(), route));
            response
        })
    }
}

impl Router {
    fn door(&self, request: &Request) -> usize {
        let uri = &request.head.uri;
        let headers = &request.head.headers;
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        doors::choose(&Head {
            path: uri.path(),
            query: uri.query().unwrap_or_default(),
            host: host.or(uri.host()).unwrap_or_default(),
            headers,
            hosts: &self.hosts,
        })
    }

    async fn answer(&self, door: Door, request: Request) -> Response {
        // Echoing requests back helps nobody but attackers.
        if request.head.method == Method::TRACE {
            return not_allowed("GET, HEAD, POST, PUT, DELETE, OPTIONS");
        }
        let uri = request.head.uri.clone();
        match door {
            Door::Parse => {
                let path = uri.path().strip_prefix(PARSE_MOUNT).unwrap_or_default();
                self.parse.handle(path, request).await
            }
            Door::Admin => {
                let path = uri.path().strip_prefix("/admin").unwrap_or_default();
                self.admin.handle(path, request).await
            }
            Door::Health => self.health(&request),
            Door::Metrics => {
                let trusted = self.is_trusted(request.client, &request.head.headers);
                let queues = if trusted {
                    let mut readings = self.apps.queue_readings().await;
                    readings.extend(crate::cloud::readings(&self.apps.isolates()));
                    readings
                } else {
                    Vec::new()
                };
                self.metrics_page(&request, queues)
            }
            Door::Aws => {
                let message = "AWS-style protocols are not available in this version.";
                let error = Error::new(Reason::CommandUnavailable, message);
                error_response(&error, &request.id)
            }
            Door::Host
            | Door::GraphQl
            | Door::Function
            | Door::S3
            | Door::Console
            | Door::Firebase => {
                let message = "This is not available in this version.";
                not_found(message)
            }
            // Clients of the Parse protocol connect to whatever path they are told.
            Door::Site if request.is_websocket() => self.parse.socket(request),
            Door::Site => not_found("Not found."),
        }
    }

    /// Whether the caller may see how the server is doing.
    fn is_trusted(&self, client: Client, headers: &HeaderMap) -> bool {
        (self.loopback_is_local && client.ip.is_loopback()) || self.admin.is_operator(headers)
    }

    fn health(&self, request: &Request) -> Response {
        if !is_read(&request.head.method) {
            return not_allowed("GET, HEAD");
        }
        // Balancers take a node that drains out before it stops to accept.
        let (code, status) = if self.cluster.is_draining() {
            (StatusCode::SERVICE_UNAVAILABLE, "stopping")
        } else {
            (StatusCode::OK, "ok")
        };
        if request.head.uri.query() != Some("details") {
            return json_response(code, json!({ "status": status }).to_string());
        }
        if !self.is_trusted(request.client, &request.head.headers) {
            return forbidden(&request.id);
        }
        let uptime = self.clock.monotonic().since(self.started);
        let body = json!({
            "status": status,
            "version": env!("CARGO_PKG_VERSION"),
            "mode": self.mode,
            "uptime_seconds": uptime.as_secs(),
            "apps": self.apps.count(),
            "apps_open": self.apps.open_count(),
            "connections_open": self.stats.view().connections_open,
            "node": cluster::health(&self.cluster, &self.apps.feeds()),
        });
        json_response(code, body.to_string())
    }

    fn metrics_page(&self, request: &Request, queues: Vec<basalt_store::Reading>) -> Response {
        if !is_read(&request.head.method) {
            return not_allowed("GET, HEAD");
        }
        if !self.is_trusted(request.client, &request.head.headers) {
            return forbidden(&request.id);
        }
        let mut store = self.store.metrics();
        store.extend(cluster::readings(&self.cluster, &self.apps.feeds()));
        store.extend(queues);
        store.extend(live_readings(&self.apps.live()));
        let page = self
            .metrics
            .page(self.stats.view(), self.apps.open_count(), store);
        bytes_response(
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            page,
        )
    }
}

/// Readings of live queries, by app.
fn live_readings(views: &[(String, basalt_live::StatsView)]) -> Vec<Reading> {
    let of_app = |(app, view): &(String, basalt_live::StatsView)| {
        let values = [
            ("basalt_live_clients", view.clients as f64),
            ("basalt_live_subscriptions", view.subscriptions as f64),
            ("basalt_live_queued_bytes", view.queued_bytes as f64),
            ("basalt_live_changes_total", view.changes_total as f64),
            ("basalt_live_events_total", view.events_total as f64),
            ("basalt_live_encoded_total", view.encoded_total as f64),
            ("basalt_live_cut_total", view.cut_total as f64),
            ("basalt_live_resumed_total", view.resumed_total as f64),
        ];
        values.map(|(name, value)| Reading {
            name,
            labels: vec![("app", app.clone())],
            value,
        })
    };
    let mut readings: Vec<Reading> = views.iter().flat_map(of_app).collect();
    readings.sort_by_key(|reading| reading.name);
    readings
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn not_found(message: &'static str) -> Response {
    let body = json!({ "error": message, "reason": Reason::RouteNotFound.name() });
    json_response(StatusCode::NOT_FOUND, body.to_string())
}

fn not_allowed(allowed: &'static str) -> Response {
    let body = json!({ "error": "Method not allowed.", "reason": Reason::RouteNotFound.name() });
    let mut response = json_response(StatusCode::METHOD_NOT_ALLOWED, body.to_string());
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn forbidden(id: &str) -> Response {
    let message = "An operator's token is required.";
    error_response(&Error::new(Reason::Unauthorized, message), id)
}

/// Headers that every answer carries unless its adapter chose others.
fn protect(headers: &mut HeaderMap, secure: bool) {
    let defaults: [(HeaderName, &str); 2] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in defaults {
        headers
            .entry(name)
            .or_insert_with(|| HeaderValue::from_static(value));
    }
    if secure {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.entry(STRICT_TRANSPORT_SECURITY).or_insert(year);
    }
}

/// A request's log line and counters, written when it is dropped: also after a panic, and when the
/// client went away.
struct Record<'r> {
    router: &'r Router,
    place: usize,
    id: Arc<str>,
    method: Method,
    client: IpAddr,
    begun: Monotonic,
    answered: Option<(StatusCode, Option<Route>)>,
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        let took = self.router.clock.monotonic().since(self.begun);
        let (status, route) = self.answered.take().unzip();
        let route = route.flatten();
        let panicked = std::thread::panicking();
        let status = status.or(panicked.then_some(StatusCode::INTERNAL_SERVER_ERROR));
        if let Some(status) = status {
            let metrics = &self.router.metrics;
            metrics.count(self.place, route.as_ref(), status, took);
        }
        // What is not built is asked for in vain, which is no failure of ours.
        let is_failure =
            |status: StatusCode| status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
        let failed = status.is_some_and(is_failure) || took > SLOW;
        if !failed && !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let app = route.as_ref().and_then(|route| route.app.as_ref());
        let app = app.map(basalt_base::AppId::as_str);
        let adapter = DOORS[self.place].1;
        let template = route.as_ref().map(|route| route.template);
        let status = status.map(|status| status.as_u16());
        let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let outcome = match (status, panicked) {
            (_, true) => "panicked",
            (None, false) => "abandoned",
            (Some(_), false) => "answered",
        };
        let (request_id, method) = (&*self.id, self.method.as_str());
        let client = tracing::field::display(self.client);
        if failed {
            tracing::warn!(
                request_id,
                client,
                adapter,
                app,
                method,
                route = template,
                status,
                duration_us,
                outcome,
                "request"
            );
        } else {
            tracing::debug!(
                request_id,
                client,
                adapter,
                app,
                method,
                route = template,
                status,
                duration_us,
                outcome,
                "request"
            );
        }
    }
}
