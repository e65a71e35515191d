//! A PostgreSQL cluster of its own in the run's folder, on a spare port, with the distribution's
//! defaults but for 256 MB of shared buffers and 400 connections. `fsync` and `synchronous_commit` stay on.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Signal, getuid};

use super::demand;
use crate::child::{Child, spare_addr};
use crate::clock;

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
const ADMIN: &str = "bench";

pub struct Postgres {
    process: Child,
    port: u16,
    /// The user that runs it: PostgreSQL refuses to run as root.
    runner: Option<(u32, u32)>,
}

impl Postgres {
    /// Makes and starts a cluster in a new folder under `work`.
    pub fn start(work: &Path, name: &str) -> Result<Self> {
        demand(Path::new(PROGRAMS), "run bench/setup")?;
        let runner = runner()?;
        let home = work.join(format!("postgres-{name}"));
        fs::create_dir_all(&home)?;
        if let Some((user, group)) = runner {
            chown(&home, Some(user), Some(group))?;
        }
        let data = home.join("data");
        let made = program("initdb", runner)
            .args(["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-U"])
            .arg(ADMIN)
            .arg("-D")
            .arg(&data)
            .current_dir(&home)
            .output()
            .context("initdb")?;
        ensure!(
            made.status.success(),
            "initdb (other users must be able to enter {}): {}",
            work.display(),
            String::from_utf8_lossy(&made.stderr)
        );
        let port = spare_addr()?.port();
        let mut command = program("postgres", runner);
        command
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&home)
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "shared_buffers=256MB"])
            // Six nodes of Basalt and parse-server are on it at once.
            .args(["-c", "max_connections=400"])
            .current_dir(&home);
        let log = work.join(format!("postgres-{name}.log"));
        // SIGINT is its fast shutdown: it does not wait for clients to leave.
        let process = Child::spawn(&mut command, &log)?.stop_with(Signal::INT);
        let mut postgres = Self {
            process,
            port,
            runner,
        };
        postgres.wait()?;
        Ok(postgres)
    }

    fn wait(&mut self) -> Result<()> {
        let mut probe = program("pg_isready", self.runner);
        probe.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        self.process.wait_for(|_| {
            clock::pause(Duration::from_millis(50));
            probe.status().ok()?.success().then_some(())
        })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The address of a database, which is made on first use.
    pub fn database(&self, name: &str) -> Result<String> {
        let known = self.query("postgres", "SELECT datname FROM pg_database")?;
        if !known.lines().any(|line| line == name) {
            self.query("postgres", &format!("CREATE DATABASE {name}"))?;
        }
        Ok(format!("postgres://{ADMIN}@127.0.0.1:{}/{name}", self.port))
    }

    /// What autovacuum and the checkpointer would do in time after a bulk load.
    pub fn settle(&self, database: &str) -> Result<()> {
        self.query(database, "VACUUM ANALYZE")?;
        self.query(database, "CHECKPOINT")?;
        Ok(())
    }

    fn query(&self, database: &str, sql: &str) -> Result<String> {
        let out = program("psql", self.runner)
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-h", "127.0.0.1", "-U", ADMIN, "-d", database])
            .args(["-p", &self.port.to_string(), "-c", sql])
            .current_dir("/")
            .output()
            .context("psql")?;
        ensure!(
            out.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }
}

fn program(name: &str, runner: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(PathBuf::from(PROGRAMS).join(name));
    if let Some((user, group)) = runner {
        command.uid(user).gid(group);
    }
    command
}

/// The user `postgres` when we are root, else ourselves.
fn runner() -> Result<Option<(u32, u32)>> {
    if !getuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let line = users
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .context("no user postgres: run bench/setup")?;
    let mut fields = line.split(':').skip(2);
    let mut id = || -> Result<u32> { Ok(fields.next().context("bad passwd line")?.parse()?) };
    Ok(Some((id()?, id()?)))
}
