//! What the adapter is given of each app.

use crate::live::{LiveEvents, LiveOptions};
use crate::transport::within;
use basalt_base::{AppId, BoxFuture, Limits, Result, Secret};
use basalt_data::Data;
use basalt_flow::Jobs;
use basalt_functions::Functions;
use basalt_identity::Identity;
use basalt_live::Live;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// A network: an address and how many leading bits of it count.
pub type Network = (IpAddr, u8);

/// The keys of one app. Client-side keys that are not set are not asked for.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// Everything.
    pub master: Option<Secret>,
    /// Reads everything.
    pub read_only_master: Option<Secret>,
    /// Master and internal fields.
    pub maintenance: Option<Secret>,
    /// REST clients.
    pub rest: Option<Secret>,
    /// JavaScript clients.
    pub javascript: Option<Secret>,
    /// Mobile clients.
    pub client: Option<Secret>,
    /// .NET clients.
    pub windows: Option<Secret>,
}

/// What the adapter serves of one app.
pub struct App {
    /// Its public id.
    pub id: AppId,
    /// Its keys.
    pub keys: Keys,
    /// Its data.
    pub data: Data,
    /// Its jobs and their schedules.
    pub jobs: Jobs,
    /// Its hooks and functions.
    pub functions: Functions,
    /// Its users.
    pub identity: Identity,
    /// Its live queries.
    pub live: Live,
    /// How their events are written.
    pub live_events: Arc<LiveEvents>,
    /// Tells its data from other data that was in its place.
    pub live_epoch: u64,
    /// The adapter's own settings.
    pub options: Options,
}

/// The adapter's own settings of one app, after Parse Server's options of the same names.
#[derive(Clone, Debug)]
pub struct Options {
    /// Networks from which the master key is accepted; loopback by default.
    pub master_key_ips: Vec<Network>,
    /// Networks from which the maintenance key is accepted; loopback by default.
    pub maintenance_key_ips: Vec<Network>,
    /// Networks from which the read-only master key is accepted; `None` for all.
    pub read_only_master_key_ips: Option<Vec<Network>>,
    /// `Access-Control-Allow-Origin`; the first one is the default answer.
    pub allow_origin: Vec<String>,
    /// Additional allowed headers.
    pub allow_headers: Vec<String>,
    /// Paths (regular expressions) on which `X-Parse-Request-Id` is honoured.
    pub idempotency_paths: Vec<String>,
    /// How long a request id is remembered, in seconds.
    pub idempotency_ttl_seconds: u64,
    /// Whether callers without the master key may search by regular expressions.
    pub allow_regex: bool,
    /// Whether messages of refusals hide what exactly is missing.
    pub sanitize_refusals: bool,
    /// The public address of this API (with its mount path), for `Location`.
    pub public_url: String,
    /// Where the API is mounted, like `/parse`.
    pub mount_path: String,
    /// Limits.
    pub limits: Limits,
    /// Live queries.
    pub live: LiveOptions,
}

impl Options {
    /// Whether the master key counts when it comes from this address.
    pub fn takes_master_from(&self, ip: IpAddr) -> bool {
        within(&self.master_key_ips, ip)
    }
}

impl Default for Options {
    fn default() -> Self {
        let loopback = vec![
            (IpAddr::V4(Ipv4Addr::LOCALHOST), 32),
            (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
        ];
        Self {
            master_key_ips: loopback.clone(),
            maintenance_key_ips: loopback,
            read_only_master_key_ips: None,
            allow_origin: Vec::new(),
            allow_headers: Vec::new(),
            idempotency_paths: Vec::new(),
            idempotency_ttl_seconds: 300,
            allow_regex: true,
            sanitize_refusals: true,
            public_url: "http://127.0.0.1:1337/parse".to_owned(),
            mount_path: "/parse".to_owned(),
            limits: Limits::default(),
            live: LiveOptions::default(),
        }
    }
}

/// Finds the app of a request; implemented by the server.
pub trait Apps: Send + Sync {
    /// The app with this id, opened on first use. `None` when there is none.
    fn app<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Arc<App>>>>;
}
