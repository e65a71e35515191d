//! Running the program.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

pub const MASTER: &str = "binary-test-master";

/// The program with a clean environment.
pub fn basalt(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_basalt"));
    command.args(arguments).env_clear();
    command
}

#[derive(Debug)]
pub struct Ran {
    pub good: bool,
    pub out: String,
    pub err: String,
}

/// Runs to the end.
pub fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        good: output.status.success(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a command on a data folder.
pub fn on(folder: &Path, arguments: &[&str]) -> Ran {
    run(basalt(arguments).arg("--data-dir").arg(folder))
}

/// A running server.
pub struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    pub address: String,
}

impl Server {
    pub fn start(command: &mut Command, folder: &Path) -> Self {
        command
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder);
        command.env("BASALT_MASTER_KEY", MASTER);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on http://").map(str::trim_end);
        let address = address
            .unwrap_or_else(|| panic!("ready line: {line:?}"))
            .to_owned();
        Self {
            child,
            out,
            address,
        }
    }

    /// One request on a connection of its own; status line, headers and body.
    pub fn request(&self, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let text = format!(
            "{head}\r\nHost: a\r\nX-Parse-Application-Id: main\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream
            .write_all(text.replace("HTTP\r\n", "HTTP/1.1\r\n").as_bytes())
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Kills it as a crash would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to stop and does not wait.
    pub fn tell_to_stop(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Tells it to stop; whether it ended well, what else it said on standard output, and its log.
    pub fn stop(mut self) -> (bool, String, String) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        let mut log = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        (self.child.wait().unwrap().success(), rest, log)
    }
}
