//! The bus over a real server, that of `BASALT_TEST_NATS_URL` (see `script/lib/nats.sh`), and over
//! ones that the tests start and stop themselves where `nats-server` is installed.

use crate::conformance::{self, Harness};
use crate::{Bus, Event, NatsBus, NatsOptions, Subject, encode};
use basalt_base::{BoxFuture, Secret};
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

static CLUSTERS: AtomicU32 = AtomicU32::new(0);

/// A name that no other test uses.
fn cluster() -> String {
    let number = CLUSTERS.fetch_add(1, Ordering::SeqCst);
    format!("test-{}-{number}", std::process::id())
}

fn options(url: &str, cluster: &str) -> NatsOptions {
    NatsOptions {
        url: Secret::new(url),
        token: None,
        credentials: None,
        ca: None,
        cluster: cluster.to_owned(),
        name: "a test".to_owned(),
    }
}

/// In CI nothing is skipped.
fn missing(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what} is missing");
    let _ = writeln!(std::io::stderr(), "skipped: {what} is missing");
}

struct Server {
    url: String,
    cluster: String,
}

fn given() -> Option<Server> {
    let Some(url) = std::env::var_os("BASALT_TEST_NATS_URL") else {
        missing("BASALT_TEST_NATS_URL");
        return None;
    };
    let url = url.into_string().unwrap();
    let cluster = cluster();
    Some(Server { url, cluster })
}

async fn connected(options: NatsOptions) -> Arc<NatsBus> {
    let bus = NatsBus::connect(options).await.unwrap();
    conformance::wait_for(&*bus, |view| view.connected).await;
    bus
}

impl Harness for Server {
    fn join(&self) -> BoxFuture<'_, Arc<dyn Bus>> {
        Box::pin(async { connected(options(&self.url, &self.cluster)).await as Arc<dyn Bus> })
    }

    fn elsewhere(&self) -> BoxFuture<'_, Arc<dyn Bus>> {
        Box::pin(async { connected(options(&self.url, &cluster())).await as Arc<dyn Bus> })
    }
}

crate::conformance_tests!(given);

/// A server of the test's own, killed when dropped.
struct Own {
    process: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Own {
    /// Starts one; on any free port unless one is given.
    fn start(port: Option<u16>, more: &[&str]) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let port_text = port.map_or("-1".to_owned(), |port| port.to_string());
        let started = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &port_text, "--ports_file_dir"])
            .arg(dir.path())
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            missing("nats-server");
            return None;
        };
        let file = dir
            .path()
            .join(format!("nats-server_{}.ports", process.id()));
        let start = std::time::Duration::from_secs(30);
        let port = wait_until(start, || {
            let text = std::fs::read_to_string(&file).ok()?;
            let ports: serde_json::Value = serde_json::from_str(&text).ok()?;
            let url = ports["nats"][0].as_str()?.to_owned();
            url.rsplit_once(':')?.1.parse().ok()
        });
        Some(Self {
            process,
            port,
            _dir: dir,
        })
    }

    fn url(&self, user: &str) -> String {
        format!("nats://{user}127.0.0.1:{}", self.port)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn wait_until<T>(time_max: std::time::Duration, mut ready: impl FnMut() -> Option<T>) -> T {
    use basalt_base::{Clock, SystemClock};
    let start = SystemClock.monotonic();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(SystemClock.monotonic().since(start) < time_max);
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_and_wiped_server_is_a_gap_and_nothing_more() {
    let Some(server) = Own::start(None, &[]) else {
        return;
    };
    let (port, url) = (server.port, server.url(""));
    let cluster = cluster();
    let one = connected(options(&url, &cluster)).await;
    let two = connected(options(&url, &cluster)).await;
    let subject = Subject::of_cluster("news");
    let mut ear = two.subscribe(&subject).await.unwrap();
    conformance::settle(&*one, &mut ear, &subject).await;
    drop(server);
    for bus in [&one, &two] {
        conformance::wait_for(&**bus, |view| !view.connected).await;
    }
    let lost = encode(&"lost").unwrap();
    one.publish(&subject, lost.clone());
    let late = two.subscribe(&Subject::of_cluster("late")).await;
    conformance::wait_for(&*one, |view| view.dropped > 0).await;
    let _again = Own::start(Some(port), &[]).unwrap();
    for bus in [&one, &two] {
        conformance::wait_for(&**bus, |view| view.connected && view.connects == 2).await;
    }
    assert_eq!(conformance::next(&mut ear).await, Event::Gap);
    conformance::settle(&*one, &mut ear, &subject).await;
    conformance::settle(&*one, &mut late.unwrap(), &Subject::of_cluster("late")).await;
    let version = one.view().server_version.unwrap();
    assert!(version.starts_with("2."), "{version}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_come_later() {
    let Some(first) = Own::start(None, &[]) else {
        return;
    };
    let (port, url) = (first.port, first.url(""));
    drop(first);
    let bus = NatsBus::connect(options(&url, &cluster())).await.unwrap();
    let subject = Subject::of_cluster("news");
    let mut ear = bus.subscribe(&subject).await.unwrap();
    assert!(!bus.view().connected);
    let _server = Own::start(Some(port), &[]).unwrap();
    conformance::settle(&*bus, &mut ear, &subject).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_and_tokens_open_the_door() {
    let user = ["--user", "basalt", "--pass", "p@ss word"];
    let Some(server) = Own::start(None, &user) else {
        return;
    };
    let good = server.url("basalt:p%40ss%20word@");
    connected(options(&good, &cluster())).await;
    let bad = NatsBus::connect(options(&server.url("basalt:wrong@"), &cluster()));
    let bad = bad.await.unwrap();
    let server = Own::start(None, &["--auth", "a-token"]).unwrap();
    let token = NatsOptions {
        token: Some(Secret::new("a-token")),
        ..options(&server.url(""), &cluster())
    };
    connected(token).await;
    assert!(!bad.view().connected);
}
