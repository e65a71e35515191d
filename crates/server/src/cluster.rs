//! This server as one node of a cluster: who else is there, and how each learns what the others did.
//!
//! Everything that must not be lost is in the store. The bus makes things sooner; without it the
//! nodes look about once a second. Where the store is not shared there is nobody to learn from, and
//! nothing of this runs.

mod follow;
mod tasks;
mod view;

pub(crate) use follow::{Following, feed};
pub(crate) use tasks::Tasks;
pub(crate) use view::{health, readings};

use basalt_base::{AppId, Clock, Monotonic, Rng, token_hex};
use basalt_bus::{Bus, LocalBus, Subject, encode};
use basalt_store::{Node, NodeView, Store};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How often a node looks for what others did when nobody tells it.
pub(crate) const POLL: Duration = Duration::from_secs(1);
/// Nothing is served on knowledge of others' doings that is older. Five seconds are promised; the
/// rest is for a busy machine. It is more than two polls, so that a late one makes no request wait.
pub(crate) const AGE_MAX: Duration = Duration::from_millis(2500);
/// How often a node gives a sign of life.
const BEAT: Duration = Duration::from_secs(2);
/// Nodes that were silent for longer are taken off the list.
const FORGET: Duration = Duration::from_mins(1);
/// Bytes of randomness in a node's id.
const ID_BYTES: usize = 6;

/// What nodes tell each other. Hints: whoever hears one looks for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Note {
    /// The node that speaks.
    pub from: String,
    /// Where an app stands there.
    pub position: u64,
    /// The version of its catalogue.
    pub catalogue: u64,
    /// Queues with tasks to do, and from when on, in milliseconds.
    pub tasks: Vec<(String, i64)>,
}

/// A node and what it knows of the others.
pub(crate) struct Cluster {
    pub node: Node,
    pub bus: Arc<dyn Bus>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
    peers: Mutex<Vec<NodeView>>,
    beaten: Mutex<Option<Monotonic>>,
    beats_failed: AtomicU64,
    draining: AtomicBool,
}

impl Cluster {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        id: String,
        address: &str,
    ) -> Self {
        Self {
            node: Node {
                id: id.into(),
                version: env!("CARGO_PKG_VERSION").into(),
                address: address.into(),
            },
            bus,
            store,
            clock,
            rng,
            peers: Mutex::default(),
            beaten: Mutex::default(),
            beats_failed: AtomicU64::new(0),
            draining: AtomicBool::new(false),
        }
    }

    /// A node that serves nobody, for tools.
    pub(crate) fn alone(store: Arc<dyn Store>, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        let id = node_id(&*rng);
        Self::new(store, LocalBus::new(), clock, rng, id, "")
    }

    /// Whether other nodes may work on the same data.
    pub(crate) fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    /// From now on balancers are told to send nobody here.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// The servers on this store that gave a sign of life lately, as far as this one knows.
    pub(crate) fn peer_ids(&self) -> Vec<Box<str>> {
        let peers = self.peers.lock();
        peers.iter().map(|peer| peer.node.id.clone()).collect()
    }

    /// Tells the others that the registry of apps changed.
    pub(crate) fn tell_apps(&self) {
        self.tell(&apps_subject(), Note::default());
    }

    fn tell(&self, subject: &Subject, note: Note) {
        let note = Note {
            from: self.node.id.to_string(),
            ..note
        };
        match encode(&note) {
            Ok(payload) => self.bus.publish(subject, payload),
            Err(error) => tracing::warn!(?error, "other nodes can't be told"),
        }
    }
}

/// A new id for a node: each start is another node.
pub(crate) fn node_id(rng: &dyn Rng) -> String {
    token_hex(rng, ID_BYTES)
}

/// The registry of apps changed.
fn apps_subject() -> Subject {
    Subject::of_cluster("apps")
}

/// A node came or went.
fn nodes_subject() -> Subject {
    Subject::of_cluster("nodes")
}

/// An app's data or catalogue changed.
fn feed_subject(app: &AppId) -> Subject {
    Subject::of_app(app.clone(), "feed")
}
