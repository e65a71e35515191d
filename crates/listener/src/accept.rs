//! The accept loop.

use crate::budget::Budget;
use crate::gate::{Gate, Place};
use crate::ids::RequestIds;
use crate::service::{Dispatch, World};
use crate::stats::{Stats, bump};
use crate::tls::Tls;
use crate::{Options, connection, forwarded};
use basalt_base::{Error, Reason, Result};
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

const BACKLOG: u32 = 4_096;
const TLS_REFRESH_EVERY: Duration = Duration::from_secs(5);
/// Pauses after a failed accept, as for want of file descriptors: grows from the first to the
/// second while it goes on failing.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Such failures come in crowds; one line in this time says enough.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// A bound listener.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    options: Options,
    stats: Arc<Stats>,
}

/// What each connection's task needs.
#[derive(Clone)]
struct Shared {
    world: Arc<World>,
    http: Arc<auto::Builder<TokioExecutor>>,
    tls: Option<Arc<Tls>>,
    gate: Arc<Gate>,
    stop: watch::Receiver<bool>,
}

impl Listener {
    /// Binds the first of the addresses that can be bound. Errors: `InvalidSetting` for an address
    /// that is taken or not ours, and for unusable TLS files.
    pub fn bind(options: Options) -> Result<Self> {
        let tls = options
            .tls
            .clone()
            .map(Tls::load)
            .transpose()?
            .map(Arc::new);
        let mut failure = None;
        for address in &options.addresses {
            match bind(*address) {
                Ok(socket) => {
                    let address = socket.local_addr().map_err(Error::internal)?;
                    return Ok(Self {
                        socket,
                        address,
                        tls,
                        options,
                        stats: Arc::default(),
                    });
                }
                Err(error) => failure = Some((*address, error)),
            }
        }
        Err(failure.map_or_else(
            || Error::new(Reason::InvalidSetting, "No address to listen on."),
            |(address, error)| {
                let message = format!("Can't listen on {address}: {error}.");
                Error::new(Reason::InvalidSetting, message).with_source(error)
            },
        ))
    }

    /// The address in use, with the port that was picked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Live counters.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// Accepts until `stop` is done, then lets requests in work finish within the drain time.
    /// Returns how many connections had to be cut.
    pub async fn serve(self, dispatch: Arc<dyn Dispatch>, stop: impl Future<Output = ()>) -> usize {
        let limits = self.options.limits.clone();
        let (stopping, stop_seen) = watch::channel(false);
        let shared = Shared {
            world: Arc::new(World {
                dispatch,
                limits: limits.clone(),
                trusted: self.options.trusted_proxies.clone(),
                ids: RequestIds::new(),
                stats: Arc::clone(&self.stats),
                bodies: Budget::new(limits.bodies_bytes_max),
            }),
            http: Arc::new(connection::http(&limits)),
            tls: self.tls,
            gate: Arc::new(Gate::new(
                limits.connections_max,
                limits.connections_per_ip_max,
                Arc::clone(&self.stats),
            )),
            stop: stop_seen,
        };
        let mut tasks = JoinSet::new();
        if let Some(tls) = shared.tls.clone() {
            tasks.spawn(refresh(tls, shared.stop.clone()));
        }
        accept_until(&self.socket, &shared, &mut tasks, stop).await;
        // What the kernel has completed already was promised an answer.
        while let Ok(Ok((stream, peer))) = timeout(Duration::ZERO, self.socket.accept()).await {
            admit(stream, peer, &shared, &mut tasks);
        }
        drop(self.socket);
        stopping.send_replace(true);
        let all_done = async { while tasks.join_next().await.is_some() {} };
        if timeout(limits.drain_time_max, all_done).await.is_err() {
            let cut = tasks.len();
            tracing::warn!(
                connections = cut,
                "the drain time is over; cutting connections"
            );
            tasks.shutdown().await;
            return cut;
        }
        0
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept_until(
    socket: &TcpListener,
    shared: &Shared,
    tasks: &mut JoinSet<()>,
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    let mut pause = PAUSE_MIN;
    let mut complained: Option<Instant> = None;
    loop {
        tokio::select! {
            biased;
            () = stop.as_mut() => return,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => {
                    pause = PAUSE_MIN;
                    admit(stream, peer, shared, tasks);
                }
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    // Trying again at once would only spin: the reason is that the process or
                    // the system is out of something.
                    bump(&shared.world.stats.accept_errors_total);
                    if complained.is_none_or(|last| last.elapsed() > COMPLAIN_EVERY) {
                        tracing::error!(%error, "can't accept connections; pausing");
                        complained = Some(Instant::now());
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            },
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// Starts the task of a connection, if there is room for it.
fn admit(stream: TcpStream, peer: SocketAddr, shared: &Shared, tasks: &mut JoinSet<()>) {
    bump(&shared.world.stats.connections_total);
    let ip = peer.ip().to_canonical();
    let exempt = ip.is_loopback() || forwarded::is_trusted(ip, &shared.world.trusted);
    let Some(place) = shared.gate.enter(ip, exempt) else {
        return;
    };
    // Small answers would otherwise wait for the peer's delayed acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    tasks.spawn(one(stream, ip, place, shared.clone()));
}

async fn one(stream: TcpStream, ip: IpAddr, place: Place, shared: Shared) {
    let Shared {
        world,
        http,
        tls,
        stop,
        ..
    } = shared;
    let Some(tls) = tls else {
        return connection::serve(stream, ip, false, place, world, http, stop).await;
    };
    let acceptor = tokio_rustls::TlsAcceptor::from(tls.current());
    match timeout(world.limits.handshake_time_max, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => connection::serve(stream, ip, true, place, world, http, stop).await,
        Ok(Err(_)) | Err(_) => bump(&world.stats.handshake_failures_total),
    }
}

async fn refresh(tls: Arc<Tls>, mut stop: watch::Receiver<bool>) {
    while timeout(TLS_REFRESH_EVERY, stop.wait_for(|stop| *stop))
        .await
        .is_err()
    {
        tls.refresh();
    }
}
