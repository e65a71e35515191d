//! A connection's bytes under guard: slow peers are cut off, and HTTP/1 is read strictly.

use crate::Limits;
use crate::gate::Place;
use crate::stats::{Stats, bump};
use crate::strict::Scanner;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What the bytes of a connection tell its requests, and the other way round.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The request, from 1, whose body's framing was ambiguous; 0 for none so far.
    pub broken_body_of: AtomicUsize,
    /// An answer switched protocols; the bytes are no HTTP any more.
    pub upgraded: AtomicBool,
}

/// How long and how much a connection that is closed early may still send, so that the answer is
/// not lost to a reset.
struct Linger {
    time_max: Duration,
    bytes_max: usize,
}

/// For a body that was refused before its end: many clients look for the answer only once they
/// have sent all of it.
const LONG: Linger = Linger {
    time_max: Duration::from_secs(5),
    bytes_max: 64 * 1024 * 1024,
};
/// For peers that broke the rules, and when too many others linger already.
const SHORT: Linger = Linger {
    time_max: Duration::from_secs(1),
    bytes_max: 1024 * 1024,
};
/// What is read at once while lingering.
const SCRATCH_BYTES: usize = 16 * 1024;

/// Follows a head that has more than one reading: whatever came before, the real parser sees the
/// end of the head and finds a NUL, which it answers with 400.
const POISON: &[u8] = b"\0\r\n\r\n";

/// How a connection lost our trust.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Distrust {
    /// Not at all.
    None,
    /// In a head.
    Head,
    /// In a body.
    Body,
}

/// A socket or a TLS stream under guard. Holds the connection's place until the very end, also
/// after an upgrade.
pub(crate) struct Guarded<S> {
    inner: S,
    scanner: Scanner,
    shared: Arc<Shared>,
    stats: Arc<Stats>,
    header_time_max: Duration,
    write_stall_time_max: Duration,
    /// No byte came yet.
    fresh: bool,
    head_timer: Timer,
    write_timer: Timer,
    linger_timer: Timer,
    lingered: usize,
    is_shut: bool,
    distrust: Distrust,
    place: Place,
}

impl<S> Guarded<S> {
    pub(crate) fn new(
        inner: S,
        limits: &Limits,
        shared: Arc<Shared>,
        stats: Arc<Stats>,
        place: Place,
    ) -> Self {
        Self {
            inner,
            scanner: Scanner::new(limits.header_bytes_max),
            shared,
            stats,
            header_time_max: limits.header_time_max,
            write_stall_time_max: limits.write_stall_time_max,
            fresh: true,
            head_timer: Timer::default(),
            write_timer: Timer::default(),
            linger_timer: Timer::default(),
            lingered: 0,
            is_shut: false,
            distrust: Distrust::None,
            place,
        }
    }

    /// Looks at what was just read and takes away everything from the first ambiguous byte on.
    /// Nothing real is handed on after that.
    fn inspect(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        if let Err(broken) = self.scanner.check(&buf.filled()[before..]) {
            bump(&self.stats.malformed_total);
            buf.set_filled(before + broken.at);
            self.distrust = if self.scanner.is_in_body() {
                let request = self.scanner.requests();
                self.shared.broken_body_of.store(request, Ordering::Relaxed);
                Distrust::Body
            } else {
                Distrust::Head
            };
        }
    }

    /// Whether the peer is likely to be sending still, though nobody will look at it.
    fn is_owed_more(&self) -> bool {
        self.distrust != Distrust::None || self.scanner.is_in_body()
    }

    /// What is read in place of the bytes that were taken away.
    fn replacement(&self, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        if self.distrust == Distrust::Body {
            return Err(io::ErrorKind::InvalidData.into());
        }
        buf.put_slice(&POISON[..POISON.len().min(buf.remaining())]);
        Ok(())
    }

    /// Accounts for the outcome of a write.
    fn after_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.write_timer.stop();
        } else if self.write_timer.is_over(cx, self.write_stall_time_max) {
            bump(&self.stats.slow_peers_total);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        outcome
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.shared.upgraded.load(Ordering::Relaxed) {
            return Pin::new(&mut this.inner).poll_read(cx, buf);
        }
        if this.distrust != Distrust::None {
            return Poll::Ready(this.replacement(buf));
        }
        let before = buf.filled().len();
        let outcome = Pin::new(&mut this.inner).poll_read(cx, buf);
        if outcome.is_ready() {
            this.fresh &= buf.filled().len() == before;
            this.inspect(buf, before);
            if this.distrust != Distrust::None && buf.filled().len() == before {
                return Poll::Ready(this.replacement(buf));
            }
            if !this.scanner.is_in_head() {
                this.head_timer.stop();
            }
        } else if this.fresh || this.scanner.is_in_head() {
            if this.head_timer.is_over(cx, this.header_time_max) {
                bump(&this.stats.slow_peers_total);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        } else {
            this.head_timer.stop();
        }
        outcome
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.after_write(cx, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.after_write(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_flush(cx);
        this.after_write(cx, outcome)
    }

    /// Shuts the sending side, then takes what the peer still sends of a body, within limits:
    /// closing a socket with unread bytes resets it, and the peer might never see why.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_shut {
            let outcome = Pin::new(&mut this.inner).poll_shutdown(cx);
            match this.after_write(cx, outcome) {
                Poll::Ready(Ok(())) => this.is_shut = true,
                other => return other,
            }
        }
        if this.is_owed_more() {
            this.poll_linger(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// Reads and forgets until the body is over, the peer hangs up, or it was enough.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_long = self.distrust == Distrust::None && self.place.linger();
        let linger = if is_long { LONG } else { SHORT };
        let mut scratch = [0; SCRATCH_BYTES];
        while self.lingered < linger.bytes_max {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.inner).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.lingered += buf.filled().len();
                    if self.distrust == Distrust::None {
                        self.inspect(&mut buf, 0);
                    }
                }
                Poll::Ready(_) => break,
                Poll::Pending if !self.is_owed_more() => break,
                Poll::Pending if self.linger_timer.is_over(cx, linger.time_max) => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A timer that costs nothing until it is needed.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    fn stop(&mut self) {
        self.0 = None;
    }

    /// Starts it if it stands still; whether it ran out.
    fn is_over(&mut self, cx: &mut Context<'_>, after: Duration) -> bool {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep(after)));
        timer.as_mut().poll(cx).is_ready()
    }
}
