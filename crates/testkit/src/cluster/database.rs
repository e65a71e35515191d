//! PostgreSQL with a synchronous standby, each in a namespace.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::Network;

const USER: &str = "postgres";
/// Numbers of the members in their network.
pub const NUMBERS: [u8; 2] = [21, 22];
/// What the standby calls itself to the primary.
const STANDBY: &str = "standby";

/// A primary and its standby. Dropping it ends both.
#[derive(Debug)]
pub struct Database {
    programs: PathBuf,
    folder: tempfile::TempDir,
    members: Vec<Member>,
    /// Which of the members is the primary.
    primary: usize,
}

#[derive(Debug)]
struct Member {
    ip: IpAddr,
    within: Vec<String>,
    data: PathBuf,
}

impl Database {
    /// Makes a cluster and starts it with a synchronous standby: a commit is answered when both
    /// have it.
    ///
    /// Errors: PostgreSQL is not installed, or does not start.
    pub fn start(network: &mut Network) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("basalt-pg-").tempdir()?;
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777))?;
        let mut members = Vec::new();
        for number in NUMBERS {
            let (ip, within) = network.join(number)?;
            let data = folder.path().join(format!("data{number}"));
            members.push(Member { ip, within, data });
        }
        let own = Self {
            programs: programs()?,
            folder,
            members,
            primary: 0,
        };
        let data = own.members[0].data.display().to_string();
        let arguments = "-U basalt -A trust -E UTF8 --locale=C --no-sync -D";
        own.run(0, "initdb", &[&split(arguments)[..], &[&data]].concat())?;
        let settings =
            "listen_addresses = '*'\nport = 5432\nmax_connections = 300\nwal_keep_size = '512MB'\n";
        append(&own.members[0].data.join("postgresql.conf"), settings)?;
        let access = "host all all 0.0.0.0/0 trust\nhost replication all 0.0.0.0/0 trust\n";
        append(&own.members[0].data.join("pg_hba.conf"), access)?;
        own.serve(0)?;
        own.follow(1)?;
        Ok(own)
    }

    /// The address of both, of which a client takes the one that can write.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self
            .members
            .iter()
            .map(|m| format!("{}:5432", m.ip))
            .collect();
        let hosts = hosts.join(",");
        format!("postgres://basalt@{hosts}/postgres?target_session_attrs=read-write")
    }

    /// Kills the primary, promotes the standby, and makes the old primary its standby.
    pub fn fail_over(&mut self) -> anyhow::Result<()> {
        let (old, new) = (self.primary, 1 - self.primary);
        self.control(old, "stop -m immediate")?;
        self.control(new, "promote -w -t 60")?;
        self.primary = new;
        std::fs::remove_dir_all(&self.members[old].data)?;
        self.follow(old)
    }

    /// Makes a member the standby of the primary, from a fresh copy.
    fn follow(&self, index: usize) -> anyhow::Result<()> {
        let primary = &self.members[self.primary];
        self.ask("ALTER SYSTEM RESET synchronous_standby_names")?;
        let from = format!("host={} user=basalt application_name={STANDBY}", primary.ip);
        let data = self.members[index].data.display().to_string();
        let copy = [
            "-d",
            &from,
            "-D",
            &data,
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "--no-sync",
        ];
        self.run(index, "pg_basebackup", &copy)?;
        self.serve(index)?;
        self.ask(&format!(
            "ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'"
        ))?;
        self.ask("SELECT pg_reload_conf()")
    }

    fn serve(&self, index: usize) -> anyhow::Result<()> {
        let (folder, member) = (self.folder.path(), &self.members[index]);
        let sockets = folder.join(format!("sockets{index}"));
        std::fs::create_dir_all(&sockets)?;
        std::fs::set_permissions(&sockets, PermissionsExt::from_mode(0o777))?;
        let data = member.data.display().to_string();
        let log = folder.join(format!("log{index}")).display().to_string();
        let options = format!("-k {}", sockets.display());
        let start = ["-s", "-D", &data, "start", "-w", "-t", "60", "-l", &log];
        self.run(index, "pg_ctl", &[&start[..], &["-o", &options]].concat())
    }

    fn control(&self, index: usize, arguments: &str) -> anyhow::Result<()> {
        let data = self.members[index].data.display().to_string();
        let words = [&["-s", "-D", &data][..], &split(arguments)[..]].concat();
        self.run(index, "pg_ctl", &words)
    }

    fn ask(&self, statement: &str) -> anyhow::Result<()> {
        let ip = self.members[self.primary].ip.to_string();
        let who = ["-q", "-X", "-h", &ip, "-U", "basalt", "-d", "postgres"];
        self.run(
            self.primary,
            "psql",
            &[&who[..], &["-c", statement]].concat(),
        )
    }

    /// Runs a program of PostgreSQL in a member's place, as the user that it insists on.
    fn run(&self, index: usize, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let mut words = self.members[index].within.clone();
        words.extend(["setpriv", "--reuid", USER, "--regid", USER].map(str::to_owned));
        words.push("--clear-groups".to_owned());
        words.push(self.programs.join(program).display().to_string());
        let said = self.folder.path().join(format!("said-by-{program}"));
        let output = std::fs::File::create(&said)?;
        // The server that pg_ctl starts keeps what it is given: a pipe would never end.
        let status = Command::new(&words[0])
            .args(&words[1..])
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()?;
        if !status.success() {
            let said = std::fs::read_to_string(&said).unwrap_or_default();
            bail!("{program} {}: {}", arguments.join(" "), said.trim());
        }
        Ok(())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        for index in 0..self.members.len() {
            let _ = self.control(index, "stop -m immediate");
        }
    }
}

fn split(arguments: &str) -> Vec<&str> {
    arguments.split_whitespace().collect()
}

fn append(path: &Path, text: &str) -> anyhow::Result<()> {
    let before = std::fs::read_to_string(path)?;
    Ok(std::fs::write(path, before + text)?)
}

/// Where Debian keeps the newest version's programs.
fn programs() -> anyhow::Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").context("PostgreSQL is needed")?;
    let folders = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let complete = folders.filter(|folder| folder.join("initdb").is_file());
    complete
        .max()
        .context("PostgreSQL's server programs are needed")
}
