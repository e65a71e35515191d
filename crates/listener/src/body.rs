//! Bodies on their way in and out.

use crate::exchange::ResponseBody;
use crate::stats::{Stats, bump};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Less than this within the time allowed counts as standing still.
const PROGRESS_BYTES: usize = 1024;
/// If no more than this is left, it most likely came with the head, and costs no connection.
const REST_BYTES_MAX: u64 = 16 * 1024;

/// A request's body that may not stand still.
pub(crate) struct TimedBody {
    inner: Incoming,
    idle_time_max: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    since_timer: usize,
    is_over: bool,
    /// Set when the body is given up before its end.
    given_up: Arc<AtomicBool>,
    stats: Arc<Stats>,
}

impl TimedBody {
    /// `given_up` becomes true if the body is dropped while much of it may still come, which ends
    /// an HTTP/1 connection.
    pub(crate) fn new(
        inner: Incoming,
        idle_time_max: Duration,
        given_up: Arc<AtomicBool>,
        stats: Arc<Stats>,
    ) -> Self {
        Self {
            inner,
            idle_time_max,
            timer: None,
            since_timer: 0,
            is_over: false,
            given_up,
            stats,
        }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.since_timer += frame.data_ref().map_or(0, Bytes::len);
                if this.since_timer >= PROGRESS_BYTES {
                    this.since_timer = 0;
                    this.timer = None;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => {
                this.is_over = true;
                Poll::Ready(None)
            }
            Poll::Pending => {
                let idle = this.idle_time_max;
                let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(idle)));
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                bump(&this.stats.slow_peers_total);
                let error = io::Error::from(io::ErrorKind::TimedOut);
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        let left = self.inner.size_hint().upper();
        if !self.is_over && left.is_none_or(|left| left > REST_BYTES_MAX) {
            self.given_up.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether a connection has requests, and when it last had one.
#[derive(Debug)]
pub(crate) struct Activity {
    requests: AtomicUsize,
    last: Mutex<Instant>,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            requests: AtomicUsize::new(0),
            last: Mutex::new(Instant::now()),
        }
    }

    /// Counts a request until the returned value is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Since when there was nothing to do; `None` while there is.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let idle = self.requests.load(Ordering::Relaxed) == 0;
        idle.then(|| *self.last.lock())
    }
}

/// A request in work, from its head to the end of its answer.
pub(crate) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.last.lock() = Instant::now();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer's body; its connection counts as busy until it is sent.
pub(crate) struct TrackedBody {
    pub inner: ResponseBody,
    pub _busy: Busy,
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
