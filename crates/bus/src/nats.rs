//! The bus over NATS: core publish and subscribe, of which servers from 2.9 on do everything.

use crate::payload::count_malformed;
use crate::queue::Queue;
use crate::tls;
use crate::{Bus, BusView, Payload, Subject, Subscription};
use async_nats::{Client, ConnectOptions, ServerAddr, Subscriber};
use basalt_base::{BoxFuture, Error, Reason, Result, Secret};
use futures_core::Stream;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Most messages that wait to be sent.
const OUTGOING_MAX: usize = 1024;
/// How long to wait before the next attempt to connect: grows from the first to the second.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How often the server is asked whether it is still there; two missing answers end a connection.
const PING: Duration = Duration::from_secs(5);

/// How to reach NATS.
#[derive(Clone, Debug)]
pub struct NatsOptions {
    /// `nats://[user:password@]host[:port]` or `tls://…`, several with commas between them; the user
    /// of the first one counts for all.
    pub url: Secret,
    /// A token instead of a user.
    pub token: Option<Secret>,
    /// What a `.creds` file holds, instead of a user.
    pub credentials: Option<Secret>,
    /// PEM certificates that the server's is checked against, besides those of the system.
    pub ca: Option<PathBuf>,
    /// Clusters don't hear each other.
    pub cluster: String,
    /// What the server calls this connection.
    pub name: String,
}

/// A bus over NATS.
pub struct NatsBus {
    client: Client,
    shared: Arc<Shared>,
    outgoing: mpsc::Sender<(String, Payload)>,
    cluster: String,
    sender: AbortHandle,
}

#[derive(Default)]
struct Shared {
    connected: AtomicBool,
    connects: AtomicU64,
    published: AtomicU64,
    dropped: AtomicU64,
    received: AtomicU64,
    malformed: AtomicU64,
    /// Those to tell of a gap.
    queues: Mutex<Vec<Weak<Queue>>>,
}

/// Addresses without what is secret, and the user with the password.
type Servers = (Vec<ServerAddr>, Option<(String, String)>);

fn servers(url: &Secret) -> Result<Servers> {
    let unusable = || {
        let message = "`nats_url`: expected nats://host:port or tls://host:port";
        Error::new(Reason::InvalidSetting, message)
    };
    let mut user = None;
    let mut addresses = Vec::new();
    for part in url.expose().split(',') {
        // What the parser says may hold the password.
        let parsed: ServerAddr = part.trim().parse().map_err(|_| unusable())?;
        let mut address = parsed.into_inner();
        if !matches!(address.scheme(), "nats" | "tls") || address.host_str().is_none() {
            return Err(unusable());
        }
        let decode = |text: &str| {
            let bytes = percent_encoding::percent_decode_str(text);
            bytes
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
                .map_err(|_| unusable())
        };
        if user.is_none() && !address.username().is_empty() {
            let name = decode(address.username())?;
            let password = decode(address.password().unwrap_or_default())?;
            user = Some((name, password));
        }
        address.set_username("").map_err(|()| unusable())?;
        address.set_password(None).map_err(|()| unusable())?;
        addresses.push(ServerAddr::from_url(address).map_err(|_| unusable())?);
    }
    Ok((addresses, user))
}

fn options(options: &NatsOptions, user: Option<(String, String)>) -> Result<ConnectOptions> {
    let mut connect = ConnectOptions::new();
    if let Some(credentials) = &options.credentials {
        // The error may quote the file.
        connect = connect.credentials(credentials.expose()).map_err(|_| {
            let message = "`nats_creds`: the file holds no NATS credentials";
            Error::new(Reason::InvalidSetting, message)
        })?;
    } else if let Some(token) = &options.token {
        connect = connect.token(token.expose().to_owned());
    } else if let Some((name, password)) = user {
        connect = connect.user_and_password(name, password);
    }
    connect = connect.tls_client_config(tls::config(options.ca.as_deref())?);
    if options.ca.is_some() {
        connect = connect.require_tls(true);
    }
    let delay = |attempts: usize| {
        let steps = u32::try_from(attempts.min(10)).unwrap_or(10);
        (RECONNECT.0 * steps.max(1)).min(RECONNECT.1)
    };
    Ok(connect
        .name(&options.name)
        .retry_on_initial_connect()
        .max_reconnects(None)
        .ping_interval(PING)
        .reconnect_delay_callback(delay))
}

impl NatsBus {
    /// A bus over these servers. They need not be there: connecting goes on for ever in the
    /// background. Errors: `InvalidSetting` for a URL, credentials or authorities that can't be used.
    pub async fn connect(wanted: NatsOptions) -> Result<Arc<Self>> {
        let (addresses, user) = servers(&wanted.url)?;
        let shared = Arc::new(Shared::default());
        let events = Arc::clone(&shared);
        let connect = options(&wanted, user)?.event_callback(move |event| {
            events.note(&event);
            async {}
        });
        let unusable = |error| {
            let message = "`nats_url`: the bus can't be set up";
            Error::new(Reason::InvalidSetting, message).with_source(error)
        };
        let client = connect.connect(addresses).await.map_err(unusable)?;
        let (outgoing, waiting) = mpsc::channel(OUTGOING_MAX);
        let sending = send_all(client.clone(), Arc::clone(&shared), waiting);
        Ok(Arc::new(Self {
            client,
            shared,
            outgoing,
            cluster: wanted.cluster,
            sender: tokio::spawn(sending).abort_handle(),
        }))
    }
}

impl Drop for NatsBus {
    fn drop(&mut self) {
        self.sender.abort();
        for queue in self.shared.queues.lock().iter().filter_map(Weak::upgrade) {
            queue.close();
        }
    }
}

impl Shared {
    fn note(&self, event: &async_nats::Event) {
        match event {
            async_nats::Event::Connected => {
                self.connects.fetch_add(1, Relaxed);
                self.connected.store(true, Relaxed);
                self.gap();
            }
            async_nats::Event::Disconnected | async_nats::Event::Closed => {
                self.connected.store(false, Relaxed);
                tracing::warn!("the bus is not connected; nodes look for changes by themselves");
            }
            async_nats::Event::SlowConsumer(_) => self.gap(),
            other => tracing::debug!(event = %other, "NATS"),
        }
    }

    fn gap(&self) {
        self.queues.lock().retain(|queue| {
            let queue = queue.upgrade();
            if let Some(queue) = &queue {
                queue.gap();
            }
            queue.is_some()
        });
    }

    fn drop_one(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }
}

/// Sends what is handed over, in order. While there is no connection nothing is kept: it would be
/// old news by the time that there is one.
async fn send_all(
    client: Client,
    shared: Arc<Shared>,
    mut waiting: mpsc::Receiver<(String, Payload)>,
) {
    while let Some((subject, payload)) = waiting.recv().await {
        if !shared.connected.load(Relaxed) || client.publish(subject, payload.0).await.is_err() {
            shared.drop_one();
        }
    }
}

/// Moves messages from the client's own queue to the subscriber's, which may drop them.
async fn fill(mut messages: Subscriber, queue: Arc<Queue>, shared: Arc<Shared>, subject: Subject) {
    let next = |messages: &mut Subscriber, cx: &mut std::task::Context<'_>| {
        Pin::new(messages).poll_next(cx)
    };
    while let Some(message) = std::future::poll_fn(|cx| next(&mut messages, cx)).await {
        let payload = Payload(message.payload);
        if !payload.fits() {
            count_malformed(&shared.malformed, &subject);
        } else if queue.push(payload) {
            shared.received.fetch_add(1, Relaxed);
        } else {
            shared.drop_one();
        }
    }
    queue.close();
}

impl Bus for NatsBus {
    fn publish(&self, subject: &Subject, payload: Payload) {
        self.shared.published.fetch_add(1, Relaxed);
        let message = (subject.on_wire(&self.cluster), payload);
        if self.outgoing.try_send(message).is_err() {
            self.shared.drop_one();
        }
    }

    fn subscribe<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Subscription>> {
        Box::pin(async move {
            let wire = subject.on_wire(&self.cluster);
            let messages = self.client.subscribe(wire).await.map_err(|error| {
                let message = "The bus can't be listened to.";
                Error::new(Reason::StoreUnavailable, message).with_source(error)
            })?;
            let queue = Arc::new(Queue::default());
            if !self.shared.connected.load(Relaxed) {
                queue.gap();
            }
            self.shared.queues.lock().push(Arc::downgrade(&queue));
            let filling = fill(
                messages,
                Arc::clone(&queue),
                Arc::clone(&self.shared),
                subject.clone(),
            );
            let filler = tokio::spawn(filling).abort_handle();
            Ok(Subscription::new(queue, Some(filler)))
        })
    }

    fn view(&self) -> BusView {
        let connected = self.shared.connected.load(Relaxed);
        let version = self.client.server_info().version;
        BusView {
            kind: "nats",
            connected,
            server_version: (!version.is_empty()).then_some(version),
            connects: self.shared.connects.load(Relaxed),
            published: self.shared.published.load(Relaxed),
            dropped: self.shared.dropped.load(Relaxed),
            received: self.shared.received.load(Relaxed),
            malformed: self.shared.malformed.load(Relaxed),
        }
    }

    fn malformed(&self, subject: &Subject) {
        count_malformed(&self.shared.malformed, subject);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_their_secrets() {
        let url = Secret::new("nats://me:p%40ss@one:4333, tls://two");
        let (addresses, user) = servers(&url).unwrap();
        assert_eq!(user, Some(("me".to_owned(), "p@ss".to_owned())));
        assert!(!format!("{addresses:?}").contains("ss@"));
        let hosts: Vec<_> = addresses.iter().map(|a| (a.host(), a.port())).collect();
        assert_eq!(hosts, [("one", 4333), ("two", 4222)]);
    }

    #[test]
    fn other_urls_are_refused_without_telling_them() {
        for url in [
            "",
            "http://host",
            "nats://",
            "nats://u:secret@:x",
            "ws://host",
        ] {
            let error = servers(&Secret::new(url)).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidSetting, "{url}");
            assert!(!format!("{error:?}").contains("secret"));
        }
    }
}
