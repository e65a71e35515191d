//! After-hooks that must not be lost, through the whole server, with a receiver that fails.

use crate::server::{MASTER, Server, settings, start, start_with};
use basalt_base::{Clock, SystemClock};
use basalt_server::config::Mode;
use http::Method;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_mins(1);
const RETRY: &str = "/admin/apps/main/queues/basalt.hooks/retry";
const DEAD: &str = "/admin/apps/main/queues/basalt.hooks?dead=1";

/// A request that the receiver got.
#[derive(Clone, Debug)]
struct Got {
    event_id: String,
    body: Value,
    good: bool,
}

/// What webhooks lead to.
struct Receiver {
    url: String,
    got: Arc<watch::Sender<Vec<Got>>>,
    /// How many requests fail from now on.
    failures: Arc<AtomicU32>,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    async fn start(failures: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let got = Arc::new(watch::Sender::new(Vec::new()));
        let failures = Arc::new(AtomicU32::new(failures));
        let (seen, left) = (Arc::clone(&got), Arc::clone(&failures));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, Arc::clone(&seen), Arc::clone(&left)));
            }
        });
        Self {
            url,
            got,
            failures,
            task,
        }
    }

    fn got(&self) -> Vec<Got> {
        self.got.borrow().clone()
    }

    fn good(&self) -> Vec<Got> {
        self.got().into_iter().filter(|got| got.good).collect()
    }

    async fn until(&self, what: &str, wish: impl Fn(&[Got]) -> bool) {
        let mut got = self.got.subscribe();
        let waited = tokio::time::timeout(PATIENCE, got.wait_for(|all| wish(all)));
        let waited = waited.await.is_ok();
        assert!(waited, "{what}: {:?}", self.got());
    }

    /// Waits for that many requests that did not fail.
    async fn until_good(&self, count: usize) {
        let good = |all: &[Got]| all.iter().filter(|got| got.good).count() == count;
        self.until("everything is told", good).await;
    }

    fn fail(&self, failures: u32) {
        self.failures.store(failures, Ordering::SeqCst);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    mut stream: TcpStream,
    got: Arc<watch::Sender<Vec<Got>>>,
    failures: Arc<AtomicU32>,
) {
    let mut bytes = Vec::new();
    let (head, mut body) = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            break (head, bytes.split_off(end + 4));
        }
    };
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let mut named = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.to_owned())
    };
    let length: usize = header("content-length").unwrap().parse().unwrap();
    while body.len() < length {
        if stream.read_buf(&mut body).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let fails = failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    let one = Got {
        event_id: header("x-basalt-event-id").unwrap_or_default(),
        body: serde_json::from_slice(&body).unwrap(),
        good: fails.is_err(),
    };
    got.send_modify(|all| all.push(one));
    let line = if fails.is_ok() { "500 No" } else { "200 OK" };
    let answer = format!(
        "HTTP/1.1 {line}\r\ncontent-length: 14\r\nconnection: close\r\n\r\n{{\"success\":{{}}}}"
    );
    _ = stream.write_all(answer.as_bytes()).await;
}

async fn until(what: &str, mut wish: impl AsyncFnMut() -> bool) {
    let start = SystemClock.monotonic();
    while !wish().await {
        assert!(SystemClock.monotonic().since(start) < PATIENCE, "{what}");
    }
}

async fn master(server: &Server, method: Method, path: &str, body: &Value) -> Value {
    let body = body.to_string();
    let answer = server.parse(method, path, "main", MASTER, &body).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text);
    answer.json()
}

async fn declare(server: &Server, trigger: &str, url: &str) {
    let hook = json!({ "className": "Post", "triggerName": trigger, "url": url, "durable": true });
    let declared = master(server, Method::POST, "/hooks/triggers", &hook).await;
    assert_eq!(declared["durable"], true, "{declared}");
}

async fn create(server: &Server, body: Value) -> String {
    let made = master(server, Method::POST, "/classes/Post", &body).await;
    format!("/classes/Post/{}", made["objectId"].as_str().unwrap())
}

/// What a receiver was told, shortly.
fn told(got: &Got) -> String {
    let n = |name: &str| got.body[name]["n"].as_i64().unwrap_or(-1);
    let trigger = got.body["triggerName"].as_str().unwrap();
    format!("{trigger} {} {}", n("original"), n("object"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_hook_is_told_until_it_succeeds_and_in_order() {
    let receiver = Receiver::start(2).await;
    let server = start(Mode::Development, |_| {}).await;
    declare(&server, "afterSave", &receiver.url).await;
    declare(&server, "afterDelete", &receiver.url).await;
    let path = create(&server, json!({ "n": 1 })).await;
    let more = json!({ "n": { "__op": "Increment", "amount": 1 } });
    master(&server, Method::PUT, &path, &more).await;
    let in_batch = json!({ "transaction": true, "requests": [
        { "method": "PUT", "path": format!("/parse{path}"), "body": more },
        { "method": "PUT", "path": format!("/parse{path}"), "body": { "n": 9 } },
    ]});
    master(&server, Method::POST, "/batch", &in_batch).await;
    master(&server, Method::DELETE, &path, &json!({})).await;
    receiver.until_good(5).await;
    let good: Vec<String> = receiver.good().iter().map(told).collect();
    let expected = [
        "afterSave -1 1",
        "afterSave 1 2",
        "afterSave 2 3",
        "afterSave 3 9",
        "afterDelete -1 9",
    ];
    assert_eq!(good, expected);
    let got = receiver.got();
    assert_eq!(got.len(), 7, "two attempts failed: {got:?}");
    assert!(!got[0].event_id.is_empty());
    assert!(got[..3].iter().all(|g| g.event_id == got[0].event_id));
    let ids: HashSet<_> = got.iter().map(|g| &g.event_id).collect();
    assert_eq!(ids.len(), 5);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_or_failed_tells_nobody() {
    let receiver = Receiver::start(0).await;
    let server = start(Mode::Development, |_| {}).await;
    declare(&server, "afterSave", &receiver.url).await;
    let path = create(&server, json!({ "n": 1 })).await;
    let wrong = server
        .parse(Method::PUT, &path, "main", MASTER, r#"{"n":"text"}"#)
        .await;
    assert!(wrong.status.is_client_error());
    // Those that meet at one object all get through, each told with what it made.
    let more = json!({ "n": { "__op": "Increment", "amount": 1 } }).to_string();
    let parse = || server.parse(Method::PUT, &path, "main", MASTER, &more);
    let answers = tokio::join!(parse(), parse(), parse(), parse(), parse(), parse());
    assert!(answers.0.status.is_success() && answers.5.status.is_success());
    receiver.until_good(7).await;
    let good: Vec<String> = receiver.good().iter().map(told).collect();
    assert_eq!(good[6], "afterSave 6 7");
    for hook in [
        json!({ "className": "Post", "triggerName": "beforeSave", "url": receiver.url, "durable": true }),
        json!({ "functionName": "f", "url": receiver.url, "durable": true }),
    ] {
        let kind = if hook["className"].is_null() {
            "functions"
        } else {
            "triggers"
        };
        let path = format!("/hooks/{kind}");
        let hook = hook.to_string();
        let refused = server.parse(Method::POST, &path, "main", MASTER, &hook);
        assert_eq!(refused.await.json()["code"], 143);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_loses_nothing_and_what_is_given_up_can_be_told_again() {
    let receiver = Receiver::start(u32::MAX).await;
    let server = start(Mode::Development, |_| {}).await;
    declare(&server, "afterSave", &receiver.url).await;
    create(&server, json!({ "n": 1 })).await;
    receiver.until("it was tried", |all| !all.is_empty()).await;
    let folder = server.stop().await;
    let settings = settings(&folder, Mode::Development);
    let server = start_with(settings, folder).await;
    let before = receiver.got().len();
    receiver
        .until("it is tried again", |all| all.len() > before)
        .await;
    // Nobody to tell it to.
    master(
        &server,
        Method::DELETE,
        "/hooks/triggers/Post/afterSave",
        &json!({}),
    )
    .await;
    let retry = || server.operator(Method::POST, RETRY, r#"{"idle":true}"#);
    until("it is given up", async || {
        retry().await;
        let dead = server.operator(Method::GET, DEAD, "");
        dead.await
            .text
            .contains("The trigger is not declared any more.")
    })
    .await;
    receiver.fail(0);
    assert!(receiver.good().is_empty());
    declare(&server, "afterSave", &receiver.url).await;
    let again = server.operator(Method::POST, RETRY, "").await;
    assert!(again.status.is_success(), "{again:?}");
    receiver.until_good(1).await;
    let ids: HashSet<_> = receiver.got().into_iter().map(|got| got.event_id).collect();
    assert_eq!(ids.len(), 1);
    server.stop().await;
}
