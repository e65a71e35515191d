//! Processes that the harness starts: always stopped, also when it is interrupted.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::clock;
use crate::http::{self, Client};

static LIVE: Mutex<Live> = Mutex::new(Live {
    pids: Vec::new(),
    interrupted: false,
});

/// What an interrupted run still has to stop.
struct Live {
    pids: Vec<u32>,
    /// Nothing more may be started.
    interrupted: bool,
}

const READY_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A child process whose output goes to a log file.
pub struct Child {
    inner: std::process::Child,
    stop_signal: Signal,
    log: PathBuf,
    pub spawned_at: Instant,
}

impl Child {
    /// Starts `command`; output and errors go to `log`.
    pub fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command
            .stdin(std::process::Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        // Under the lock, so that an interruption either sees this child or prevents it.
        let mut live = live();
        ensure!(!live.interrupted, "interrupted");
        let spawned_at = clock::now();
        let inner = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        live.pids.push(inner.id());
        drop(live);
        Ok(Self {
            inner,
            stop_signal: Signal::TERM,
            log: log.to_owned(),
            spawned_at,
        })
    }

    /// Chooses another signal than SIGTERM for the orderly stop.
    pub fn stop_with(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    pub fn pid(&self) -> u32 {
        self.inner.id()
    }

    /// Waits until `ready` gives a value, which it may try every millisecond.
    pub fn wait_for<T>(&mut self, mut ready: impl FnMut(&Path) -> Option<T>) -> Result<T> {
        while self.spawned_at.elapsed() < READY_LIMIT {
            if let Some(value) = ready(&self.log) {
                return Ok(value);
            }
            if let Some(status) = self.inner.try_wait()? {
                bail!("ended early ({status}): {}", self.log_tail());
            }
            clock::pause(Duration::from_millis(1));
        }
        bail!(
            "not ready after {} s: {}",
            READY_LIMIT.as_secs(),
            self.log_tail()
        )
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let cut = |line: &str| line.chars().take(200).collect::<String>();
        let lines: Vec<String> = text.lines().rev().take(8).map(cut).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(self.stop_signal);
        let start = clock::now();
        while matches!(self.inner.try_wait(), Ok(None)) {
            if start.elapsed() > STOP_LIMIT {
                self.signal(Signal::KILL);
            }
            clock::pause(Duration::from_millis(2));
        }
        let pid = self.pid();
        live().pids.retain(|other| *other != pid);
    }
}

/// A server that answers, with the database processes that work for it.
pub struct Server {
    pub addr: SocketAddr,
    pub process: Child,
    pub database_pid: Option<u32>,
    /// More nodes on the same database.
    pub nodes: Vec<Server>,
}

impl Server {
    /// Waits for the first 200 from `health_path`.
    pub fn ready(mut process: Child, addr: SocketAddr, health_path: &str) -> Result<Self> {
        let mut request = Vec::new();
        http::put(&mut request, "GET", health_path, &[], b"");
        process.wait_for(|_| {
            let answer = Client::connect(addr).ok()?.send(&request).ok()?;
            (answer.status == 200).then_some(())
        })?;
        Ok(Self {
            addr,
            process,
            database_pid: None,
            nodes: Vec::new(),
        })
    }

    /// Where the server can be reached: callers are spread over all of it.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        let nodes = self.nodes.iter().map(|node| node.addr);
        std::iter::once(self.addr).chain(nodes).collect()
    }

    /// Its processes, without the database's.
    pub fn pids(&self) -> Vec<u32> {
        let nodes = self.nodes.iter().map(|node| node.process.pid());
        std::iter::once(self.process.pid()).chain(nodes).collect()
    }
}

/// A free loopback port; it may be taken again before its user binds it, which then fails loudly.
pub fn spare_addr() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// On SIGINT or SIGTERM: stops every child, removes `folder` and ends.
pub fn clean_up_when_interrupted(folder: &Path) -> Result<()> {
    let folder = folder.to_owned();
    let mut signals = signal_hook::iterator::Signals::new([
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
    ])?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            live().interrupted = true;
            for signal in [Signal::INT, Signal::KILL] {
                for pid in &live().pids {
                    send(*pid, signal);
                }
                clock::pause(Duration::from_secs(1));
            }
            drop(fs::remove_dir_all(folder));
            std::process::exit(130);
        }
    });
    Ok(())
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // A process that is already gone is what we want.
        let _ = kill_process(pid, signal);
    }
}

fn live() -> MutexGuard<'static, Live> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}
