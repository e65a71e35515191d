//! Basalt, on its embedded store or on PostgreSQL. Written from its documented settings and the
//! Parse REST protocol; every request is the one that parse-server gets.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result};

use super::postgres::Postgres;
use super::{Peer, Places, demand, folder_name};
use crate::child::{Child, Server};
use crate::instructions;
use crate::wire::Wire;
use crate::wire::parse::{APP_ID, MASTER_KEY, Parse, REST_KEY};

pub struct Basalt {
    program: PathBuf,
    work: PathBuf,
    counted: bool,
    postgres: Option<Rc<Postgres>>,
    nodes: usize,
}

impl Basalt {
    pub fn embedded(places: &Places) -> Self {
        Self {
            program: places.basalt.clone(),
            work: places.work.clone(),
            counted: places.counted,
            postgres: None,
            nodes: 1,
        }
    }

    /// So many nodes on one database.
    pub fn on_postgres(places: &Places, nodes: usize) -> Result<Self> {
        Ok(Self {
            postgres: Some(places.postgres()?),
            nodes,
            ..Self::embedded(places)
        })
    }

    /// One node with its own folder.
    fn node(&self, folder: &Path, database: Option<&str>) -> Result<Server> {
        let mut command = if self.counted {
            instructions::wrap(&self.program, &self.work)
        } else {
            Command::new(&self.program)
        };
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .env("BASALT_APP_ID", APP_ID)
            .env("BASALT_MASTER_KEY", MASTER_KEY)
            .env("BASALT_REST_KEY", REST_KEY);
        if let Some(url) = database {
            command.env("BASALT_DATABASE_URL", url);
            command.env("BASALT_KEYS_SECRET", "bench-secret-of-shared-keys");
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
        Server::ready(process, addr, "/health").context("basalt")
    }
}

impl Peer for Basalt {
    fn name(&self) -> &'static str {
        match (&self.postgres, self.nodes) {
            (None, _) => "basalt",
            (Some(_), 2) => "basalt-postgres-2",
            (Some(_), 3) => "basalt-postgres-3",
            (Some(_), _) => "basalt-postgres",
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
        let Some(postgres) = &self.postgres else {
            return self.node(folder, None);
        };
        let url = postgres.database(&folder_name(folder))?;
        let mut server = self.node(folder, Some(&url))?;
        server.database_pid = Some(postgres.pid());
        for number in 2..=self.nodes {
            let own = folder.with_file_name(format!("{}-node{number}", folder_name(folder)));
            server.nodes.push(self.node(&own, Some(&url))?);
        }
        Ok(server)
    }

    fn settle(&self, folder: &Path) -> Result<()> {
        match &self.postgres {
            Some(postgres) => postgres.settle(&folder_name(folder)),
            None => Ok(()),
        }
    }
}
