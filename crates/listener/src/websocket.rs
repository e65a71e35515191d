//! WebSockets: the handshake over HTTP/1.1, and the messages of the connection after it.
//!
//! Nothing is ever compressed: an extension that a client offers is not taken up, so that no
//! message can grow while it is read.

use crate::exchange::{Request, Response, ResponseBody};
use basalt_base::{Error, Reason, Result};
use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, StatusCode, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Utf8Bytes};

/// What is read at once. The library allocates it for each socket at the start.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// How much is gathered before it is written.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// What a message may take on the wire beyond its own size: frames of one byte each are no way to
/// write.
const FRAMING_BYTES_MAX: usize = 64 * 1024;

/// Limits of one WebSocket.
#[derive(Clone, Copy, Debug)]
pub struct SocketLimits {
    /// Largest message in bytes, in one frame or several.
    pub message_bytes_max: usize,
}

/// A WebSocket whose handshake is answered but not sent yet.
pub struct Upgrading {
    upgrade: OnUpgrade,
    limits: SocketLimits,
}

/// What came in.
#[derive(Debug)]
pub enum Received {
    /// A text message.
    Text(Utf8Bytes),
    /// A message of bytes.
    Bytes(Bytes),
    /// A ping or a pong; pings are answered by themselves.
    Control,
    /// The peer closed the socket, or is gone.
    Closed,
}

/// Why a socket is closed by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// There is nothing more to say.
    Normal,
    /// The server stops.
    Away,
    /// The peer broke the WebSocket protocol.
    Protocol,
    /// The peer sent something that is not taken.
    Policy,
    /// A message is too large.
    TooLarge,
    /// There is no room; try again later.
    TryLater,
}

/// A connected WebSocket.
pub struct Socket {
    stream: WebSocketStream<Counted>,
    read: Arc<AtomicUsize>,
}

impl Request {
    /// Whether the request asks for a WebSocket.
    pub fn is_websocket(&self) -> bool {
        has_token(&self.head.headers, &UPGRADE, "websocket")
    }

    /// Answers a WebSocket's handshake; the socket is there once the answer is sent. Errors:
    /// `InvalidValue` for what is no handshake.
    pub fn accept_websocket(&mut self, limits: SocketLimits) -> Result<(Response, Upgrading)> {
        let bad = |message| Error::new(Reason::InvalidValue, message);
        let headers = &self.head.headers;
        let is_handshake = self.head.method == Method::GET
            && self.head.version == Version::HTTP_11
            && has_token(headers, &CONNECTION, "upgrade")
            && self.is_websocket();
        if !is_handshake {
            return Err(bad("Not the handshake of a WebSocket."));
        }
        let version = headers.get(SEC_WEBSOCKET_VERSION);
        if version.is_none_or(|version| version != "13") {
            return Err(bad("Only version 13 of the WebSocket protocol is spoken."));
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
        let key = key.filter(|key| key.len() == 24 && key.ends_with(b"=="));
        let key = key.ok_or_else(|| bad("The handshake of the WebSocket has no key."))?;
        let accept = HeaderValue::from_str(&derive_accept_key(key)).map_err(Error::internal)?;
        let upgrade = self.head.extensions.remove::<OnUpgrade>();
        let upgrade = upgrade.ok_or_else(|| bad("This connection can't become a WebSocket."))?;
        let mut response = http::Response::new(ResponseBody::Whole(None));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        Ok((response, Upgrading { upgrade, limits }))
    }
}

/// Whether a header that is a list of words has this one.
fn has_token(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter();
    let mut words = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    words.any(|word| word.trim().eq_ignore_ascii_case(wanted))
}

impl Upgrading {
    /// The socket; `None` when the client was gone before the answer was.
    pub async fn connected(self) -> Option<Socket> {
        let upgraded = self.upgrade.await.ok()?;
        let max = self.limits.message_bytes_max;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_message_size(Some(max))
            .max_frame_size(Some(max));
        let read = Arc::new(AtomicUsize::new(0));
        let stream = Counted {
            inner: TokioIo::new(upgraded),
            read: Arc::clone(&read),
            read_max: max.saturating_add(FRAMING_BYTES_MAX),
        };
        let stream = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        Some(Socket { stream, read })
    }
}

impl Socket {
    /// What comes next. A message that breaks a limit or the protocol is the reason to close with.
    /// Cancelling loses nothing.
    pub async fn receive(&mut self) -> Result<Received, CloseReason> {
        let message = match self.stream.next().await {
            None => return Ok(Received::Closed),
            Some(Ok(message)) => message,
            Some(Err(error)) => return failed(&error),
        };
        // Pings of no end are bounded by whoever counts what comes in.
        self.read.store(0, Ordering::Relaxed);
        Ok(match message {
            Message::Text(text) => Received::Text(text),
            Message::Binary(bytes) => Received::Bytes(bytes),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Received::Control,
            Message::Close(_) => Received::Closed,
        })
    }

    /// Adds a text message to what is written with the next [`Self::flush`], or sooner when there
    /// is much. An error means that the peer is gone or took nothing for too long.
    pub async fn send(&mut self, text: String) -> Result<(), CloseReason> {
        let message = Message::Text(text.into());
        let sent = self.stream.feed(message).await;
        sent.map_err(|_| CloseReason::Normal)
    }

    /// Writes what was sent.
    pub async fn flush(&mut self) -> Result<(), CloseReason> {
        let flushed = self.stream.flush().await;
        flushed.map_err(|_| CloseReason::Normal)
    }

    /// Asks for a sign of life.
    pub async fn ping(&mut self) -> Result<(), CloseReason> {
        let sent = self.stream.send(Message::Ping(Bytes::new())).await;
        sent.map_err(|_| CloseReason::Normal)
    }

    /// Says goodbye and waits for the peer to hang up. To be bounded in time by the caller.
    pub async fn close(&mut self, reason: CloseReason, text: &'static str) {
        let code = match reason {
            CloseReason::Normal => CloseCode::Normal,
            CloseReason::Away => CloseCode::Away,
            CloseReason::Protocol => CloseCode::Protocol,
            CloseReason::Policy => CloseCode::Policy,
            CloseReason::TooLarge => CloseCode::Size,
            CloseReason::TryLater => CloseCode::Again,
        };
        let frame = CloseFrame {
            code,
            reason: text.into(),
        };
        if self.stream.close(Some(frame)).await.is_err() {
            return;
        }
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}

fn failed(error: &WsError) -> Result<Received, CloseReason> {
    match error {
        WsError::Capacity(CapacityError::MessageTooLong { .. }) => Err(CloseReason::TooLarge),
        WsError::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(CloseReason::Policy)
        }
        WsError::Protocol(_) | WsError::Utf8(_) | WsError::Capacity(_) => {
            Err(CloseReason::Protocol)
        }
        _ => Ok(Received::Closed),
    }
}

/// A stream that ends when too much was read of what is no whole message: empty frames without end
/// make no message that could be too large.
struct Counted {
    inner: TokioIo<Upgraded>,
    read: Arc<AtomicUsize>,
    read_max: usize,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(cx, buf);
        let bytes = buf.filled().len() - before;
        if bytes > 0 && self.read.fetch_add(bytes, Ordering::Relaxed) + bytes > self.read_max {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        outcome
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
