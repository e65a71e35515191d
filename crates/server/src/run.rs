//! Starting and stopping the server.

use crate::apps::{AppTable, Parts, may_clear};
use crate::background;
use crate::cluster::{Cluster, Tasks, node_id};
use crate::config::{Mode, Settings, invalid};
use crate::dispatch::Router;
use crate::keys::KeyStore;
use crate::metrics::Metrics;
use crate::product::Product;
use crate::shared_keys::SharedKeys;
use crate::{process, sample};
use basalt_api_admin::{AdminApi, AdminApps};
use basalt_api_parse::{Apps, Cors, ParseApi, Sockets};
use basalt_base::{Clock, Network, Result, Rng, Secret, SystemClock};
use basalt_bus::{Bus, LocalBus, NatsBus, NatsOptions};
use basalt_functions::{Egress, LogOptions, LogStore, Outside, OutsideOptions, SystemResolver};
use basalt_identity::PasswordPool;
use basalt_listener::{Listener, TlsFiles};
use basalt_store::Store;
use basalt_store_postgres::PostgresStore;
use basalt_store_sqlite::SqliteStore;
use std::collections::HashSet;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long tasks that run when the server stops may go on.
const DRAIN_GRACE: Duration = Duration::from_secs(10);

/// A server that is ready to answer.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Where it listens, as in `http://127.0.0.1:1337`.
    pub url: String,
    /// The first app's id.
    pub app: String,
}

/// Runs a server until `stop` is done and its requests are finished. `ready` is called once, when
/// it is about to answer. With `with_sample` the first app gets a few objects if it has no classes.
///
/// Errors: `InvalidSetting`, `StoreLocked`, and what the store says about its files.
pub async fn serve(
    settings: Settings,
    with_sample: bool,
    ready: impl FnOnce(&Ready),
    stop: impl Future<Output = ()>,
) -> Result<()> {
    serve_opened(
        Server::open(settings, None).await?,
        with_sample,
        ready,
        stop,
    )
    .await
}

/// A store and a bus that the caller opened.
pub struct Over {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The bus.
    pub bus: Arc<dyn Bus>,
}

/// The same over a store and a bus of the caller's, which may be those of other nodes too. Settings
/// that choose a store or a bus are ignored.
pub async fn serve_over(
    settings: Settings,
    over: Over,
    ready: impl FnOnce(&Ready),
    stop: impl Future<Output = ()>,
) -> Result<()> {
    serve_opened(
        Server::open(settings, Some(over)).await?,
        false,
        ready,
        stop,
    )
    .await
}

async fn serve_opened(
    server: Server,
    with_sample: bool,
    ready: impl FnOnce(&Ready),
    stop: impl Future<Output = ()>,
) -> Result<()> {
    for warning in &server.settings.warnings {
        tracing::warn!("{warning}");
    }
    ready(&server.ready);
    server.serve(with_sample, stop).await;
    Ok(())
}

struct Server {
    settings: Settings,
    listener: Listener,
    router: Arc<Router>,
    ready: Ready,
}

impl Server {
    async fn open(mut settings: Settings, over: Option<Over>) -> Result<Self> {
        settle(&mut settings)?;
        let cors = cors(&settings)?;
        let listener = bind(&settings)?;
        let (given, bus) = over.map(|over| (over.store, over.bus)).unzip();
        let mut parts = match given {
            Some(store) => parts_over(&settings, store)?,
            None => parts(&settings).await?,
        };
        let url = url(&settings, listener.address());
        parts.cluster = Arc::new(cluster(&settings, &parts, bus, &url).await?);
        let cluster = Arc::clone(&parts.cluster);
        let (store, clock) = (Arc::clone(&parts.store), Arc::clone(&parts.clock));
        let operator_token = parts.keys.operator_token(&settings, &*parts.rng)?;
        let public_url = settings.public_url.clone().unwrap_or_else(|| url.clone());
        let table = AppTable::load(parts, settings.clone(), public_url).await?;
        let apps = Arc::new(table);
        apps.run_tasks();
        match apps.open_with_cloud().await {
            // On a developer's machine the file is about to be mended.
            Err(_) if settings.mode == Mode::Development => {}
            other => other?,
        }
        let sockets = Sockets::new(settings.limits.live_sockets_per_ip_max);
        let router = Router {
            parse: ParseApi::new(Arc::clone(&apps) as Arc<dyn Apps>)
                .with_cors(cors)
                .with_sockets(sockets.clone(), settings.limits.clone()),
            sockets,
            admin: AdminApi::new(
                Arc::clone(&apps) as Arc<dyn AdminApps>,
                operator_token,
                may_clear(settings.mode),
            ),
            apps,
            cluster,
            store,
            metrics: Metrics::new(),
            stats: listener.stats(),
            started: clock.monotonic(),
            clock,
            mode: settings.mode.name(),
            loopback_is_local: settings.trusted_proxies.is_empty(),
            stopping: AtomicBool::new(false),
            hosts: HashSet::new(),
        };
        let ready = Ready {
            url,
            app: first_app(&settings).to_owned(),
        };
        Ok(Self {
            settings,
            listener,
            router: Arc::new(router),
            ready,
        })
    }

    async fn serve(self, with_sample: bool, stop: impl Future<Output = ()>) {
        let apps = Arc::clone(&self.router.apps);
        let first = self.ready.app.clone();
        // Whoever comes first should not have to wait for the database to open.
        let opening = tokio::spawn(async move {
            let opened = match apps.app(&first).await {
                Ok(Some(app)) if with_sample => sample::fill(&app).await,
                other => other.map(|_| ()),
            };
            if let Err(error) = opened {
                tracing::error!(app = first, ?error, "the first app can't be opened");
            }
        });
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(
            url = self.ready.url,
            mode = self.settings.mode.name(),
            version,
            "serving"
        );
        let (stop_waking, stopped) = tokio::sync::watch::channel(false);
        let waking = background::wake_apps(Arc::clone(&self.router.apps), stopped);
        let waking = tokio::spawn(waking);
        let router = Arc::clone(&self.router);
        let delay = self.settings.drain_delay;
        let stop = async move {
            stop.await;
            router.cluster.drain();
            if !delay.is_zero() {
                router.stopping.store(true, Ordering::Relaxed);
                tracing::info!(
                    ?delay,
                    "told to stop; serving on until balancers have noticed"
                );
                tokio::time::sleep(delay).await;
            }
            router.sockets.stop();
        };
        let (cluster, apps) = (&self.router.cluster, &self.router.apps);
        let tasks = Tasks::start(cluster, apps);
        let apps = Arc::clone(apps);
        let sockets = self.router.sockets.clone();
        let cut = self.listener.serve(self.router, stop).await;
        // Each says goodbye within a bounded time.
        sockets.ended().await;
        stop_waking.send_replace(true);
        if waking.await.is_err() {
            tracing::error!("waking apps panicked");
        }
        tasks.stop().await;
        // It holds the store; whoever starts on this folder next must find it closed.
        if opening.await.is_err() {
            tracing::error!("opening the first app panicked");
        }
        apps.stop_tasks(DRAIN_GRACE).await;
        apps.stop().await;
        tracing::info!(connections_cut = cut, "stopped");
    }
}

/// Applies the apps' Parse Server options to the settings that they are mapped to. Errors:
/// `InvalidSetting` for options that can't be used.
pub fn settle(settings: &mut Settings) -> Result<()> {
    let mut apps = settings.apps.clone();
    let outcome = apps
        .iter_mut()
        .try_for_each(|app| Product::of(settings, app).map(|_| ()));
    settings.apps = apps;
    outcome
}

/// How preflights are answered, which name no app: as the first one wants it.
fn cors(settings: &Settings) -> Result<Cors> {
    let Some(app) = settings.apps.first() else {
        return Ok(Cors::default());
    };
    let api = Product::of(&mut settings.clone(), &mut app.clone())?.api;
    Ok(Cors::new(&api.allow_origin, &api.allow_headers))
}

pub(crate) fn first_app(settings: &Settings) -> &str {
    settings.apps.first().map_or("main", |app| app.id.as_str())
}

/// The way to webhooks. On a developer's machine they are on the same machine.
fn outside(settings: &Settings) -> Outside {
    let mut networks = settings.egress_networks.clone();
    if networks.is_empty() && settings.mode == Mode::Development {
        networks.extend(Network::loopback());
    }
    let options = OutsideOptions {
        egress: Egress::new(networks),
        answer_bytes_max: settings.limits.webhook_answer_bytes_max,
        ..OutsideOptions::default()
    };
    Outside::new(options, Arc::new(SystemResolver))
}

/// What the apps are made from, with the data directory locked when the store is in it.
pub(crate) async fn parts(settings: &Settings) -> Result<Parts> {
    let usual = basalt_store_sqlite::Options::default().snapshot_age_max;
    parts_with(settings, usual).await
}

/// The same, with snapshots that may be kept for so long.
pub(crate) async fn parts_with(settings: &Settings, snapshot_age_max: Duration) -> Result<Parts> {
    parts_over(settings, store(settings, snapshot_age_max).await?)
}

fn parts_over(settings: &Settings, store: Arc<dyn Store>) -> Result<Parts> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let rng: Arc<dyn Rng> = Arc::new(basalt_base::OsRng);
    let cluster = Cluster::alone(Arc::clone(&store), Arc::clone(&clock), Arc::clone(&rng));
    let log_options = LogOptions {
        bytes_max: settings.limits.log_bytes_max as u64,
        age_max: settings.limits.log_time_max,
    };
    let program = basalt_sandbox::Program::this();
    Ok(Parts {
        program: program.ok(),
        cluster: Arc::new(cluster),
        store,
        outside: outside(settings),
        logs: LogStore::open(
            settings.data_dir.join("logs"),
            log_options,
            Arc::clone(&clock),
        )?,
        clock,
        passwords: PasswordPool::start(Arc::clone(&rng))?,
        rng,
        keys: KeyStore::of(&settings.data_dir),
        shared_keys: Arc::new(SharedKeys::of(settings)?),
    })
}

/// This server as a node.
async fn cluster(
    settings: &Settings,
    parts: &Parts,
    bus: Option<Arc<dyn Bus>>,
    url: &str,
) -> Result<Cluster> {
    let id = node_id(&*parts.rng);
    let bus = match bus {
        Some(bus) => bus,
        None => connect(settings, &id).await?,
    };
    Ok(Cluster::new(
        Arc::clone(&parts.store),
        bus,
        Arc::clone(&parts.clock),
        Arc::clone(&parts.rng),
        id,
        url,
    ))
}

/// The bus that the settings ask for.
async fn connect(settings: &Settings, id: &str) -> Result<Arc<dyn Bus>> {
    let Some(url) = settings.nats_url.clone() else {
        return Ok(LocalBus::new());
    };
    let credentials = settings.nats_creds.as_ref().map(|path| {
        let read = std::fs::read_to_string(path);
        read.map(Secret::new).map_err(|error| {
            let path = path.display();
            invalid(format!("`nats_creds`: {path} can't be read: {error}")).with_source(error)
        })
    });
    let options = NatsOptions {
        url,
        token: settings.nats_token.clone(),
        credentials: credentials.transpose()?,
        ca: settings.nats_ca.clone(),
        cluster: settings.cluster.clone(),
        name: format!("basalt {id}"),
    };
    Ok(NatsBus::connect(options).await?)
}

async fn store(settings: &Settings, snapshot_age_max: Duration) -> Result<Arc<dyn Store>> {
    let record_bytes_max = settings.limits.object_bytes_max;
    if let Some(url) = &settings.database_url {
        let usual = basalt_store_postgres::Options::default();
        let options = basalt_store_postgres::Options {
            record_bytes_max,
            snapshot_age_max,
            // An export reads a whole collection with one statement.
            statement_time_max: usual.statement_time_max.max(snapshot_age_max),
            ..usual
        };
        return Ok(PostgresStore::open(url.expose(), options).await?);
    }
    let options = basalt_store_sqlite::Options {
        synchronous: settings.synchronous,
        record_bytes_max,
        snapshot_age_max,
        ..basalt_store_sqlite::Options::default()
    };
    Ok(SqliteStore::open(&settings.data_dir, options)?)
}

/// The addresses that `listen` stands for.
pub(crate) fn addresses(settings: &Settings) -> Result<Vec<SocketAddr>> {
    let listen = &settings.listen;
    let found = listen.to_socket_addrs().map_err(|error| {
        invalid(format!(
            "`listen` = {listen:?}: the address can't be found: {error}"
        ))
        .with_source(error)
    })?;
    let addresses: Vec<_> = found.collect();
    let open = addresses.iter().any(|address| !address.ip().is_loopback());
    if settings.mode == Mode::Development && open {
        return Err(invalid(format!(
            "`listen` = {listen:?}: development mode listens on loopback only; choose 127.0.0.1, or mode production"
        )));
    }
    Ok(addresses)
}

fn bind(settings: &Settings) -> Result<Listener> {
    let descriptors = process::raise_descriptor_limit();
    let mut limits = settings.listener.clone();
    if let Some(descriptors) = descriptors.and_then(|limit| usize::try_from(limit).ok()) {
        // Databases need some, too.
        let room = (descriptors / 2).max(16);
        if limits.connections_max > room {
            tracing::warn!(
                descriptors,
                connections_max = room,
                "few open files are allowed; fewer connections are taken"
            );
            limits.connections_max = room;
        }
    }
    let tls = settings.tls_cert.clone().zip(settings.tls_key.clone());
    Listener::bind(basalt_listener::Options {
        addresses: addresses(settings)?,
        tls: tls.map(|(certificate, key)| TlsFiles { certificate, key }),
        trusted_proxies: settings.trusted_proxies.clone(),
        limits,
    })
}

fn url(settings: &Settings, address: SocketAddr) -> String {
    let scheme = if settings.tls_cert.is_some() {
        "https"
    } else {
        "http"
    };
    format!("{scheme}://{address}")
}
