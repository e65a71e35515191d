//! How many sockets there may be, and ending them all.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// The sockets of all apps. Cheap to clone.
#[derive(Clone)]
pub struct Sockets {
    shared: Arc<Shared>,
}

struct Shared {
    per_ip_max: usize,
    by_ip: Mutex<HashMap<IpAddr, usize>>,
    stop: watch::Sender<bool>,
    /// Each socket holds a receiver: when there is none, no socket is left.
    open: watch::Sender<()>,
}

/// A socket's place; given back when dropped.
pub struct Place {
    sockets: Sockets,
    ip: Option<IpAddr>,
    pub stop: watch::Receiver<bool>,
    _open: watch::Receiver<()>,
}

impl Sockets {
    /// At most so many of one address; loopback is exempt.
    pub fn new(per_ip_max: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                per_ip_max,
                by_ip: Mutex::default(),
                stop: watch::Sender::new(false),
                open: watch::Sender::new(()),
            }),
        }
    }

    /// Tells every socket to end, and takes no more.
    pub fn stop(&self) {
        self.shared.stop.send_replace(true);
    }

    /// Waits until no socket is left.
    pub async fn ended(&self) {
        self.shared.open.closed().await;
    }

    /// A place for a socket of this address, if there is one.
    pub fn enter(&self, ip: IpAddr) -> Option<Place> {
        let shared = &self.shared;
        if *shared.stop.borrow() {
            return None;
        }
        let ip = ip.to_canonical();
        let ip = (!ip.is_loopback()).then(|| bucket(ip));
        if let Some(ip) = ip {
            let mut by_ip = shared.by_ip.lock();
            let count = by_ip.entry(ip).or_default();
            if *count >= shared.per_ip_max {
                return None;
            }
            *count += 1;
        }
        Some(Place {
            ip,
            stop: shared.stop.subscribe(),
            _open: shared.open.subscribe(),
            sockets: self.clone(),
        })
    }
}

/// Whoever has an IPv6 address has the 2^64 addresses around it.
fn bucket(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & (u128::MAX << 64)).into()),
        ip @ IpAddr::V4(_) => ip,
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(ip) = self.ip else { return };
        let mut by_ip = self.sockets.shared.by_ip.lock();
        if let Some(count) = by_ip.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                by_ip.remove(&ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_counted_by_address() {
        let sockets = Sockets::new(2);
        let enter = |ip: &str| sockets.enter(ip.parse().unwrap());
        let one = enter("10.0.0.1");
        let two = enter("::ffff:10.0.0.1");
        assert!(one.is_some() && two.is_some());
        assert!(enter("10.0.0.1").is_none());
        let net = [enter("2001:db8::1"), enter("2001:db8::2")];
        assert!(net.iter().all(Option::is_some));
        assert!(enter("2001:db8::3").is_none());
        let local: Vec<_> = (0..9).map(|_| enter("127.0.0.1")).collect();
        assert!(local.iter().all(Option::is_some));
        drop((one, net));
        assert!(enter("10.0.0.1").is_some());
        assert!(enter("2001:db8::3").is_some());
        drop(two);
        assert!(sockets.shared.by_ip.lock().is_empty());
        sockets.stop();
        assert!(enter("10.0.0.9").is_none());
    }
}
