//! What can be set about the listener.

use crate::Network;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// PEM files of a certificate chain and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct Options {
    /// Addresses to try in order; port 0 picks a free one.
    pub addresses: Vec<SocketAddr>,
    /// Speak TLS with these files, read again when they change.
    pub tls: Option<TlsFiles>,
    /// Networks whose forwarding headers count.
    pub trusted_proxies: Vec<Network>,
    /// Limits.
    pub limits: Limits,
}

/// Limits on connections and slow peers. Every field is a documented setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most open connections; further ones are closed at once.
    pub connections_max: usize,
    /// Most open connections of one address; loopback and trusted proxies are exempt.
    pub connections_per_ip_max: usize,
    /// Most header fields of a request.
    pub header_count_max: usize,
    /// Most bytes of a request line and its header fields together; at least 8 KiB.
    pub header_bytes_max: usize,
    /// Most bytes of one header field.
    pub header_value_bytes_max: usize,
    /// Most bytes of request bodies held in memory at once, of all requests together; bodies of up
    /// to 16 KiB don't count, so that small requests go on when it is used up.
    pub bodies_bytes_max: usize,
    /// How long a request line and its header fields may take to arrive.
    pub header_time_max: Duration,
    /// How long a body may stand still (or trickle less than 1 KiB).
    pub body_idle_time_max: Duration,
    /// How long a peer may take nothing of an answer that is ready.
    pub write_stall_time_max: Duration,
    /// How long a request may take until its answer begins.
    pub request_time_max: Duration,
    /// How long a connection may be open without a request.
    pub idle_time_max: Duration,
    /// How long a TLS handshake may take.
    pub handshake_time_max: Duration,
    /// Most requests at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// How long requests may go on after the server was told to stop.
    pub drain_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_per_ip_max: 1_000,
            header_count_max: 100,
            header_bytes_max: 32 * 1024,
            header_value_bytes_max: 8 * 1024,
            bodies_bytes_max: 256 * 1024 * 1024,
            header_time_max: Duration::from_secs(15),
            body_idle_time_max: Duration::from_secs(30),
            write_stall_time_max: Duration::from_secs(30),
            request_time_max: Duration::from_mins(5),
            idle_time_max: Duration::from_secs(75),
            handshake_time_max: Duration::from_secs(10),
            streams_max: 128,
            drain_time_max: Duration::from_secs(30),
        }
    }
}
