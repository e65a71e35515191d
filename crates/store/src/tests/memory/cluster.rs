//! Leases and nodes.

use crate::{Fence, Lease, LeaseView, Leases, Node, NodeView, Nodes, check_lease, lease_lost};
use basalt_base::{BoxFuture, Clock, Monotonic, Result, SystemClock};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

struct Row {
    holder: Option<Arc<str>>,
    token: u64,
    until: Monotonic,
}

#[derive(Default)]
pub struct LeaseTable(Mutex<BTreeMap<Arc<str>, Row>>);

fn now() -> Monotonic {
    SystemClock.monotonic()
}

impl LeaseTable {
    pub fn check(&self, fence: Option<&Fence>) -> Result<()> {
        let rows = self.0.lock().unwrap();
        let holds = |fence: &Fence| {
            let row = rows.get(&fence.lease);
            row.is_some_and(|row| row.token == fence.token && row.holder.is_some())
        };
        if fence.is_none_or(holds) {
            Ok(())
        } else {
            Err(lease_lost())
        }
    }

    /// The row while the lease is its holder's.
    fn held<T>(&self, lease: &Lease, then: impl FnOnce(&mut Row) -> T) -> Option<T> {
        let mut rows = self.0.lock().unwrap();
        let row = rows.get_mut(&lease.name)?;
        (row.token == lease.token && row.holder.is_some()).then(|| then(row))
    }
}

impl Leases for LeaseTable {
    fn acquire<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        time: Duration,
    ) -> BoxFuture<'a, Result<Option<Lease>>> {
        Box::pin(async move {
            check_lease(name, holder, time)?;
            let mut rows = self.0.lock().unwrap();
            let row = rows.entry(name.into()).or_insert(Row {
                holder: None,
                token: 0,
                until: now(),
            });
            if row.holder.is_some() && row.until > now() {
                return Ok(None);
            }
            row.holder = Some(holder.into());
            row.token += 1;
            row.until = now().after(time);
            Ok(Some(Lease {
                name: name.into(),
                holder: holder.into(),
                token: row.token,
            }))
        })
    }

    fn renew<'a>(&'a self, lease: &'a Lease, time: Duration) -> BoxFuture<'a, Result<bool>> {
        let renewed = self.held(lease, |row| row.until = now().after(time));
        Box::pin(async move { Ok(renewed.is_some()) })
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<()>> {
        self.held(lease, |row| row.holder = None);
        Box::pin(async { Ok(()) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<LeaseView>>> {
        let rows = self.0.lock().unwrap();
        let views = rows.iter().filter_map(|(name, row)| {
            let lease = Lease {
                name: name.clone(),
                holder: row.holder.clone()?,
                token: row.token,
            };
            let left = row.until.since(now());
            Some(LeaseView { lease, left })
        });
        let views = views.collect();
        Box::pin(async { Ok(views) })
    }
}

#[derive(Default)]
pub struct NodeTable(Mutex<Vec<(NodeView, Monotonic)>>);

impl Nodes for NodeTable {
    fn beat<'a>(&'a self, node: &'a Node, forget: Duration) -> BoxFuture<'a, Result<()>> {
        let mut rows = self.0.lock().unwrap();
        if let Some(row) = rows.iter_mut().find(|row| row.0.node.id == node.id) {
            row.1 = now();
        } else {
            let view = NodeView {
                node: node.clone(),
                since: SystemClock.now(),
                silent: Duration::ZERO,
            };
            rows.push((view, now()));
        }
        rows.retain(|row| now().since(row.1) <= forget);
        Box::pin(async { Ok(()) })
    }

    fn leave<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        self.0.lock().unwrap().retain(|row| &*row.0.node.id != id);
        Box::pin(async { Ok(()) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<NodeView>>> {
        let rows = self.0.lock().unwrap();
        let views = rows.iter().map(|(view, seen)| NodeView {
            silent: now().since(*seen),
            ..view.clone()
        });
        let views = views.collect();
        Box::pin(async { Ok(views) })
    }
}
