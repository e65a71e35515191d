//! One connection from its first byte to its last.

use crate::Limits;
use crate::body::Activity;
use crate::gate::Place;
use crate::guard::{Guarded, Shared};
use crate::service::{Service, World};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long a connection that was asked to end may take for it when it has no requests.
const GOODBYE_TIME_MAX: Duration = Duration::from_secs(5);
/// How many headers hyper takes by itself.
const HYPER_HEADER_COUNT: usize = 100;
/// Bytes of answers that an HTTP/2 stream buffers.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// How connections speak HTTP.
pub(crate) fn http(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The guard and the idle timer look after slow and silent peers, and tell them apart.
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes_max.max(8 * 1024));
    // With its default, hyper keeps the headers of a request on the stack.
    if limits.header_count_max != HYPER_HEADER_COUNT {
        builder.http1().max_headers(limits.header_count_max);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

/// Serves a connection until it ends, is idle for too long, or `stop` fires and its last request
/// is answered.
pub(crate) async fn serve<S>(
    stream: S,
    peer: IpAddr,
    secure: bool,
    place: Place,
    world: Arc<World>,
    http: Arc<auto::Builder<TokioExecutor>>,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shared = Arc::new(Shared::default());
    let activity = Arc::new(Activity::new());
    let idle_time_max = world.limits.idle_time_max;
    let stats = Arc::clone(&world.stats);
    let guarded = Guarded::new(stream, &world.limits, Arc::clone(&shared), stats, place);
    let service = Service {
        world,
        shared,
        activity: Arc::clone(&activity),
        requests: AtomicUsize::new(0),
        peer,
        secure,
    };
    let mut connection = pin!(http.serve_connection_with_upgrades(TokioIo::new(guarded), service));
    let mut timer = pin!(sleep_until(Instant::now() + idle_time_max));
    let mut ending = false;
    loop {
        tokio::select! {
            biased;
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            // An error means that the listener is gone, which is as good as a signal.
            _ = stop.wait_for(|stop| *stop), if !ending => {
                ending = true;
                connection.as_mut().graceful_shutdown();
                timer.as_mut().reset(Instant::now() + GOODBYE_TIME_MAX);
            }
            () = timer.as_mut() => {
                let allowed = if ending { GOODBYE_TIME_MAX } else { idle_time_max };
                let due = activity.idle_since().unwrap_or_else(Instant::now) + allowed;
                if due > Instant::now() {
                    timer.as_mut().reset(due);
                } else if ending {
                    return;
                } else {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                    timer.as_mut().reset(Instant::now() + GOODBYE_TIME_MAX);
                }
            }
        }
    }
}
