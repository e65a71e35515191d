//! Where the server is and how to connect to it. Never shows the password.

use super::conn::Conn;
use super::tls::{Tls, Verify};
use crate::options::Options;
use basalt_base::{Error, Reason, Result};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::Severity;
use tokio_postgres::{AsyncMessage, Connection};

/// What a connection is for: sets its time limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Short reads of many callers.
    Lane,
    /// Long reads and snapshots.
    Reader,
    /// The writer of an app.
    Writer,
    /// Reclaiming space and making tables.
    Keeper,
    /// Building indexes, for as long as it takes.
    Builder,
}

/// A parsed database URL.
#[derive(Clone)]
pub(crate) struct Target {
    config: tokio_postgres::Config,
    tls: Tls,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("hosts", &self.config.get_hosts())
            .field("database", &self.config.get_dbname())
            .finish_non_exhaustive()
    }
}

fn invalid(why: &str) -> Error {
    Error::new(
        Reason::InvalidValue,
        format!("The database URL can't be used: {why}."),
    )
}

impl Target {
    /// From `postgres://user:password@host:port/database?sslmode=…`. Besides what the driver knows,
    /// `sslmode` may be `verify-ca` or `verify-full`, and `sslrootcert` names a PEM file.
    pub(crate) fn parse(url: &str, options: &Options) -> Result<Self> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(invalid("it does not start with postgres://"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut kept = Vec::new();
        let mut roots = None;
        let mut mode = "prefer";
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = value,
                // For the store, which took it out already.
                Some(("basalt_schema", _)) => {}
                Some(("sslrootcert", path)) => roots = Some(path.replace("%2F", "/")),
                _ => kept.push(pair),
            }
        }
        let (driver, verify) = match (mode, &roots) {
            ("disable", _) => (SslMode::Disable, Verify::Nothing),
            ("allow" | "prefer", _) => (SslMode::Prefer, Verify::Nothing),
            ("require", None) => (SslMode::Require, Verify::Nothing),
            // As in the server's own tools: with a root to check against, it is checked.
            ("require" | "verify-ca", _) => (SslMode::Require, Verify::Authority),
            ("verify-full", _) => (SslMode::Require, Verify::Everything),
            _ => {
                return Err(invalid(
                    "sslmode is none of disable, prefer, require, verify-ca, verify-full",
                ));
            }
        };
        let joined = if kept.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", kept.join("&"))
        };
        // The driver's message may quote the URL and so the password.
        let mut config: tokio_postgres::Config =
            joined.parse().map_err(|_| invalid("it is malformed"))?;
        config
            .ssl_mode(driver)
            .application_name("basalt")
            .connect_timeout(options.connect_time_max)
            .tcp_user_timeout(options.lock_time_max.min(Duration::from_secs(5)))
            .keepalives_idle(Duration::from_secs(5))
            .keepalives_interval(Duration::from_secs(2))
            .keepalives_retries(3);
        let tls = Tls::new(verify, roots.as_deref())?;
        Ok(Self { config, tls })
    }

    /// Connects and sets the limits of the role.
    pub(crate) async fn connect(&self, role: Role, options: &Options) -> Result<Arc<Conn>> {
        let connecting = self.config.connect(self.tls.clone());
        let connected = tokio::time::timeout(options.connect_time_max, connecting).await;
        let (client, connection) = match connected {
            Ok(Ok(pair)) => pair,
            Ok(Err(error)) => {
                return Err(unavailable().with_source(error));
            }
            Err(_) => return Err(unavailable().with_source("connecting took too long")),
        };
        let warnings = Arc::new(AtomicU64::new(0));
        tokio::spawn(drive(connection, warnings.clone()));
        let settings = settings(role, options);
        client
            .batch_execute(&settings)
            .await
            .map_err(|error| unavailable().with_source(error))?;
        Ok(Arc::new(Conn::new(client, self.tls.clone(), warnings)))
    }
}

/// The prefix of the schemas that a URL asks for.
pub(crate) fn schema_of(url: &str) -> Option<&str> {
    let (_, query) = url.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(name, _)| *name == "basalt_schema")
        .map(|(_, value)| value)
}

pub(crate) fn unavailable() -> Error {
    Error::new(Reason::StoreUnavailable, "The store can't serve right now.")
        .with_retry_after(Duration::from_secs(1))
}

/// Runs a connection to its end. A warning is counted before the answers behind it are handed on.
async fn drive<S, T>(mut connection: Connection<S, T>, warnings: Arc<AtomicU64>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
        match message {
            Ok(AsyncMessage::Notice(notice)) => {
                use Severity::{Debug, Info, Log, Notice};
                if !matches!(notice.parsed_severity(), Some(Debug | Info | Log | Notice)) {
                    warnings.fetch_add(1, SeqCst);
                    tracing::warn!(%notice, "the database warns");
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "a connection to the database ended");
                return;
            }
        }
    }
}

fn settings(role: Role, options: &Options) -> String {
    let lock_ms = options
        .lock_time_max
        .min(Duration::from_secs(5))
        .as_millis();
    let (statement, idle) = match role {
        Role::Lane => (options.lane_time_max, options.lock_time_max),
        Role::Reader => (options.statement_time_max, options.snapshot_age_max),
        Role::Writer => (
            Duration::from_secs(30),
            options.lock_time_max.min(Duration::from_secs(5)),
        ),
        Role::Keeper | Role::Builder => (Duration::ZERO, Duration::from_mins(1)),
    };
    // A reader that takes its time (an export onto a slow disk) holds up nobody, and is no dead peer.
    let silent_ms = match role {
        Role::Reader => options.snapshot_age_max.as_millis().max(lock_ms),
        Role::Lane | Role::Writer | Role::Keeper | Role::Builder => lock_ms,
    };
    // A build waits for every transaction that began before it.
    let lock_ms = if role == Role::Builder { 0 } else { lock_ms };
    // Commits wait for the disk whatever the server's default; a default that waits for more stays.
    let durable = "SELECT pg_catalog.set_config('synchronous_commit', 'on', false)
        WHERE pg_catalog.current_setting('synchronous_commit') IN ('off', 'local');";
    let more = match role {
        // Plans fit the groups at hand, not those of when the table was empty.
        Role::Writer => format!("SET plan_cache_mode = force_custom_plan; {durable}"),
        // Plans are kept while tables grow, and short reads come with an index.
        Role::Lane => "SET enable_seqscan = off;".to_owned(),
        Role::Builder => durable.to_owned(),
        Role::Reader | Role::Keeper => String::new(),
    };
    format!(
        "SET client_encoding = 'UTF8'; SET search_path = pg_catalog; SET TimeZone = 'UTC';
         SET standard_conforming_strings = on; SET default_transaction_read_only = off;
         SET default_transaction_isolation = 'read committed'; SET jit = off;
         SET client_min_messages = warning; SET extra_float_digits = 1;
         SET lock_timeout = {lock_ms}; SET statement_timeout = {};
         SET idle_in_transaction_session_timeout = {}; SET tcp_user_timeout = {silent_ms}; {more}",
        statement.as_millis(),
        idle.as_millis(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_passwords_never_shown() {
        let options = Options::default();
        let parse = |url: &str| Target::parse(url, &options);
        let target = parse("postgres://me:sesame@db.example:5433/x?sslmode=disable").unwrap();
        let shown = format!("{target:?}");
        assert!(shown.contains("db.example") && !shown.contains("sesame"));
        for wrong in [
            "mysql://a",
            "postgres://me:sesame@h:port/x",
            "postgres://h/x?sslmode=maybe",
        ] {
            let error = parse(wrong).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidValue);
            assert!(!format!("{error:?}").contains("sesame"));
        }
    }
}
