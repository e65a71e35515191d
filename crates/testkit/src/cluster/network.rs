//! A network of namespaces, or loopback.

use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};

use anyhow::bail;

const BRIDGE: &str = "basalt0";
/// Addresses for tests of networks (RFC 2544); the network has no way out.
const PREFIX: [u8; 3] = [198, 18, 0];
/// A hardware address that nobody has.
const NOWHERE: &str = "02:00:00:00:00:fe";

/// Where the members of a topology live.
#[derive(Debug)]
pub struct Network {
    /// Namespaces by their member's number; empty on loopback.
    members: Vec<(u8, String)>,
    isolated: bool,
}

impl Network {
    /// A network of namespaces. The process must be in a network namespace of its own, which has
    /// no way out.
    ///
    /// Errors: the rights are missing.
    pub fn isolated() -> anyhow::Result<Self> {
        let [a, b, c] = PREFIX;
        ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        ip(&["addr", "add", &format!("{a}.{b}.{c}.1/24"), "dev", BRIDGE])?;
        ip(&["link", "set", BRIDGE, "up"])?;
        Ok(Self {
            members: Vec::new(),
            isolated: true,
        })
    }

    /// Everything on loopback, where nobody can be cut off.
    pub fn loopback() -> Self {
        Self {
            members: Vec::new(),
            isolated: false,
        }
    }

    /// Whether members can be cut off.
    pub fn is_isolated(&self) -> bool {
        self.isolated
    }

    /// Adds a member: its address, and what runs a program there.
    pub fn join(&mut self, number: u8) -> anyhow::Result<(IpAddr, Vec<String>)> {
        if !self.isolated {
            return Ok((IpAddr::V4(Ipv4Addr::LOCALHOST), Vec::new()));
        }
        let namespace = format!("basalt-{}-{number}", std::process::id());
        let (outside, address) = (wire(number), address(number));
        ip(&["netns", "add", &namespace])?;
        self.members.push((number, namespace.clone()));
        let inside = ["peer", "name", "eth0", "netns", &namespace];
        let pair = ["link", "add", &outside, "type", "veth"];
        ip(&[&pair[..], &inside[..]].concat())?;
        ip(&["link", "set", &outside, "master", BRIDGE, "up"])?;
        let within = ["-n", &namespace];
        ip(&[&within[..], &["link", "set", "lo", "up"]].concat())?;
        let of = format!("{address}/24");
        ip(&[&within[..], &["addr", "add", &of, "dev", "eth0"]].concat())?;
        ip(&[&within[..], &["link", "set", "eth0", "up"]].concat())?;
        let run = ["ip", "netns", "exec", &namespace].map(str::to_owned);
        Ok((IpAddr::V4(address), run.to_vec()))
    }

    /// Pulls a member's wire: packets vanish, nothing is refused.
    pub fn cut(&self, number: u8) -> anyhow::Result<()> {
        ip(&["link", "set", &wire(number), "down"])
    }

    /// Puts it in again.
    pub fn heal(&self, number: u8) -> anyhow::Result<()> {
        ip(&["link", "set", &wire(number), "up"])
    }

    /// Lets everything that a member sends to another vanish.
    pub fn deafen(&self, number: u8, to: u8) -> anyhow::Result<()> {
        let peer = address(to).to_string();
        let entry = ["neigh", "replace", &peer, "lladdr", NOWHERE, "dev", "eth0"];
        self.inside(number, &[&entry[..], &["nud", "permanent"]].concat())
    }

    /// Ends that.
    pub fn undeafen(&self, number: u8, to: u8) -> anyhow::Result<()> {
        let peer = address(to).to_string();
        self.inside(number, &["neigh", "del", &peer, "dev", "eth0"])
    }

    fn inside(&self, number: u8, arguments: &[&str]) -> anyhow::Result<()> {
        let Some((_, namespace)) = self.members.iter().find(|(n, _)| *n == number) else {
            bail!("there is no member {number}");
        };
        ip(&[&["-n", namespace], arguments].concat())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for (_, namespace) in &self.members {
            // What is left goes with the machine.
            let _ = ip(&["netns", "del", namespace]);
        }
    }
}

fn wire(number: u8) -> String {
    format!("basalt-w{number}")
}

fn address(number: u8) -> Ipv4Addr {
    let [a, b, c] = PREFIX;
    Ipv4Addr::new(a, b, c, number)
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("ip");
    let output = command.args(arguments).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("ip {}: {}", arguments.join(" "), said.trim());
    }
    Ok(())
}
