//! Health, metrics, headers, doors without an adapter, and starts that must fail.

use crate::server::{MASTER, TOKEN, settings, start};
use basalt_base::Reason;
use basalt_server::config::{AppSettings, Mode, Settings};
use http::Method;

async fn start_error(settings: Settings) -> basalt_base::Error {
    let outcome = basalt_server::serve(settings, false, |_| {}, async {}).await;
    outcome.expect_err("the server starts")
}

#[tokio::test]
async fn health_tells_strangers_only_that_it_is_well() {
    let server = start(Mode::Production, |settings| {
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let answer = server.get("/health").await;
    assert_eq!(
        (answer.status.as_u16(), answer.text.as_str()),
        (200, r#"{"status":"ok"}"#)
    );
    // A proxy is trusted, so loopback is not this machine any more.
    for path in ["/health?details", "/metrics"] {
        assert_eq!(server.get(path).await.status, 403, "{path}");
        assert_eq!(
            server.operator(Method::GET, path, "").await.status,
            200,
            "{path}"
        );
        assert_eq!(
            server.operator(Method::POST, path, "").await.status,
            405,
            "{path}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn metrics_count_requests_and_hold_no_secrets() {
    let server = start(Mode::Production, |_| {}).await;
    server
        .parse(
            Method::POST,
            "/classes/Canary?canary=1",
            "main",
            MASTER,
            r#"{"a":1}"#,
        )
        .await;
    let page = server.get("/metrics").await.text;
    assert!(
        page.contains(r#"basalt_requests_total{adapter="parse",status="2xx"} 1"#),
        "{page}"
    );
    assert!(
        page.contains("process_resident_memory_bytes") && page.contains("basalt_store_"),
        "{page}"
    );
    for secret in [MASTER, TOKEN, "canary", "Canary"] {
        assert!(!page.contains(secret), "{secret}");
    }
    server.stop().await;
}

#[tokio::test]
async fn every_answer_is_protected() {
    let server = start(Mode::Production, |_| {}).await;
    for path in [
        "/",
        "/health",
        "/metrics",
        "/parse/health",
        "/parse/nonsense",
        "/admin/apps",
        "/graphql",
        "/console/",
    ] {
        let answer = server.get(path).await;
        let header = |name: &str| {
            answer
                .headers
                .get(name)
                .map(|value| value.to_str().unwrap())
        };
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header("cache-control"), Some("no-store"), "{path}");
        assert!(
            header("x-request-id").is_some_and(|id| id.len() == 16),
            "{path}"
        );
        assert_eq!(header("server"), None, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn doors_without_an_adapter_say_so() {
    let server = start(Mode::Production, |_| {}).await;
    for path in [
        "/graphql",
        "/fn/x",
        "/s3/b/k",
        "/console/",
        "/.ws",
        "/v1/projects/p",
        "/a.json?ns=x",
        "/",
    ] {
        let answer = server.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["reason"].as_str()),
            (404, Some("route_not_found")),
            "{path}"
        );
    }
    let signed = [("authorization", "AWS4-HMAC-SHA256 Credential=x")];
    let answer = server
        .send(Method::GET, "/parse/classes/A", &signed, "")
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["reason"].as_str()),
        (501, Some("command_unavailable"))
    );
    assert_eq!(
        server.send(Method::TRACE, "/health", &[], "").await.status,
        405
    );
    server.stop().await;
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_does_not_start() {
    // PostgreSQL is there for many servers; the embedded store is not.
    let server = start(Mode::Production, |s| s.database_url = None).await;
    let mut second = settings(&server.folder, Mode::Production);
    second.database_url = None;
    assert_eq!(start_error(second).await.reason(), Reason::StoreLocked);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_ended_has_let_go_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        // Stopped before its first app is open.
        let settings = settings(&folder, Mode::Production);
        let outcome = basalt_server::serve(settings, false, |_| {}, async {}).await;
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}

#[tokio::test]
async fn settings_that_are_dangerous_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let open = Settings {
        listen: "0.0.0.0:0".to_owned(),
        ..settings(&folder, Mode::Development)
    };
    assert!(start_error(open).await.message().contains("loopback only"));
    let mut known = settings(&folder, Mode::Production);
    known.apps[0].master_key = Some(basalt_base::Secret::new("myMasterKey"));
    assert!(start_error(known).await.message().contains("well known"));
    let mut same = settings(&folder, Mode::Production);
    same.apps[0].rest_key = Some(basalt_base::Secret::new(MASTER));
    assert!(start_error(same).await.message().contains("are the same"));
}

#[tokio::test]
async fn an_app_that_is_declared_no_more_is_not_served() {
    let server = start(Mode::Production, |settings| {
        settings.apps.push(AppSettings {
            id: "second".to_owned(),
            master_key: Some(basalt_base::Secret::new("second-master-key")),
            ..AppSettings::default()
        });
    })
    .await;
    let find = "/classes/A";
    let answer = server
        .parse(Method::GET, find, "second", "second-master-key", "")
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let folder = server.stop().await;
    let server = crate::server::start_with(settings(&folder, Mode::Production), folder).await;
    let answer = server
        .parse(Method::GET, find, "second", "second-master-key", "")
        .await;
    assert_eq!(answer.status, 403, "{answer:?}");
    server.stop().await;
}
