//! A request and a response as adapters see them.

use crate::budget::Part;
use basalt_base::{Error, Reason};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

type Result<T, E = Error> = std::result::Result<T, E>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// The client's address: of the socket, or of the forwarding headers when a trusted proxy sent
    /// them.
    pub ip: IpAddr,
    /// Whether the client spoke TLS (to us, or to a trusted proxy).
    pub secure: bool,
}

/// A request, path and query undecoded.
#[derive(Debug)]
pub struct Request {
    /// Method, uri, version and headers as received.
    pub head: http::request::Parts,
    /// The body, not read yet.
    pub body: RequestBody,
    /// Where it comes from.
    pub client: Client,
    /// Its id, unique; also in the answer and in every log line.
    pub id: Arc<str>,
}

/// A request's body.
pub struct RequestBody {
    /// What was read of it to look at.
    ahead: Bytes,
    rest: Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>,
    room: Option<Arc<Part>>,
}

impl RequestBody {
    /// Wraps any body.
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self {
            ahead: Bytes::new(),
            rest: Box::pin(body.map_err(Into::into)),
            room: None,
        }
    }

    /// The same with a part of the room that all bodies share.
    pub(crate) fn within(self, room: Arc<Part>) -> Self {
        Self {
            room: Some(room),
            ..self
        }
    }

    /// The first bytes, at least `bytes` of them unless the body is shorter; the body stays whole.
    /// Errors: `Cancelled` when the client goes away.
    pub async fn peek(&mut self, bytes: usize) -> Result<&[u8]> {
        while self.ahead.len() < bytes {
            let Some(frame) = self.rest.frame().await else {
                break;
            };
            let Ok(data) = frame.map_err(ended_early)?.into_data() else {
                continue;
            };
            self.ahead = if self.ahead.is_empty() {
                data
            } else {
                Bytes::from([&*self.ahead, &*data].concat())
            };
        }
        Ok(&self.ahead)
    }

    /// Reads the whole body. Errors: `BodyTooLarge` as soon as more than `bytes_max` is announced
    /// or received, `BodiesExhausted` when the bodies of all requests together take too much,
    /// `Cancelled` when the client goes away.
    pub async fn collect(mut self, bytes_max: usize) -> Result<Bytes> {
        let announced = usize::try_from(self.rest.size_hint().lower()).unwrap_or(usize::MAX);
        self.admit(self.ahead.len().saturating_add(announced), bytes_max)?;
        let mut first = (!self.ahead.is_empty()).then(|| std::mem::take(&mut self.ahead));
        let mut rest = BytesMut::new();
        while let Some(frame) = self.rest.frame().await {
            let Ok(data) = frame.map_err(ended_early)?.into_data() else {
                continue;
            };
            let bytes = first.as_ref().map_or(0, Bytes::len) + rest.len() + data.len();
            self.admit(bytes, bytes_max)?;
            match &first {
                None => first = Some(data),
                Some(_) => rest.extend_from_slice(&data),
            }
        }
        Ok(match first {
            None => Bytes::new(),
            Some(data) if rest.is_empty() => data,
            Some(data) => {
                let mut whole = BytesMut::with_capacity(data.len() + rest.len());
                whole.extend_from_slice(&data);
                whole.extend_from_slice(&rest);
                whole.freeze()
            }
        })
    }

    fn admit(&self, bytes: usize, bytes_max: usize) -> Result<()> {
        if bytes > bytes_max {
            return Err(Error::new(Reason::BodyTooLarge, "Request body too large."));
        }
        match &self.room {
            Some(room) if !room.grow_to(bytes) => Err(Error::new(
                Reason::BodiesExhausted,
                "The server is busy with other large requests.",
            )
            .with_retry_after(Duration::from_secs(1))),
            _ => Ok(()),
        }
    }

    /// The body itself, for streaming.
    pub fn into_inner(self) -> Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>> {
        if self.ahead.is_empty() {
            return self.rest;
        }
        Box::pin(Resumed {
            ahead: Some(self.ahead),
            rest: self.rest,
        })
    }
}

fn ended_early(error: BoxError) -> Error {
    Error::new(Reason::Cancelled, "The request body ended early.").with_source(error)
}

/// A body after its first bytes were looked at.
struct Resumed {
    ahead: Option<Bytes>,
    rest: Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>,
}

impl Body for Resumed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.ahead.take() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => self.rest.as_mut().poll_frame(cx),
        }
    }
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RequestBody")
    }
}

/// Which route served a request, for logs and metrics; an adapter puts it into the extensions of
/// its response.
#[derive(Clone, Debug)]
pub struct Route {
    /// The route's template, like `/classes/:class/:id`; never a path as sent.
    pub template: &'static str,
    /// The app, once it is known to exist.
    pub app: Option<basalt_base::AppId>,
}

/// A response.
pub type Response = http::Response<ResponseBody>;

/// A response's body.
pub enum ResponseBody {
    /// All of it at once.
    Whole(Option<Bytes>),
    /// A stream.
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            Self::Whole(data) => Poll::Ready(data.take().map(|d| Ok(Frame::data(d)))),
            Self::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(data) => data.is_none(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(data) => SizeHint::with_exact(data.as_ref().map_or(0, Bytes::len) as u64),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// Room for the headers that most answers have, so that the map does not grow under them.
const HEADERS_USUAL: usize = 12;

/// A whole response with a content type.
pub fn bytes_response(
    status: http::StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response {
    let body: Bytes = body.into();
    let mut response = http::Response::new(ResponseBody::Whole((!body.is_empty()).then_some(body)));
    *response.status_mut() = status;
    *response.headers_mut() = http::HeaderMap::with_capacity(HEADERS_USUAL);
    let value = http::HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, value);
    response
}
