//! parse-server from npm on PostgreSQL: one process, its defaults, logs at error level.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result};
use serde_json::json;

use super::postgres::Postgres;
use super::{Peer, Places, demand, folder_name};
use crate::child::{Child, Server, spare_addr};
use crate::wire::Wire;
use crate::wire::parse::{APP_ID, MASTER_KEY, Parse, REST_KEY};

pub struct ParseServer {
    home: PathBuf,
    work: PathBuf,
    postgres: Rc<Postgres>,
}

impl ParseServer {
    /// Also starts the PostgreSQL cluster; each data folder has a database there.
    pub fn new(places: &Places) -> Result<Self> {
        let home = places.peers.join("parse-server");
        demand(
            &home.join("node_modules/parse-server"),
            "run bench/setup parse-server",
        )?;
        Ok(Self {
            home,
            work: places.work.clone(),
            postgres: places.postgres()?,
        })
    }
}

impl Peer for ParseServer {
    fn name(&self) -> &'static str {
        "parse-server"
    }

    fn durability(&self) -> &'static str {
        "power cut (PostgreSQL, synchronous_commit=on)"
    }

    fn program(&self) -> Vec<PathBuf> {
        vec![self.home.join("node_modules"), node()]
    }

    fn wire(&self) -> Box<dyn Wire> {
        Box::new(Parse::new())
    }

    fn start(&mut self, folder: &Path) -> Result<Server> {
        let name = folder_name(folder);
        let addr = spare_addr()?;
        let options = json!({
            "appId": APP_ID,
            "masterKey": MASTER_KEY,
            "restAPIKey": REST_KEY,
            "databaseURI": self.postgres.database(&name)?,
            "host": "127.0.0.1",
            "port": addr.port(),
            "serverURL": format!("http://{addr}/parse"),
            "mountPath": "/parse",
            "logLevel": "error",
            "logsFolder": null,
        });
        fs::create_dir_all(folder)?;
        let file = folder.join("parse-server.json");
        fs::write(&file, options.to_string())?;
        let mut command = Command::new(node());
        command
            .arg(self.home.join("node_modules/parse-server/bin/parse-server"))
            .arg(&file)
            .env("NODE_ENV", "production")
            .current_dir(folder);
        let log = self.work.join(format!("parse-server-{name}.log"));
        let process = Child::spawn(&mut command, &log)?;
        let mut server = Server::ready(process, addr, "/parse/health").context("parse-server")?;
        server.database_pid = Some(self.postgres.pid());
        Ok(server)
    }

    fn settle(&self, folder: &Path) -> Result<()> {
        self.postgres.settle(&folder_name(folder))
    }
}

/// The program `node` on the path, as a file.
fn node() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("node"))
        .find(|file| file.is_file())
        .and_then(|file| file.canonicalize().ok())
        .unwrap_or_else(|| PathBuf::from("node"))
}
