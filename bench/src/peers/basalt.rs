//! Basalt, on its embedded store or on PostgreSQL. Written from its documented settings and the
//! Parse REST protocol; every request is the one that parse-server gets.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::postgres::Postgres;
use super::{Peer, Places, demand, folder_name};
use crate::child::{Child, Server};
use crate::wire::Wire;
use crate::wire::parse::{APP_ID, MASTER_KEY, Parse, REST_KEY};

pub struct Basalt {
    program: PathBuf,
    work: PathBuf,
    postgres: Option<Postgres>,
}

impl Basalt {
    pub fn embedded(places: &Places) -> Self {
        Self {
            program: places.basalt.clone(),
            work: places.work.clone(),
            postgres: None,
        }
    }

    pub fn on_postgres(places: &Places) -> Result<Self> {
        Ok(Self {
            postgres: Some(Postgres::start(&places.work, "basalt")?),
            ..Self::embedded(places)
        })
    }
}

impl Peer for Basalt {
    fn name(&self) -> &'static str {
        match self.postgres {
            None => "basalt",
            Some(_) => "basalt-postgres",
        }
    }

    fn durability(&self) -> &'static str {
        match self.postgres {
            None => "power cut (SQLite WAL, synchronous=FULL, group commit)",
            Some(_) => "power cut (PostgreSQL, synchronous_commit=on, group commit)",
        }
    }

    fn program(&self) -> Vec<PathBuf> {
        vec![self.program.clone()]
    }

    fn wire(&self) -> Box<dyn Wire> {
        Box::new(Parse::new())
    }

    fn start(&mut self, folder: &Path) -> Result<Server> {
        demand(&self.program, "cargo build --release -p basalt")?;
        let mut command = Command::new(&self.program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .env("BASALT_APP_ID", APP_ID)
            .env("BASALT_MASTER_KEY", MASTER_KEY)
            .env("BASALT_REST_KEY", REST_KEY);
        if let Some(postgres) = &self.postgres {
            let url = postgres.database(&folder_name(folder))?;
            command.env("BASALT_DATABASE_URL", url);
        }
        let log = self
            .work
            .join(format!("{}-{}.log", self.name(), folder_name(folder)));
        let mut process = Child::spawn(&mut command, &log)?;
        let addr = process
            .wait_for(|log| {
                let text = std::fs::read_to_string(log).ok()?;
                // A line still being written lacks its end, and with it part of the port.
                let (whole, _) = text.rsplit_once('\n')?;
                let mut lines = whole.lines();
                let addr = lines.find_map(|line| line.strip_prefix("listening on http://"))?;
                addr.trim().parse().ok()
            })
            .context("basalt")?;
        let mut server = Server::ready(process, addr, "/health").context("basalt")?;
        server.database_pid = self.postgres.as_ref().map(Postgres::pid);
        Ok(server)
    }

    fn settle(&self, folder: &Path) -> Result<()> {
        match &self.postgres {
            Some(postgres) => postgres.settle(&folder_name(folder)),
            None => Ok(()),
        }
    }
}
