//! Starting workers, from outside.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// A program to start workers from, kept open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Program {
    file: Arc<File>,
}

/// A started worker. Whoever holds it kills it and waits for it.
#[derive(Debug)]
pub struct Started {
    /// The process.
    pub child: Child,
    /// Our end of its socket.
    pub socket: UnixStream,
}

impl Program {
    /// The program that is running.
    pub fn this() -> io::Result<Self> {
        Self::at(Path::new("/proc/self/exe"))
    }

    /// The program in this file.
    pub fn at(path: &Path) -> io::Result<Self> {
        let file = Arc::new(File::open(path)?);
        Ok(Self { file })
    }

    /// Starts it with these arguments, an empty environment, and nothing open but the socket,
    /// which is its standard input.
    pub fn start(&self, arguments: &[&str]) -> io::Result<Started> {
        let (socket, theirs) = UnixStream::pair()?;
        // Descriptors of this process are closed in the other one when it begins, this one too:
        // the path is looked up before that.
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let child = Command::new(path)
            .arg0("basalt-worker")
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Started { child, socket })
    }
}

/// What a process uses now: resident bytes and processor time in milliseconds. `None` when it is
/// gone.
pub fn usage_of(pid: u32) -> Option<(u64, u64)> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in the second field may hold anything; times are fields 14 and 15, in hundredths.
    let (_, rest) = stat.rsplit_once(") ")?;
    let ticks = rest.split(' ').skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    let page = rustix::param::page_size() as u64;
    Some((pages * page, ticks * 10))
}
