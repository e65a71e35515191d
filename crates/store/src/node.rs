//! The registry of nodes: the servers that work on one store.

use basalt_base::{BoxFuture, Result, Timestamp};
use std::time::Duration;

/// A server on this store, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// New with each start.
    pub id: Box<str>,
    /// The version of its program.
    pub version: Box<str>,
    /// Where it listens.
    pub address: Box<str>,
}

/// A node as the registry knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// The node.
    pub node: Node,
    /// When it came, by the database's clock.
    pub since: Timestamp,
    /// How long ago its last sign of life was, by the database's clock.
    pub silent: Duration,
}

/// Who is there. Truth for people and for nobody else: whatever must be done by one node only needs
/// a lease.
pub trait Nodes: Send + Sync {
    /// A sign of life; the first one registers the node. Nodes that were silent for longer than
    /// `forget` are removed.
    fn beat<'a>(&'a self, node: &'a Node, forget: Duration) -> BoxFuture<'a, Result<()>>;

    /// Removes a node that stops.
    fn leave<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>>;

    /// The nodes, oldest first.
    fn list(&self) -> BoxFuture<'_, Result<Vec<NodeView>>>;
}

/// For stores that only one server uses: nobody is registered.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNodes;

impl Nodes for NoNodes {
    fn beat<'a>(&'a self, _: &'a Node, _: Duration) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn leave<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<NodeView>>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}
