//! The servers under comparison: one file each.

mod basalt;
mod parse_server;
mod pocketbase;
mod postgres;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Result, bail};

use self::postgres::Postgres;
use crate::child::Server;
use crate::wire::Wire;

/// A kind of server that the harness can start.
pub trait Peer {
    fn name(&self) -> &'static str;

    /// What an acknowledged write survives, and by which means.
    fn durability(&self) -> &'static str;

    /// Files and folders that make up the program, for the size row.
    fn program(&self) -> Vec<PathBuf>;

    /// The protocol to speak with it, for a new and empty server.
    fn wire(&self) -> Box<dyn Wire>;

    /// Starts the server on the data in `folder` (an empty folder is a new server) and waits for
    /// its first 200. What it starts first to depend on, such as a database, is not timed.
    fn start(&mut self, folder: &Path) -> Result<Server>;

    /// Makes the administrator of a new server, where keys in its settings are not enough.
    fn admit(&self, _folder: &Path) -> Result<()> {
        Ok(())
    }

    /// After a load: lets a database do what it would have done by itself in time.
    fn settle(&self, _folder: &Path) -> Result<()> {
        Ok(())
    }
}

/// Where the peers are, and where they may write.
pub struct Places {
    /// The Basalt binary.
    pub basalt: PathBuf,
    /// What `bench/setup` installed.
    pub peers: PathBuf,
    /// The run's temporary folder.
    pub work: PathBuf,
    /// Whether Basalt runs under callgrind.
    pub counted: bool,
    /// The PostgreSQL cluster of all peers that want one, started when the first one does.
    pub postgres: RefCell<Option<Rc<Postgres>>>,
}

impl Places {
    fn postgres(&self) -> Result<Rc<Postgres>> {
        let mut known = self.postgres.borrow_mut();
        if let Some(postgres) = &*known {
            return Ok(postgres.clone());
        }
        let started = Rc::new(Postgres::start(&self.work, "all")?);
        *known = Some(started.clone());
        Ok(started)
    }
}

pub const NAMES: &[&str] = &[
    "basalt",
    "basalt-postgres",
    "basalt-postgres-2",
    "basalt-postgres-3",
    "parse-server",
    "pocketbase",
];

/// Finds a peer by name; an error says what to install.
pub fn find(name: &str, places: &Places) -> Result<Box<dyn Peer>> {
    Ok(match name {
        "basalt" => Box::new(basalt::Basalt::embedded(places)),
        "basalt-postgres" => Box::new(basalt::Basalt::on_postgres(places, 1)?),
        "basalt-postgres-2" => Box::new(basalt::Basalt::on_postgres(places, 2)?),
        "basalt-postgres-3" => Box::new(basalt::Basalt::on_postgres(places, 3)?),
        "parse-server" => Box::new(parse_server::ParseServer::new(places)?),
        "pocketbase" => Box::new(pocketbase::PocketBase::new(places)),
        _ => bail!("unknown peer {name}; there are {}", NAMES.join(", ")),
    })
}

/// A name for a database or a log from a data folder.
fn folder_name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

/// Refuses with `advice` if `path` is missing.
fn demand(path: &Path, advice: &str) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    bail!("{} is missing: {advice}", path.display())
}
