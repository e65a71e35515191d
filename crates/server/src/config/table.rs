//! Every setting of the server.

use super::AppSettings;
use super::forms::{self, Mode};
use super::raw::{Place, Raw};
use basalt_base::{Limits, Secret};
use basalt_listener::{Limits as ListenerLimits, Network};
use basalt_store_sqlite::Synchronous;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The settings that a server runs with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of the embedded store, files and keys.
    pub data_dir: PathBuf,
    /// PostgreSQL as the store, in place of the embedded one.
    pub database_url: Option<Secret>,
    /// Address of the public port.
    pub listen: String,
    /// What the server is run for.
    pub mode: Mode,
    /// The address that links and callbacks use.
    pub public_url: Option<String>,
    /// PEM certificate chain.
    pub tls_cert: Option<PathBuf>,
    /// PEM private key.
    pub tls_key: Option<PathBuf>,
    /// Networks whose forwarding headers count.
    pub trusted_proxies: Vec<Network>,
    /// What must at least stand between Cloud Code and the machine.
    pub cloud_isolation_min: basalt_sandbox::Level,
    /// Networks in which webhooks may be, besides the internet.
    pub egress_networks: Vec<Network>,
    /// Opens the admin API, the metrics and the details of health.
    pub operator_token: Option<Secret>,
    /// Seals generated keys in a shared database.
    pub keys_secret: Option<Secret>,
    /// What is logged.
    pub log: String,
    /// When a commit counts as durable.
    pub synchronous: Synchronous,
    /// Most app databases open at once.
    pub apps_open_max: usize,
    /// The bus between nodes.
    pub nats_url: Option<Secret>,
    /// A token for the bus.
    pub nats_token: Option<Secret>,
    /// A file with credentials for the bus.
    pub nats_creds: Option<PathBuf>,
    /// PEM certificates that the bus's servers are checked against.
    pub nats_ca: Option<PathBuf>,
    /// What nodes that belong together have in common on the bus.
    pub cluster: String,
    /// How long the server goes on serving after it was told to stop.
    pub drain_delay: Duration,
    /// Limits of engines and adapters.
    pub limits: Limits,
    /// Limits of the listener.
    pub listener: ListenerLimits,
    /// Apps that the settings declare; the first one is the first app.
    pub apps: Vec<AppSettings>,
    /// Where the settings that are not defaults come from.
    pub origins: BTreeMap<String, Place>,
    /// What the operator should know; logged at the start.
    pub warnings: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./basalt-data"),
            database_url: None,
            listen: "127.0.0.1:1337".to_owned(),
            mode: Mode::Production,
            public_url: None,
            tls_cert: None,
            tls_key: None,
            trusted_proxies: Vec::new(),
            cloud_isolation_min: basalt_sandbox::Level::Filter,
            egress_networks: Vec::new(),
            operator_token: None,
            keys_secret: None,
            log: "info".to_owned(),
            synchronous: Synchronous::Full,
            apps_open_max: 64,
            nats_url: None,
            nats_token: None,
            nats_creds: None,
            nats_ca: None,
            cluster: "main".to_owned(),
            drain_delay: Duration::ZERO,
            limits: Limits::default(),
            listener: ListenerLimits::default(),
            apps: Vec::new(),
            origins: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }
}

/// A setting of `T`.
pub(crate) struct Row<T> {
    /// Its name in the file; limits carry `limits.` in front.
    pub key: &'static str,
    /// Its flag, for the few that have one.
    pub flag: Option<&'static str>,
    /// What it means, for the page.
    pub doc: &'static str,
    /// What its values look like.
    pub expected: &'static str,
    /// Sets it; `None` when the value has the wrong form.
    pub set: fn(&mut T, &Raw) -> Option<()>,
    /// A TOML literal, or nothing when it is not set.
    pub show: fn(&T) -> Option<String>,
    /// Whether the value must not be shown; such a setting also exists as `<key>_file`.
    pub secret: bool,
}

impl<T> Row<T> {
    /// Its environment variable.
    pub(crate) fn environment(&self) -> String {
        format!("BASALT_{}", self.key.replace('.', "_").to_uppercase())
    }
}

macro_rules! row {
    ($key:literal, secret, $($field:ident).+, $doc:literal) => {
        row!(@ $key, secret, $($field).+, $doc, None, true)
    };
    ($key:literal, flag $flag:literal, secret, $($field:ident).+, $doc:literal) => {
        row!(@ $key, secret, $($field).+, $doc, Some($flag), true)
    };
    ($key:literal, $form:ident, $($field:ident).+, $doc:literal) => {
        row!(@ $key, $form, $($field).+, $doc, None, false)
    };
    ($key:literal, flag $flag:literal, $form:ident, $($field:ident).+, $doc:literal) => {
        row!(@ $key, $form, $($field).+, $doc, Some($flag), false)
    };
    (@ $key:literal, $form:ident, $($field:ident).+, $doc:literal, $flag:expr, $secret:expr) => {
        Row {
            key: $key,
            flag: $flag,
            doc: $doc,
            expected: forms::$form::EXPECTED,
            set: |target, raw| {
                target.$($field).+ = forms::$form::read(raw)?;
                Some(())
            },
            show: |source| forms::$form::show(&source.$($field).+),
            secret: $secret,
        }
    };
}
pub(crate) use row;

/// Settings of the server.
pub(crate) const SERVER: &[Row<Settings>] = &[
    row!("data_dir", flag "--data-dir", path, data_dir, "folder of the embedded store, files and keys"),
    row!(@ "database_url", secret, database_url, "`postgres://user:password@host:port/database`: the store of one or several servers, see [PostgreSQL](operate-postgres.md); without it SQLite in `data_dir`", Some("--database-url"), true),
    row!("listen", flag "--listen", address, listen, "address of the one public port; port 0 picks a free one"),
    row!("mode", flag "--mode", mode, mode, "`development` or `production`, see [below](#modes)"),
    row!("public_url", flag "--public-url", url, public_url, "the address that links and `Location` headers use; never taken from a request; the listener's address if not set"),
    row!(
        "tls_cert",
        file,
        tls_cert,
        "PEM certificate chain; read again when it changes; without it plain HTTP"
    ),
    row!(
        "tls_key",
        file,
        tls_key,
        "PEM private key of that certificate"
    ),
    row!(
        "trusted_proxies",
        networks,
        trusted_proxies,
        "networks whose `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Request-Id` count"
    ),
    row!(
        "cloud_isolation_min",
        isolation,
        cloud_isolation_min,
        "what must at least stand between Cloud Code and the machine, or it is not run: `filter` (system calls are filtered), `contained` (and files and networks are refused by Landlock, or an empty root), `full` (and namespaces of its own), or `none`"
    ),
    row!(
        "egress_networks",
        networks,
        egress_networks,
        "networks in which webhooks may be, besides the internet; in development mode loopback, if none is named"
    ),
    row!(
        "operator_token",
        secret,
        operator_token,
        "opens the admin API, and from elsewhere than loopback the metrics and the details of health; generated if not set"
    ),
    row!(
        "keys_secret",
        secret,
        keys_secret,
        "long random text, the same on every node: seals generated keys in the database of [several nodes](cluster.md#keys); needed in production unless the settings give all keys of all apps. Of several with commas between them the first seals and the others open what older ones sealed"
    ),
    row!(
        "log",
        text,
        log,
        "what is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,basalt_data=debug`"
    ),
    row!(
        "synchronous",
        durability,
        synchronous,
        "`full`: an answered write survives a power cut; `normal`: it survives a crash of the server, and a power cut can lose the last ones"
    ),
    row!(
        "apps_open_max",
        count,
        apps_open_max,
        "databases of apps that are open at once; the least recently used one is closed"
    ),
    row!(
        "drain_delay",
        delay,
        drain_delay,
        "after `SIGTERM` the server goes on serving for so long, while `/health` answers 503 and connections are ended with their next answer, so that a balancer turns away before anything is refused"
    ),
    row!("nats_url", flag "--nats-url", secret, nats_url, "the bus between nodes that share a database: `nats://[user:password@]host:port`, or `tls://…`, several with commas between them; see [cluster](cluster.md)"),
    row!(
        "nats_token",
        secret,
        nats_token,
        "token for the bus, instead of a user in the address"
    ),
    row!(
        "nats_creds",
        file,
        nats_creds,
        "file with NATS credentials for the bus"
    ),
    row!(
        "nats_ca",
        file,
        nats_ca,
        "PEM certificates that the servers of the bus are checked against, besides the system's; asks for TLS"
    ),
    row!(
        "cluster",
        text,
        cluster,
        "name of the cluster: nodes with another one on the same bus are not heard"
    ),
];

/// Limits: of engines and adapters first, then of the listener.
pub(crate) const LIMITS: &[Row<Settings>] = &[
    row!(
        "limits.body_bytes_max",
        bytes,
        limits.body_bytes_max,
        "JSON request body"
    ),
    row!(
        "limits.json_depth_max",
        count,
        limits.json_depth_max,
        "nesting of JSON in a body, a query or a stored value"
    ),
    row!(
        "limits.json_values_max",
        count,
        limits.json_values_max,
        "values in a JSON body, each member of a list or map counted"
    ),
    row!(
        "limits.object_bytes_max",
        bytes,
        limits.object_bytes_max,
        "a stored object in its encoded form"
    ),
    row!(
        "limits.name_bytes_max",
        count,
        limits.name_bytes_max,
        "bytes of a user name or a role name; an e-mail address has at most 320"
    ),
    row!(
        "limits.fields_max",
        count,
        limits.fields_max,
        "fields of one class"
    ),
    row!(
        "limits.collections_max",
        count,
        limits.collections_max,
        "classes of one app"
    ),
    row!(
        "limits.filter_nodes_max",
        count,
        limits.filter_nodes_max,
        "tests and logical operators in one query, sub-queries included"
    ),
    row!(
        "limits.filter_depth_max",
        count,
        limits.filter_depth_max,
        "nesting of logical operators"
    ),
    row!(
        "limits.subquery_depth_max",
        count,
        limits.subquery_depth_max,
        "nesting of sub-queries"
    ),
    row!(
        "limits.subquery_rows_max",
        count,
        limits.subquery_rows_max,
        "rows that a sub-query may yield"
    ),
    row!(
        "limits.list_values_max",
        count,
        limits.list_values_max,
        "values in one list operator such as `$in`"
    ),
    row!(
        "limits.regex_bytes_max",
        bytes,
        limits.regex_bytes_max,
        "length of a regular expression"
    ),
    row!(
        "limits.include_depth_max",
        count,
        limits.include_depth_max,
        "steps of one include path"
    ),
    row!(
        "limits.include_paths_max",
        count,
        limits.include_paths_max,
        "include paths of one query"
    ),
    row!(
        "limits.batch_requests_max",
        count,
        limits.batch_requests_max,
        "requests in one batch"
    ),
    row!(
        "limits.query_rows_default",
        count,
        limits.query_rows_default,
        "rows of a query that names no limit"
    ),
    row!("limits.skip_max", count, limits.skip_max, "rows to skip"),
    row!(
        "limits.pipeline_stages_max",
        count,
        limits.pipeline_stages_max,
        "stages of an aggregate"
    ),
    row!(
        "limits.aggregate_bytes_max",
        bytes,
        limits.aggregate_bytes_max,
        "memory that one aggregate may hold"
    ),
    row!(
        "limits.query_time_max",
        duration,
        limits.query_time_max,
        "time that a query or aggregate may run"
    ),
    row!(
        "limits.hook_depth_max",
        count,
        limits.hook_depth_max,
        "how deep hooks may trigger each other"
    ),
    row!(
        "limits.webhook_time_max",
        duration,
        limits.webhook_time_max,
        "time that one call of a webhook may take, waiting for its turn included"
    ),
    row!(
        "limits.webhooks_max",
        count,
        limits.webhooks_max,
        "webhooks of one app that run at once"
    ),
    row!(
        "limits.webhook_answer_bytes_max",
        bytes,
        limits.webhook_answer_bytes_max,
        "answer of a webhook"
    ),
    row!(
        "limits.cloud_time_max",
        duration,
        limits.cloud_time_max,
        "time that a function or trigger of Cloud Code may take"
    ),
    row!(
        "limits.cloud_slice_max",
        duration,
        limits.cloud_slice_max,
        "time that Cloud Code may run without a pause"
    ),
    row!(
        "limits.cloud_memory_bytes_max",
        bytes,
        limits.cloud_memory_bytes_max,
        "what the Cloud Code of one app may hold in memory"
    ),
    row!(
        "limits.cloud_calls_max",
        count,
        limits.cloud_calls_max,
        "functions and triggers of one app's Cloud Code that run at once, besides those that they cause"
    ),
    row!(
        "limits.log_bytes_max",
        bytes,
        limits.log_bytes_max,
        "logs of functions and hooks of one app"
    ),
    row!(
        "limits.log_time_max",
        duration,
        limits.log_time_max,
        "time that a line of those logs is kept"
    ),
    row!(
        "limits.live_sockets_per_ip_max",
        count,
        limits.live_sockets_per_ip_max,
        "live connections of one address (IPv6: of one /64); loopback is exempt"
    ),
    row!(
        "limits.live_clients_max",
        count,
        limits.live_clients_max,
        "live connections of one app on one node"
    ),
    row!(
        "limits.live_subscriptions_max",
        count,
        limits.live_subscriptions_max,
        "live queries of one app on one node"
    ),
    row!(
        "limits.live_subscriptions_per_client_max",
        count,
        limits.live_subscriptions_per_client_max,
        "live queries of one connection"
    ),
    row!(
        "limits.live_message_bytes_max",
        bytes,
        limits.live_message_bytes_max,
        "message of a live client"
    ),
    row!(
        "limits.live_messages_per_second_max",
        count,
        limits.live_messages_per_second_max,
        "messages a second of a live client, after a burst of as many and two for each live query that it may have"
    ),
    row!(
        "limits.live_queue_messages_max",
        count,
        limits.live_queue_messages_max,
        "events that wait for a live client; who has more is told to start over and cut off"
    ),
    row!(
        "limits.live_queue_bytes_max",
        bytes,
        limits.live_queue_bytes_max,
        "bytes of events that wait for a live client"
    ),
    row!(
        "limits.live_queues_bytes_max",
        bytes,
        limits.live_queues_bytes_max,
        "bytes of events that wait for all live clients of an app on one node; shared ones count for each"
    ),
    row!(
        "limits.live_handshake_time_max",
        duration,
        limits.live_handshake_time_max,
        "time that a live client may take to say who it is"
    ),
    row!(
        "limits.connections_max",
        count,
        listener.connections_max,
        "open connections; further ones are closed at once"
    ),
    row!(
        "limits.connections_per_ip_max",
        count,
        listener.connections_per_ip_max,
        "open connections of one address (IPv6: of one /64); loopback and trusted proxies are exempt"
    ),
    row!(
        "limits.header_count_max",
        count,
        listener.header_count_max,
        "header fields of a request"
    ),
    row!(
        "limits.header_bytes_max",
        bytes,
        listener.header_bytes_max,
        "request line and header fields together"
    ),
    row!(
        "limits.header_value_bytes_max",
        bytes,
        listener.header_value_bytes_max,
        "value of one header field"
    ),
    row!(
        "limits.header_time_max",
        duration,
        listener.header_time_max,
        "time for a request line and its header fields to arrive"
    ),
    row!(
        "limits.bodies_bytes_max",
        bytes,
        listener.bodies_bytes_max,
        "request bodies in memory at once, of all requests together; beyond, 503 with `Retry-After`. Bodies of up to 16 KiB don't count"
    ),
    row!(
        "limits.body_idle_time_max",
        duration,
        listener.body_idle_time_max,
        "time that a body may stand still, or trickle less than 1 KiB"
    ),
    row!(
        "limits.write_stall_time_max",
        duration,
        listener.write_stall_time_max,
        "time that a client may take nothing of an answer that is ready"
    ),
    row!(
        "limits.request_time_max",
        duration,
        listener.request_time_max,
        "time until a request's answer begins"
    ),
    row!(
        "limits.idle_time_max",
        duration,
        listener.idle_time_max,
        "time that a connection may be open without a request"
    ),
    row!(
        "limits.handshake_time_max",
        duration,
        listener.handshake_time_max,
        "time for a TLS handshake"
    ),
    row!(
        "limits.streams_max",
        count,
        listener.streams_max,
        "requests at once on one HTTP/2 connection"
    ),
    row!(
        "limits.drain_time_max",
        duration,
        listener.drain_time_max,
        "time for requests in work after the server was told to stop"
    ),
];

/// Settings that exist in name only, so that scripts can rely on the names; giving one stops the
/// start.
pub(crate) const RESERVED: &[(&str, Option<&str>, &str)] = &[
    (
        "blob_url",
        Some("--blob-url"),
        "S3-compatible storage for files",
    ),
    ("smtp_url", None, "sending mail"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_limit_of_the_structs_has_a_row() {
        let shown = format!("{:#?}{:#?}", Limits::default(), ListenerLimits::default());
        let fields = shown
            .lines()
            .filter(|line| line.starts_with("    ") && !line.starts_with("     "))
            .filter_map(|line| line.trim().split_once(':'));
        let rows: HashSet<_> = LIMITS
            .iter()
            .filter_map(|row| row.key.strip_prefix("limits."))
            .collect();
        let fields: HashSet<_> = fields.map(|(name, _)| name).collect();
        assert_eq!(rows, fields);
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let default = Settings::default();
        for row in SERVER.iter().chain(LIMITS) {
            let Some(shown) = (row.show)(&default) else {
                continue;
            };
            let value: toml::Table = format!("x = {shown}").parse().unwrap();
            let raw = match &value["x"] {
                toml::Value::String(text) => Raw::Text(text.clone()),
                toml::Value::Integer(number) => Raw::Int(*number),
                toml::Value::Array(_) => Raw::List(Vec::new()),
                other => panic!("{}: {other}", row.key),
            };
            let mut again = Settings::default();
            assert_eq!((row.set)(&mut again, &raw), Some(()), "{}", row.key);
            assert_eq!((row.show)(&again), Some(shown), "{}", row.key);
        }
    }

    #[test]
    fn keys_are_distinct() {
        let rows = SERVER.iter().chain(LIMITS).map(|row| row.key);
        let keys: Vec<_> = rows.chain(RESERVED.iter().map(|row| row.0)).collect();
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
    }
}
