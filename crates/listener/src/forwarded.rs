//! Who the client is, seen through trusted proxies.

use crate::{Client, Network};
use http::HeaderMap;
use std::net::IpAddr;

/// The client of a request that arrived from `peer`. `X-Forwarded-For` and `X-Forwarded-Proto`
/// count only when the peer is a trusted proxy.
pub(crate) fn client(
    peer: IpAddr,
    secure: bool,
    headers: &HeaderMap,
    trusted: &[Network],
) -> Client {
    let peer = peer.to_canonical();
    if trusted.is_empty() || !is_trusted(peer, trusted) {
        return Client { ip: peer, secure };
    }
    let proto = headers
        .get("x-forwarded-proto")
        .map(http::HeaderValue::as_bytes);
    Client {
        ip: origin(peer, headers, trusted),
        secure: proto.map_or(secure, |proto| proto.eq_ignore_ascii_case(b"https")),
    }
}

/// Whether an address is a trusted proxy's.
pub(crate) fn is_trusted(ip: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(ip))
}

/// Walks the list of hops from the nearest back to the first that is not trusted. What lies beyond
/// that one was written by itself, and could say anything.
fn origin(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut nearest = peer;
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    for line in lines.iter().rev() {
        let Ok(line) = line.to_str() else {
            return nearest;
        };
        for hop in line.rsplit(',') {
            let Some(ip) = address(hop.trim()) else {
                return nearest;
            };
            nearest = ip.to_canonical();
            if !is_trusted(nearest, trusted) {
                return nearest;
            }
        }
    }
    nearest
}

/// An address with or without a port: `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]:5`.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split(']').next()?.parse().ok();
    }
    text.rsplit_once(':')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip_of(peer: &str, trusted: &[&str], forwarded: &[&str]) -> String {
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        client(peer.parse().unwrap(), false, &headers, &trusted)
            .ip
            .to_string()
    }

    #[test]
    fn forwarding_headers_count_from_trusted_proxies_only() {
        let proxy = ["10.0.0.0/8"];
        assert_eq!(ip_of("1.1.1.1", &proxy, &["2.2.2.2"]), "1.1.1.1");
        assert_eq!(ip_of("10.0.0.1", &[], &["2.2.2.2"]), "10.0.0.1");
        assert_eq!(ip_of("10.0.0.1", &proxy, &["2.2.2.2"]), "2.2.2.2");
        assert_eq!(ip_of("10.0.0.1", &proxy, &[]), "10.0.0.1");
    }

    #[test]
    fn a_client_can_not_put_an_address_in_front() {
        let proxy = ["10.0.0.0/8"];
        assert_eq!(
            ip_of("10.0.0.1", &proxy, &["127.0.0.1, 2.2.2.2"]),
            "2.2.2.2"
        );
        assert_eq!(
            ip_of("10.0.0.1", &proxy, &["127.0.0.1", "2.2.2.2, 10.0.0.9"]),
            "2.2.2.2"
        );
        assert_eq!(
            ip_of("10.0.0.1", &proxy, &["2.2.2.2, nonsense"]),
            "10.0.0.1"
        );
    }

    #[test]
    fn addresses_come_with_and_without_ports() {
        let proxy = ["::1"];
        assert_eq!(ip_of("::1", &proxy, &["2.2.2.2:80"]), "2.2.2.2");
        assert_eq!(ip_of("::1", &proxy, &["[2001:db8::1]:80"]), "2001:db8::1");
        assert_eq!(ip_of("::1", &proxy, &["2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn the_scheme_is_the_proxys() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-proto", "https".parse().unwrap());
        let secure = |peer: &str| client(peer.parse().unwrap(), false, &headers, &trusted).secure;
        assert!(secure("10.1.1.1"));
        assert!(!secure("11.1.1.1"));
    }
}
