//! Keys to ranks.

use super::Presented;
use crate::decode::fail;
use crate::{App, Keys, Network};
use basalt_base::{Error, Reason, Result, Secret};
use basalt_data::Rank;
use std::net::IpAddr;
use subtle::ConstantTimeEq;

fn unauthorized() -> Error {
    fail(Reason::Unauthorized, "unauthorized")
}

/// What the presented keys allow. Errors: `Unauthorized` for a privileged key from a network that
/// it is not accepted from, and for a missing or wrong client key where the app has any.
pub fn rank(app: &App, presented: &Presented<'_>, ip: IpAddr) -> Result<Rank> {
    rank_by(&app.keys, app, presented, ip)
}

/// The same by other keys than the app's.
pub fn rank_by(keys: &Keys, app: &App, presented: &Presented<'_>, ip: IpAddr) -> Result<Rank> {
    let privileged = [
        (
            &keys.maintenance,
            &presented.maintenance_key,
            Rank::Maintenance,
            Some(&app.options.maintenance_key_ips),
        ),
        (
            &keys.master,
            &presented.master_key,
            Rank::Master,
            Some(&app.options.master_key_ips),
        ),
        (
            &keys.read_only_master,
            &presented.master_key,
            Rank::ReadOnlyMaster,
            app.options.read_only_master_key_ips.as_ref(),
        ),
    ];
    for (key, given, rank, networks) in privileged {
        if same(key.as_ref(), given.as_deref()) {
            let near = networks.is_none_or(|networks| within(networks, ip));
            if near {
                return Ok(rank);
            }
            tracing::warn!(app = %app.id, %ip, ?rank, "key refused from this address");
            return Err(unauthorized());
        }
    }
    let client_keys = [
        (&keys.client, &presented.client_key),
        (&keys.javascript, &presented.javascript_key),
        (&keys.windows, &presented.windows_key),
        (&keys.rest, &presented.rest_key),
    ];
    let configured = client_keys.iter().any(|(key, _)| key.is_some());
    // Every key is compared, so that the time does not tell which one was right.
    let matches = client_keys.iter().fold(false, |found, (key, given)| {
        same(key.as_ref(), given.as_deref()) | found
    });
    if configured && !matches {
        return Err(unauthorized());
    }
    Ok(Rank::Client)
}

fn same(key: Option<&Secret>, given: Option<&str>) -> bool {
    match (key, given) {
        (Some(key), Some(given)) if !key.expose().is_empty() => {
            key.expose().as_bytes().ct_eq(given.as_bytes()).into()
        }
        _ => false,
    }
}

/// Whether one of the networks holds the address. IPv4 in IPv6 clothes counts as IPv4.
pub fn within(networks: &[Network], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    networks.iter().any(|(network, bits)| {
        let bits = u32::from(*bits);
        match (network.to_canonical(), ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let shift = 32_u32.saturating_sub(bits);
                let differ = network.to_bits() ^ ip.to_bits();
                shift >= 32 || differ >> shift == 0
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let shift = 128_u32.saturating_sub(bits);
                let differ = network.to_bits() ^ ip.to_bits();
                shift >= 128 || differ >> shift == 0
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses_only() {
        let table = [
            ("127.0.0.1", 32, "127.0.0.1", true),
            ("127.0.0.1", 32, "127.0.0.2", false),
            ("10.0.0.0", 8, "10.200.1.1", true),
            ("10.0.0.0", 8, "11.0.0.1", false),
            ("0.0.0.0", 0, "8.8.8.8", true),
            ("0.0.0.0", 0, "::1", false),
            ("::", 0, "2001:db8::1", true),
            ("::", 0, "1.2.3.4", false),
            ("127.0.0.1", 32, "::ffff:127.0.0.1", true),
            ("2001:db8::", 32, "2001:db9::1", false),
        ];
        for (network, bits, ip, expected) in table {
            let networks = [(network.parse().unwrap(), bits)];
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(within(&networks, ip), expected, "{network}/{bits} {ip}");
        }
    }
}
