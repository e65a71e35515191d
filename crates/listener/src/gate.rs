//! How many connections there may be.

use crate::stats::{Stats, bump};
use basalt_base::caller_network;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Most connections at once that may send for long after their last answer.
const LINGERING_MAX: usize = 256;

/// Counts open connections, in total and by address.
pub(crate) struct Gate {
    total_max: usize,
    per_ip_max: usize,
    stats: Arc<Stats>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    lingering: usize,
    by_ip: HashMap<IpAddr, usize>,
}

/// A connection's place; gives it back when dropped.
pub(crate) struct Place {
    gate: Arc<Gate>,
    ip: Option<IpAddr>,
    lingers: bool,
}

impl Gate {
    pub(crate) fn new(total_max: usize, per_ip_max: usize, stats: Arc<Stats>) -> Self {
        Self {
            total_max,
            per_ip_max,
            stats,
            open: Mutex::default(),
        }
    }

    /// A place for a connection of this address; addresses that are `exempt` are counted in total
    /// only.
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr, exempt: bool) -> Option<Place> {
        let ip = (!exempt).then(|| caller_network(ip));
        let mut open = self.open.lock();
        if open.total >= self.total_max {
            bump(&self.stats.refused_total);
            return None;
        }
        if let Some(ip) = ip {
            let count = open.by_ip.entry(ip).or_default();
            if *count >= self.per_ip_max {
                bump(&self.stats.refused_per_ip_total);
                return None;
            }
            *count += 1;
        }
        open.total += 1;
        drop(open);
        self.stats.connections_open.fetch_add(1, Ordering::Relaxed);
        Some(Place {
            gate: Arc::clone(self),
            ip,
            lingers: false,
        })
    }
}

impl Place {
    /// Whether the connection may go on sending for long though it has had its last answer; if so,
    /// it counts as doing that until it ends.
    pub(crate) fn linger(&mut self) -> bool {
        if !self.lingers {
            let mut open = self.gate.open.lock();
            self.lingers = open.lingering < LINGERING_MAX;
            open.lingering += usize::from(self.lingers);
        }
        self.lingers
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate
            .stats
            .connections_open
            .fetch_sub(1, Ordering::Relaxed);
        let mut open = self.gate.open.lock();
        open.total -= 1;
        open.lingering -= usize::from(self.lingers);
        if let Some(ip) = self.ip
            && let Some(count) = open.by_ip.get_mut(&ip)
        {
            *count -= 1;
            if *count == 0 {
                open.by_ip.remove(&ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_address_and_in_total() {
        let gate = Arc::new(Gate::new(4, 2, Arc::default()));
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let one = gate.enter(ip("1.1.1.1"), false);
        let two = gate.enter(ip("::ffff:1.1.1.1"), false);
        assert!(one.is_some() && two.is_some());
        assert!(gate.enter(ip("1.1.1.1"), false).is_none());
        let three = gate.enter(ip("2001:db8::1"), false);
        let four = gate.enter(ip("2001:db8::2"), false);
        assert!(three.is_some() && four.is_some());
        assert!(gate.enter(ip("9.9.9.9"), false).is_none());
        drop((one, two, three));
        assert!(gate.enter(ip("1.1.1.1"), false).is_some());
        drop(four);
        assert!(gate.open.lock().by_ip.is_empty());
    }

    #[test]
    fn only_so_many_linger() {
        let gate = Arc::new(Gate::new(1_000, 1, Arc::default()));
        let ip: IpAddr = "127.0.0.1".parse().unwrap();
        let enter = || gate.enter(ip, true).unwrap();
        let mut places: Vec<_> = (0..LINGERING_MAX).map(|_| enter()).collect();
        assert!(places.iter_mut().all(Place::linger));
        assert!(places.iter_mut().all(Place::linger));
        let mut late = enter();
        assert!(!late.linger());
        places.pop();
        assert!(late.linger());
        drop((places, late));
        assert_eq!(gate.open.lock().lingering, 0);
    }

    #[test]
    fn the_exempt_are_counted_in_total_only() {
        let gate = Arc::new(Gate::new(3, 1, Arc::default()));
        let ip: IpAddr = "127.0.0.1".parse().unwrap();
        let places: Vec<_> = (0..3).map(|_| gate.enter(ip, true)).collect();
        assert!(places.iter().all(Option::is_some));
        assert!(gate.enter(ip, true).is_none());
        assert_eq!(gate.stats.view().refused_total, 1);
    }
}
