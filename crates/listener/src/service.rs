//! From a connection's requests to [`Dispatch`] and back.

use crate::body::{Activity, TimedBody, TrackedBody};
use crate::budget::Budget;
use crate::guard::Shared;
use crate::ids::{self, RequestIds};
use crate::stats::{Stats, bump};
use crate::{Limits, Network, Request, RequestBody, Response, answer, forwarded};
use basalt_base::BoxFuture;
use http::header::{HOST, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version, request};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Whoever answers the requests.
pub trait Dispatch: Send + Sync + 'static {
    /// Answers one request. A panic becomes a 500; a request that outlives its time is dropped.
    fn dispatch(&self, request: Request) -> BoxFuture<'_, Response>;
}

/// What all connections share.
pub(crate) struct World {
    pub dispatch: Arc<dyn Dispatch>,
    pub limits: Limits,
    pub trusted: Vec<Network>,
    pub ids: RequestIds,
    pub stats: Arc<Stats>,
    pub bodies: Arc<Budget>,
}

/// The requests of one connection.
pub(crate) struct Service {
    pub world: Arc<World>,
    pub shared: Arc<Shared>,
    pub activity: Arc<Activity>,
    /// How many requests the connection has had.
    pub requests: AtomicUsize,
    pub peer: IpAddr,
    pub secure: bool,
}

impl hyper::service::Service<http::Request<Incoming>> for Service {
    type Response = http::Response<TrackedBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        let busy = self.activity.begin();
        let world = Arc::clone(&self.world);
        let shared = Arc::clone(&self.shared);
        let (peer, secure) = (self.peer, self.secure);
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        Box::pin(async move {
            let version = request.version();
            let mut response = answer_one(&world, request, peer, secure).await;
            if shared.broken_body_of.load(Ordering::Relaxed) == number {
                let id = response.headers_mut().remove(X_REQUEST_ID);
                response = answer::bad_request();
                response
                    .headers_mut()
                    .extend(id.map(|id| (X_REQUEST_ID, id)));
            }
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                shared.upgraded.store(true, Ordering::Relaxed);
            }
            answer::adapt(response.headers_mut(), version);
            Ok(response.map(|inner| TrackedBody { inner, _busy: busy }))
        })
    }
}

async fn answer_one(
    world: &Arc<World>,
    request: http::Request<Incoming>,
    peer: IpAddr,
    secure: bool,
) -> Response {
    let (head, body) = request.into_parts();
    let is_proxy = forwarded::is_trusted(peer, &world.trusted);
    let sent_id = head.headers.get(X_REQUEST_ID).filter(|_| is_proxy);
    let id = sent_id
        .and_then(|value| ids::foreign(value.as_bytes()))
        .unwrap_or_else(|| world.ids.next());
    let given_up = Arc::new(AtomicBool::new(false));
    let mut response = if let Some(refusal) = refuse(&head, &world.limits) {
        refusal
    } else {
        let idle_time_max = world.limits.body_idle_time_max;
        let stats = Arc::clone(&world.stats);
        let body = TimedBody::new(body, idle_time_max, Arc::clone(&given_up), stats);
        // Held until there is an answer: what was read stays in memory as long.
        let room = world.bodies.part();
        let request = Request {
            client: forwarded::client(peer, secure, &head.headers, &world.trusted),
            head,
            body: RequestBody::new(body).within(Arc::clone(&room)),
            id: Arc::clone(&id),
        };
        let response = run(world, request).await;
        drop(room);
        response
    };
    if given_up.load(Ordering::Relaxed) && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer::close(response.headers_mut());
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// Runs the request under its time limit; neither that nor a panic goes further than here.
async fn run(world: &Arc<World>, request: Request) -> Response {
    let id = Arc::clone(&request.id);
    let dispatch = Arc::clone(&world.dispatch);
    let work = Caught(Box::pin(async move { dispatch.dispatch(request).await }));
    match tokio::time::timeout(world.limits.request_time_max, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(Panicked)) => {
            bump(&world.stats.panics_total);
            tracing::error!(request_id = %id, "the handling of a request panicked");
            answer::internal()
        }
        Err(_) => {
            bump(&world.stats.timeouts_total);
            tracing::warn!(request_id = %id, "a request ran past its time");
            answer::timed_out()
        }
    }
}

/// What no adapter should have to look at.
fn refuse(head: &request::Parts, limits: &Limits) -> Option<Response> {
    let headers = &head.headers;
    let value_max = limits.header_value_bytes_max;
    if headers.len() > limits.header_count_max
        || headers.values().any(|value| value.len() > value_max)
    {
        return Some(answer::headers_too_large());
    }
    let hosts = headers.get_all(HOST).iter().count();
    let wrong_hosts = match head.version {
        Version::HTTP_11 => hosts != 1,
        _ => hosts > 1,
    };
    (wrong_hosts || head.method == Method::CONNECT).then(answer::bad_request)
}

struct Panicked;

/// A future whose panic is a value.
struct Caught<'a>(BoxFuture<'a, Response>);

impl Future for Caught<'_> {
    type Output = Result<Response, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Nothing of the future is looked at after a panic, so it can't be seen half changed;
        // locks that it shares do not poison, and guard single values.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}
