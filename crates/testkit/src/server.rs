//! The real server as a child process.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

mod output;

use output::Output;

/// The app that the tests use.
pub const APP_ID: &str = "crash";
/// Its master key.
pub const MASTER_KEY: &str = "crash-master-key";
/// Its REST key.
pub const REST_KEY: &str = "crash-rest-key";

const START_LIMIT: Duration = Duration::from_mins(1);

const VERIFY_LIMIT: Duration = Duration::from_mins(2);
/// What `basalt verify` says if it has nothing to complain about.
const ALL_IS_WELL: &str = "all databases are sound";

/// How to start a server.
#[derive(Debug, Clone)]
pub struct Setup {
    binary: PathBuf,
    /// The folder that holds everything the server keeps.
    pub data_dir: PathBuf,
    /// Environment beside the app's keys.
    pub environment: Vec<(String, String)>,
    /// Program and arguments that run the binary, such as in a network namespace; none for none.
    pub within: Vec<String>,
    /// Where it listens.
    pub listen: String,
    /// The mode that it runs in.
    pub mode: &'static str,
}

impl Setup {
    /// Uses the binary that `BASALT_BIN` names, or else the one beside this program, and the database
    /// that `BASALT_DATABASE_URL` names, if it does.
    ///
    /// Errors: there is no such file.
    pub fn new(data_dir: &Path) -> anyhow::Result<Self> {
        let binary = match std::env::var_os("BASALT_BIN") {
            Some(binary) => PathBuf::from(binary),
            None => std::env::current_exe()?.with_file_name("basalt"),
        };
        if !binary.is_file() {
            bail!(
                "there is no {}: build it, or set BASALT_BIN to the basalt binary",
                binary.display()
            );
        }
        let database = std::env::var_os("BASALT_DATABASE_URL");
        let database = database.map(|url| {
            let url = url.to_string_lossy().into_owned();
            ("BASALT_DATABASE_URL".to_owned(), url)
        });
        Ok(Self {
            binary,
            data_dir: data_dir.to_owned(),
            environment: database.into_iter().collect(),
            within: Vec::new(),
            listen: "127.0.0.1:0".to_owned(),
            mode: "development",
        })
    }

    /// The same server on another folder.
    pub fn at(&self, data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            ..self.clone()
        }
    }

    /// Whether the server keeps its data in a database beside it, not in its folder.
    pub fn has_database(&self) -> bool {
        let mut names = self.environment.iter();
        names.any(|(name, _)| name == "BASALT_DATABASE_URL")
    }

    /// Starts the server and waits for its ready line.
    ///
    /// Errors: it ends or says nothing for a minute; its log is part of the error.
    pub fn start(&self) -> anyhow::Result<Server> {
        let started = wait::now();
        let mut child = self.command(&self.serve()).spawn()?;
        let mut output = Output::of(&mut child)?;
        let line = match output.lines.recv_timeout(START_LIMIT) {
            Ok(line) => line,
            Err(error) => {
                let _ = child.kill();
                let status = child.wait()?;
                let log = output.log();
                bail!("the server did not start ({error}, {status}):\n{log}");
            }
        };
        let address = line.strip_prefix("listening on http://");
        let address = address.and_then(|address| address.parse().ok());
        let mut server = Server {
            child,
            output,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            ready_after: wait::now().since(started),
        };
        server.address = address.with_context(|| format!("not a ready line: {line}"))?;
        Ok(server)
    }

    /// Starts the server and kills it after `time`, whether it is ready by then or not.
    pub fn start_in_vain(&self, time: Duration) -> anyhow::Result<()> {
        let mut child = self.command(&self.serve()).spawn()?;
        let output = Output::of(&mut child)?;
        // Its ready line ends the wait early, which is as good a moment as any.
        let _ = output.lines.recv_timeout(time);
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Runs the binary with `arguments` until it ends by itself.
    ///
    /// Errors: it is still there after `limit`, and is killed.
    pub fn run(&self, arguments: &[&str], limit: Duration) -> anyhow::Result<Ended> {
        let mut child = self.command(arguments).spawn()?;
        let mut output = Output::of(&mut child)?;
        let (said, ended) = drain(&output.lines, limit);
        if !ended {
            let _ = child.kill();
        }
        let status = child.wait()?;
        let log = output.log();
        if !ended {
            bail!(
                "`basalt {}` had not ended after {limit:?}:\n{log}",
                arguments.join(" ")
            );
        }
        Ok(Ended { status, said, log })
    }

    /// Tries to start one more server on this folder, and waits until it has given up.
    pub fn run_second(&self, limit: Duration) -> anyhow::Result<Ended> {
        self.run(&self.serve(), limit)
    }

    /// Runs `basalt verify` on this folder, with no server on it; what it complains about.
    pub fn verify(&self) -> anyhow::Result<Vec<String>> {
        let folder = self.data_dir.to_string_lossy();
        let verify = self.run(&["verify", "--data-dir", &folder], VERIFY_LIMIT)?;
        let mut broken = verify.said;
        broken.retain(|line| line != ALL_IS_WELL);
        if !verify.status.success() {
            broken.push(format!("verify: {}\n{}", verify.status, verify.log));
        }
        Ok(broken)
    }

    fn serve(&self) -> [&str; 7] {
        [
            "serve",
            "--data-dir",
            self.data_dir.to_str().unwrap_or_default(),
            "--listen",
            &self.listen,
            "--mode",
            self.mode,
        ]
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut words = self.within.iter().map(OsString::from).collect::<Vec<_>>();
        words.push(self.binary.clone().into_os_string());
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("BASALT_APP_ID", APP_ID)
            .env("BASALT_MASTER_KEY", MASTER_KEY)
            .env("BASALT_REST_KEY", REST_KEY)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Lines until the end of the output, and whether the end came within `limit`.
fn drain(lines: &Receiver<String>, limit: Duration) -> (Vec<String>, bool) {
    let started = wait::now();
    let mut said = Vec::new();
    loop {
        let left = limit.saturating_sub(wait::now().since(started));
        match lines.recv_timeout(left) {
            Ok(line) => said.push(line),
            Err(RecvTimeoutError::Disconnected) => return (said, true),
            Err(RecvTimeoutError::Timeout) => return (said, false),
        }
    }
}

/// A process that has ended.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// The lines of its standard output.
    pub said: Vec<String>,
    /// The last lines of its standard error.
    pub log: String,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    output: Output,
    /// Where it listens.
    pub address: SocketAddr,
    /// The time from its start to its ready line.
    pub ready_after: Duration,
}

impl Server {
    /// The last lines of its standard error.
    pub fn log(&self) -> String {
        self.output.tail()
    }

    /// Whether it has not ended.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it with `SIGKILL`.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends `SIGTERM`.
    pub fn terminate(&self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Stops it where it is (`SIGSTOP`).
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on (`SIGCONT`).
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        // The child is not waited for yet, so that the number is still its own.
        kill_process(Pid::from_child(&self.child), signal)?;
        Ok(())
    }

    /// Waits until it has ended by itself; an error with its log if it is still there after `limit`.
    pub fn ended(mut self, limit: Duration) -> anyhow::Result<Ended> {
        let (said, ended) = drain(&self.output.lines, limit);
        if !ended {
            bail!("the server had not ended after {limit:?}:\n{}", self.log());
        }
        let status = self.child.wait()?;
        let log = self.output.log();
        Ok(Ended { status, said, log })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
