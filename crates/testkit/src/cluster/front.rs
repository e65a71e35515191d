//! The balancer: `HAProxy` with the file of `deploy/`.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use crate::http::Client;
use crate::wait;

const CONFIGURATION: &str = include_str!("../../../../deploy/haproxy.cfg");
const READY_LIMIT: Duration = Duration::from_secs(20);

/// A running balancer. Dropping it ends it.
#[derive(Debug)]
pub struct Front {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Front {
    /// Starts a balancer in front of `nodes` and waits until it finds one of them well.
    ///
    /// Errors: `HAProxy` is not installed, or does not start.
    pub fn start(
        folder: &Path,
        ip: IpAddr,
        within: &[String],
        nodes: &[SocketAddr],
    ) -> anyhow::Result<Self> {
        let address = if ip.is_loopback() {
            // HAProxy takes no port 0: one that was free a moment ago must do.
            TcpListener::bind((ip, 0))?.local_addr()?
        } else {
            SocketAddr::from((ip, 8080))
        };
        let path = folder.join("haproxy.cfg");
        std::fs::write(&path, configuration(address, nodes))?;
        let mut words = within.to_vec();
        words.extend(["haproxy", "-db", "-f"].map(str::to_owned));
        words.push(path.display().to_string());
        let mut search = std::env::var_os("PATH").unwrap_or_default();
        // Where Debian has it, which is not in everybody's path.
        search.push(":/usr/sbin:/sbin");
        let log = std::fs::File::create(folder.join("haproxy.log"))?;
        let child = Command::new(&words[0])
            .args(&words[1..])
            .env("PATH", search)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("HAProxy is needed")?;
        let front = Self { child, address };
        front.is_ready()?;
        Ok(front)
    }

    /// Waits until it answers for a node.
    pub fn is_ready(&self) -> anyhow::Result<()> {
        wait::until(READY_LIMIT, "the balancer", || {
            let answer = Client::new(self.address, &[]).send("GET", "/health", None);
            answer
                .is_ok_and(|answer| answer.status == 200)
                .then_some(())
        })
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The file with these addresses in it.
fn configuration(address: SocketAddr, nodes: &[SocketAddr]) -> String {
    let mut out = String::new();
    for line in CONFIGURATION.lines() {
        if line.trim_start().starts_with("server node") {
            continue;
        }
        out.push_str(&line.replace("127.0.0.1:8080", &address.to_string()));
        out.push('\n');
    }
    for (number, node) in nodes.iter().enumerate() {
        let _ = writeln!(out, "  server node{} {node}", number + 1);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_gets_the_addresses() {
        let at = |port: u16| SocketAddr::from(([198, 18, 0, 11], port));
        let text = configuration(at(1), &[at(2), at(3)]);
        assert!(text.contains("  bind 198.18.0.11:1\n"), "{text}");
        assert!(text.ends_with("  server node1 198.18.0.11:2\n  server node2 198.18.0.11:3\n"));
        assert!(!text.contains("127.0.0.1"), "{text}");
    }
}
