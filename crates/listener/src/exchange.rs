//! A request and a response as adapters see them.

use basalt_base::{Error, Reason, Result};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

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
pub struct RequestBody(Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>);

impl RequestBody {
    /// Wraps any body.
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Box::pin(body.map_err(Into::into)))
    }

    /// Reads the whole body. Errors: `BodyTooLarge` as soon as more than `bytes_max` is announced
    /// or received, `Cancelled` when the client goes away.
    pub async fn collect(mut self, bytes_max: usize) -> Result<Bytes> {
        let too_large = || Error::new(Reason::BodyTooLarge, "Request body too large.");
        if self.0.size_hint().lower() > bytes_max as u64 {
            return Err(too_large());
        }
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        while let Some(frame) = self.0.frame().await {
            let frame = frame.map_err(|e| {
                Error::new(Reason::Cancelled, "The request body ended early.").with_source(e)
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if first.as_ref().map_or(0, Bytes::len) + rest.len() + data.len() > bytes_max {
                return Err(too_large());
            }
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

    /// The body itself, for streaming.
    pub fn into_inner(self) -> Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>> {
        self.0
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
