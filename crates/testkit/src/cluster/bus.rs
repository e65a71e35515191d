//! A NATS server, in a namespace.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use super::Network;
use crate::wait;

/// Its number in the network.
pub const NUMBER: u8 = 31;
const READY_LIMIT: Duration = Duration::from_secs(20);
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// A running NATS. Dropping it ends it.
#[derive(Debug)]
pub struct Bus {
    child: Option<Child>,
    within: Vec<String>,
    /// What it keeps.
    store: PathBuf,
    log: PathBuf,
    address: SocketAddr,
}

impl Bus {
    /// Starts a NATS server with a store of its own in `folder`.
    ///
    /// Errors: it is not installed, or does not start.
    pub fn start(folder: &Path, network: &mut Network) -> anyhow::Result<Self> {
        let (ip, within) = network.join(NUMBER)?;
        let mut bus = Self {
            child: None,
            within,
            store: folder.join("nats"),
            log: folder.join("nats.log"),
            address: place(ip)?,
        };
        bus.revive()?;
        Ok(bus)
    }

    /// Its address for the nodes.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("NATS is not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Deletes everything that it keeps; it must not be running.
    pub fn wipe(&self) -> anyhow::Result<()> {
        std::fs::remove_dir_all(&self.store).context("NATS keeps nothing")
    }

    /// Starts it again on the same address.
    pub fn revive(&mut self) -> anyhow::Result<()> {
        let mut words = self.within.clone();
        words.extend(["nats-server", "--jetstream", "--store_dir"].map(str::to_owned));
        words.push(self.store.display().to_string());
        words.extend(["--addr".to_owned(), self.address.ip().to_string()]);
        words.extend(["--port".to_owned(), self.address.port().to_string()]);
        let mut search = std::env::var_os("PATH").unwrap_or_default();
        // Where Debian has it, which is not in everybody's path.
        search.push(":/usr/sbin:/sbin");
        let mut log = std::fs::File::options();
        log.create(true).append(true);
        let child = Command::new(&words[0])
            .args(&words[1..])
            .env("PATH", search)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.open(&self.log)?)
            .spawn()
            .context("nats-server is needed")?;
        self.child = Some(child);
        wait::until(READY_LIMIT, "NATS", || {
            TcpStream::connect_timeout(&self.address, CONNECT_LIMIT).ok()
        })?;
        Ok(())
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        if self.child.is_some() {
            let _ = self.kill();
        }
    }
}

fn place(ip: IpAddr) -> anyhow::Result<SocketAddr> {
    if ip.is_loopback() {
        // One that was free a moment ago must do: nodes look for it there when it comes back.
        return Ok(TcpListener::bind((ip, 0))?.local_addr()?);
    }
    Ok(SocketAddr::from((ip, 4222)))
}
