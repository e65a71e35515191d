//! Which addresses code may have this server connect to.

use basalt_base::Network;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses that are somebody's own: this machine, its network, its provider's services. The
/// tables follow the registries of special-purpose addresses.
const INSIDE_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(192, 175, 48, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // A provider's metadata service with a public address.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Within the global unicast addresses; all others are refused.
const INSIDE_V6: &[(Ipv6Addr, u8)] = &[
    // Teredo, ORCHID, benchmarks and other protocol assignments.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4 wraps IPv4 addresses, private ones included.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// The policy of one server.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    allowed: Vec<Network>,
}

impl Egress {
    /// Public addresses, and these networks besides.
    pub fn new(allowed: Vec<Network>) -> Self {
        Self { allowed }
    }

    /// Whether connecting to this address is allowed.
    pub fn allows(&self, ip: IpAddr) -> bool {
        is_public(ip) || self.allowed.iter().any(|network| network.contains(ip))
    }
}

/// Whether the address is one of the internet's.
fn is_public(ip: IpAddr) -> bool {
    let within = |list: &[(IpAddr, u8)], ip| {
        let mut networks = list.iter().filter_map(|(a, p)| Network::new(*a, *p));
        networks.any(|network| network.contains(ip))
    };
    match ip.to_canonical() {
        IpAddr::V4(_) => {
            let table: Vec<_> = INSIDE_V4.iter().map(|(a, p)| ((*a).into(), *p)).collect();
            !within(&table, ip)
        }
        IpAddr::V6(v6) => {
            // Global unicast is 2000::/3. That leaves out loopback, link-local and unique local
            // addresses, multicast, and the translation prefixes that wrap IPv4.
            let is_global = v6.segments()[0] & 0xe000 == 0x2000;
            let table: Vec<_> = INSIDE_V6.iter().map(|(a, p)| ((*a).into(), *p)).collect();
            is_global && !within(&table, ip)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_allowed() {
        let egress = Egress::default();
        let refused = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.1.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "168.63.129.16",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "100::1",
            "3fff::1",
            "5f00::1",
        ];
        for ip in refused {
            assert!(!egress.allows(ip.parse().unwrap()), "{ip}");
        }
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "169.253.0.1",
            "192.0.1.1",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "::ffff:8.8.8.8",
        ];
        for ip in public {
            assert!(egress.allows(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn networks_can_be_let_in() {
        let egress = Egress::new(vec!["10.1.0.0/16".parse().unwrap(), "::1".parse().unwrap()]);
        for (ip, expected) in [
            ("10.1.2.3", true),
            ("10.2.2.3", false),
            ("::ffff:10.1.2.3", true),
            ("::1", true),
            ("127.0.0.1", false),
        ] {
            assert_eq!(egress.allows(ip.parse().unwrap()), expected, "{ip}");
        }
    }
}
