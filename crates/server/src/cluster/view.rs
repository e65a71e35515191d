//! What health and metrics say of the node.

use super::Cluster;
use basalt_feed::FeedView;
use basalt_store::Reading;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// The node's part of `/health?details`; `feeds` are those of the open apps.
pub(crate) fn health(cluster: &Cluster, feeds: &[(String, FeedView)]) -> Value {
    let bus = cluster.bus.view();
    let peers: Vec<Value> = cluster
        .peers
        .lock()
        .iter()
        .map(|peer| {
            json!({
                "id": &*peer.node.id,
                "version": &*peer.node.version,
                "address": &*peer.node.address,
                "since_unix_ms": peer.since.millis(),
                "silent_ms": millis(peer.silent),
                "self": peer.node.id == cluster.node.id,
            })
        })
        .collect();
    let feeds: Vec<Value> = feeds
        .iter()
        .map(|(app, feed)| {
            json!({
                "app": app,
                "position": feed.head.position.0,
                "behind": feed.behind,
                "age_ms": millis(feed.age),
                "failures": feed.failures,
            })
        })
        .collect();
    json!({
        "id": &*cluster.node.id,
        "address": &*cluster.node.address,
        "draining": cluster.is_draining(),
        "shared_store": cluster.is_shared(),
        "falls_back_to_polling": falls_back(cluster, bus.connected),
        "peers": peers,
        "bus": {
            "kind": bus.kind,
            "connected": bus.connected,
            "server_version": bus.server_version,
        },
        "feeds": feeds,
    })
}

/// Whether nodes learn of each other by polling alone.
fn falls_back(cluster: &Cluster, connected: bool) -> bool {
    cluster.is_shared() && (!connected || cluster.bus.view().kind != "nats")
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The node's part of `/metrics`.
pub(crate) fn readings(cluster: &Cluster, feeds: &[(String, FeedView)]) -> Vec<Reading> {
    let bus = cluster.bus.view();
    let plain = |name, value: f64| Reading {
        name,
        labels: Vec::new(),
        value,
    };
    let mut readings = vec![
        plain("basalt_node_draining", f64::from(cluster.is_draining())),
        plain("basalt_bus_connected", f64::from(bus.connected)),
        plain("basalt_bus_connects_total", bus.connects as f64),
        plain("basalt_bus_published_total", bus.published as f64),
        plain("basalt_bus_dropped_total", bus.dropped as f64),
        plain("basalt_bus_received_total", bus.received as f64),
        plain("basalt_bus_malformed_total", bus.malformed as f64),
    ];
    if cluster.is_shared() {
        let polling = falls_back(cluster, bus.connected);
        let failed = cluster.beats_failed.load(Ordering::Relaxed);
        let beaten = *cluster.beaten.lock();
        let now = cluster.clock.monotonic();
        let age = beaten.map_or(f64::INFINITY, |at| now.since(at).as_secs_f64());
        readings.extend([
            plain("basalt_node_polling", f64::from(polling)),
            plain("basalt_node_peers", cluster.peers.lock().len() as f64),
            plain("basalt_node_beats_failed_total", failed as f64),
            plain("basalt_node_beat_age_seconds", age),
        ]);
    }
    for (app, feed) in feeds {
        let of = |name, value: f64| Reading {
            name,
            labels: vec![("app", app.clone())],
            value,
        };
        readings.extend([
            of("basalt_feed_behind_changes", feed.behind as f64),
            of("basalt_feed_age_seconds", feed.age.as_secs_f64()),
            of("basalt_feed_failures_total", feed.failures as f64),
        ]);
    }
    readings
}
