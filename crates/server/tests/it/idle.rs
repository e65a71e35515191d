//! Apps that are opened, closed and cleared while they have work, and those that have none.

use crate::server::{MASTER, Server, settings, start, start_over, start_with};
use crate::shared::{Faults, FaultyStore};
use basalt_bus::LocalBus;
use basalt_server::Over;
use basalt_server::config::Mode;
use basalt_store::{Store, StoreId};
use basalt_store_sqlite::{Options, SqliteStore};
use http::Method;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const PATIENCE: Duration = Duration::from_mins(1);

async fn until(what: &str, mut wish: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !wish().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "{what}");
}

/// A server over a store that tells what is done to it.
async fn watched(folder: tempfile::TempDir) -> (Server, Arc<Faults>) {
    let faults = Arc::<Faults>::default();
    let inner = SqliteStore::open(folder.path(), Options::default()).unwrap();
    let store = Arc::new(FaultyStore {
        inner,
        faults: Arc::clone(&faults),
    });
    let over = Over {
        store: store as Arc<dyn Store>,
        bus: LocalBus::new(),
    };
    let settings = settings(&folder, Mode::Development);
    (start_over(settings, folder, over).await, faults)
}

async fn make(server: &Server, id: &str) -> String {
    let body = format!(r#"{{"id":"{id}"}}"#);
    let made = server.operator(Method::POST, "/admin/apps", &body).await;
    let key = &made.json()["keys"]["master_key"];
    key.as_str().unwrap().to_owned()
}

async fn done(server: &Server, app: &str, key: &str, path: &str, body: &str) {
    let answer = server.parse(Method::POST, path, app, key, body).await;
    assert!(answer.status.is_success(), "{path}: {answer:?}");
}

#[tokio::test]
async fn only_apps_with_work_are_opened_at_a_start() {
    let (server, _) = watched(tempfile::tempdir().unwrap()).await;
    let idle = make(&server, "idle").await;
    done(&server, "idle", &idle, "/classes/A", "{}").await;
    make(&server, "never-used").await;
    let busy = make(&server, "busy").await;
    // What it is to be told fails, and is tried again and again.
    let hook = r#"{"className":"A","triggerName":"afterSave","url":"http://127.0.0.1:1/a","durable":true}"#;
    done(&server, "busy", &busy, "/hooks/triggers", hook).await;
    done(&server, "busy", &busy, "/classes/A", "{}").await;
    let folder = server.stop().await;
    // Nobody knows of an app that was never opened: this start looks.
    let (server, _) = watched(folder).await;
    until("the busy app is woken", async || {
        let health = server.get("/health?details").await.json();
        health["apps_open"] == 2
    })
    .await;
    let folder = server.stop().await;

    let (server, faults) = watched(folder).await;
    // The numbers of `main` and `busy`.
    let (main, busy) = (StoreId(1), StoreId(4));
    until("the busy app is opened", async || {
        faults.opened.lock().unwrap().contains(&busy)
    })
    .await;
    let opened = faults.opened.lock().unwrap().clone();
    let others: Vec<_> = opened
        .iter()
        .filter(|id| ![main, busy].contains(id))
        .collect();
    assert!(others.is_empty(), "idle apps were opened: {opened:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_clear_that_fails_leaves_the_workers() {
    let (server, faults) = watched(tempfile::tempdir().unwrap()).await;
    faults.no_clear.store(true, Ordering::SeqCst);
    let hook = r#"{"functionName":"j","url":"http://127.0.0.1:1/j"}"#;
    done(&server, "main", MASTER, "/hooks/functions", hook).await;
    let cleared = server.operator(Method::POST, "/admin/apps/main/clear", "{}");
    assert!(cleared.await.status.is_server_error());
    done(&server, "main", MASTER, "/jobs/j", "{}").await;
    until("the job ends", async || {
        let runs = server.parse(Method::GET, "/classes/_JobStatus", "main", MASTER, "");
        runs.await.json()["results"][0]["status"] == "failed"
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_server_waits_for_apps_that_it_is_closing() {
    let server = start(Mode::Development, |settings| settings.apps_open_max = 1).await;
    // Takes requests and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/j", listener.local_addr().unwrap());
    let hook = format!(r#"{{"functionName":"j","url":"{url}"}}"#);
    done(&server, "main", MASTER, "/hooks/functions", &hook).await;
    done(&server, "main", MASTER, "/jobs/j", "{}").await;
    let called = tokio::time::timeout(PATIENCE, listener.accept()).await;
    let mut called = called.unwrap().unwrap();
    let mut told = String::new();
    while !told.contains(r#""jobName":"j""#) || !told.contains(r#""jobId":""#) {
        let mut part = [0; 4_096];
        let read = called.0.read(&mut part).await.unwrap();
        assert_ne!(read, 0, "a job is told its name and its run: {told}");
        told.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    // Another app takes its place, while its job runs on.
    let other = make(&server, "other").await;
    done(&server, "other", &other, "/classes/A", "{}").await;
    let folder = server.stop().await;
    drop((called, listener));
    // Its folder would be locked otherwise.
    let server = start_with(settings(&folder, Mode::Development), folder).await;
    server.stop().await;
}
