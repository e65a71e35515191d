//! The Parse REST protocol: decode, one engine call, encode.
//!
//! What it must never know: SQL, how the store works, any other adapter.

use basalt_base::{AppId, BoxFuture, Error, Limits, Result, Secret};
use basalt_data::Data;
use basalt_identity::Identity;
use basalt_listener::{Request, Response};
use std::net::IpAddr;
use std::sync::Arc;

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
    /// Its users.
    pub identity: Identity,
    /// The adapter's own settings.
    pub options: Options,
}

/// The adapter's own settings of one app, after Parse Server's options of the same names.
#[derive(Clone, Debug)]
pub struct Options {
    /// Networks from which the master key is accepted; loopback by default.
    pub master_key_ips: Vec<(IpAddr, u8)>,
    /// Networks from which the maintenance key is accepted; loopback by default.
    pub maintenance_key_ips: Vec<(IpAddr, u8)>,
    /// `Access-Control-Allow-Origin`; the first one is the default answer.
    pub allow_origin: Vec<String>,
    /// Additional allowed headers.
    pub allow_headers: Vec<String>,
    /// Paths (regular expressions) on which `X-Parse-Request-Id` is honoured.
    pub idempotency_paths: Vec<String>,
    /// How long a request id is remembered, in seconds.
    pub idempotency_ttl_seconds: u64,
    /// Whether messages of refusals hide what exactly is missing.
    pub sanitize_refusals: bool,
    /// The public address of this API (with its mount path), for `Location`.
    pub public_url: String,
    /// Where the API is mounted, like `/parse`.
    pub mount_path: String,
    /// Limits.
    pub limits: Limits,
}

/// Finds the app of a request; implemented by the server.
pub trait Apps: Send + Sync {
    /// The app with this id, opened on first use. `None` when there is none.
    fn app<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Arc<App>>>>;
}

/// The adapter.
pub struct ParseApi {
    apps: Arc<dyn Apps>,
}

impl ParseApi {
    /// Over these apps.
    pub fn new(apps: Arc<dyn Apps>) -> Self {
        Self { apps }
    }

    /// Answers one request; `path` is the raw path below the mount path (`/classes/Post`).
    pub async fn handle(&self, path: &str, request: Request) -> Response {
        let _ = (path, request, &self.apps);
        let error = Error::internal("not there yet");
        basalt_listener::bytes_response(
            http::StatusCode::INTERNAL_SERVER_ERROR,
            "application/json; charset=utf-8",
            error.to_string(),
        )
    }
}
