//! NATS servers that tests start and stop; Debian's `nats-server` has to be there.

use basalt_base::{Clock, SystemClock};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server on loopback, killed when dropped; nothing of it is kept.
pub struct Nats {
    process: Child,
    pub port: u16,
    _folder: tempfile::TempDir,
}

impl Nats {
    /// Starts one, on any free port unless one is given. Without the program the test is skipped;
    /// in CI it fails.
    pub fn start(port: Option<u16>) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let wanted = port.map_or("-1".to_owned(), |port| port.to_string());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = format!("{}:/usr/sbin", path.to_string_lossy());
        let started = Command::new("nats-server")
            .env("PATH", path)
            .args(["-a", "127.0.0.1", "-p", &wanted, "--ports_file_dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            assert!(std::env::var_os("CI").is_none(), "nats-server is missing");
            eprintln!("skipped: nats-server is missing");
            return None;
        };
        let file = folder.path();
        let file = file.join(format!("nats-server_{}.ports", process.id()));
        let start = SystemClock.monotonic();
        let port = loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if let Ok(ports) = serde_json::from_str::<serde_json::Value>(&text)
                && let Some((_, port)) = ports["nats"][0].as_str().and_then(|u| u.rsplit_once(':'))
            {
                break port.parse().unwrap();
            }
            assert!(SystemClock.monotonic().since(start) < Duration::from_secs(30));
            std::thread::yield_now();
        };
        Some(Self {
            process,
            port,
            _folder: folder,
        })
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
