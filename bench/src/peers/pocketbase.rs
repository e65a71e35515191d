//! PocketBase: the one program, its defaults.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Peer, Places, demand, folder_name};
use crate::child::{Child, Server, spare_addr};
use crate::wire::Wire;
use crate::wire::pocketbase::{self, ADMIN_EMAIL, ADMIN_PASSWORD};

pub struct PocketBase {
    program: PathBuf,
    work: PathBuf,
}

impl PocketBase {
    pub fn new(places: &Places) -> Self {
        Self {
            program: places.peers.join("pocketbase/bin/pocketbase"),
            work: places.work.clone(),
        }
    }
}

impl Peer for PocketBase {
    fn name(&self) -> &'static str {
        "pocketbase"
    }

    fn durability(&self) -> &'static str {
        "kill only (SQLite WAL, synchronous=NORMAL)"
    }

    fn program(&self) -> Vec<PathBuf> {
        vec![self.program.clone()]
    }

    fn wire(&self) -> Box<dyn Wire> {
        Box::<pocketbase::PocketBase>::default()
    }

    fn start(&mut self, folder: &Path) -> Result<Server> {
        demand(&self.program, "run bench/setup pocketbase")?;
        let addr = spare_addr()?;
        let mut command = Command::new(&self.program);
        command
            .args(["serve", "--http", &addr.to_string(), "--dir"])
            .arg(data(folder));
        let log = self
            .work
            .join(format!("pocketbase-{}.log", folder_name(folder)));
        let process = Child::spawn(&mut command, &log)?;
        Server::ready(process, addr, "/api/health").context("pocketbase")
    }

    /// The superuser is made on the command line, while the server runs.
    fn admit(&self, folder: &Path) -> Result<()> {
        let made = Command::new(&self.program)
            .args(["superuser", "upsert", ADMIN_EMAIL, ADMIN_PASSWORD, "--dir"])
            .arg(data(folder))
            .output()
            .context("pocketbase superuser")?;
        ensure!(
            made.status.success(),
            "pocketbase superuser: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        Ok(())
    }
}

/// PocketBase writes migrations beside its data and applies them to any data it finds there, so
/// each server gets a parent folder of its own.
fn data(folder: &Path) -> PathBuf {
    folder.join("pb_data")
}
