//! Jobs and queues through the server's doors.

use crate::server::{MASTER, Server, TOKEN, start};
use basalt_base::{Clock, SystemClock};
use basalt_server::config::Mode;
use http::Method;
use std::time::Duration;

/// A job whose code can't be reached, started; the id of its row.
async fn started(server: &Server) -> String {
    let hook = r#"{"functionName":"nightly","url":"https://127.0.0.1:1/nightly"}"#;
    let made = server.parse(Method::POST, "/hooks/functions", "main", MASTER, hook);
    let made = made.await;
    assert!(made.status.is_success(), "{made:?}");
    let run = server.parse(Method::POST, "/jobs/nightly", "main", MASTER, "{}");
    let run = run.await;
    assert!(run.status.is_success(), "{run:?}");
    let id = &run.headers["x-parse-job-status-id"];
    id.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_job_runs_and_its_row_is_not_for_clients() {
    let server = start(Mode::Production, |_| {}).await;
    let id = started(&server).await;
    let path = format!("/classes/_JobStatus/{id}");
    let start = SystemClock.monotonic();
    loop {
        let row = server.parse(Method::GET, &path, "main", MASTER, "").await;
        let row = row.json();
        if row["status"] != "running" {
            assert_eq!(row["status"], "failed", "{row}");
            assert_eq!(row["jobName"], "nightly", "{row}");
            assert!(row["message"].is_string(), "{row}");
            break;
        }
        let waited = SystemClock.monotonic().since(start);
        assert!(waited < Duration::from_mins(1), "the job never ends: {row}");
    }
    let client = [("x-parse-application-id", "main")];
    for class in ["_JobStatus", "_JobSchedule"] {
        let all = format!("/parse/classes/{class}");
        for (method, path, body) in [
            (Method::GET, &all, ""),
            (Method::POST, &all, r#"{"jobName":"nightly"}"#),
            (Method::GET, &format!("{all}/{id}"), ""),
            (Method::PUT, &format!("{all}/{id}"), r#"{"status":"x"}"#),
            (Method::DELETE, &format!("{all}/{id}"), ""),
        ] {
            let answer = server.send(method.clone(), path, &client, body).await;
            assert!(
                answer.status.is_client_error(),
                "{method} {path}: {answer:?}"
            );
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn queues_are_for_the_operator() {
    let server = start(Mode::Production, |_| {}).await;
    started(&server).await;
    let queues = "/admin/apps/main/queues";
    let listed = server.operator(Method::GET, queues, "").await;
    assert!(listed.json()["queues"].is_array(), "{listed:?}");
    let nobodys = "/admin/apps/main/queues/nobody%20knows";
    let peeked = server.operator(Method::GET, nobodys, "").await;
    assert_eq!(peeked.json()["tasks"], serde_json::json!([]), "{peeked:?}");
    for step in ["retry", "purge"] {
        let path = format!("{nobodys}/{step}");
        let done = server.operator(Method::POST, &path, r#"{"ids":[1]}"#).await;
        assert_eq!(done.json()["count"], 0, "{done:?}");
        let odd = server.operator(Method::POST, &path, "{").await;
        assert_eq!(odd.status, 400, "{odd:?}");
        let wrong = format!("Bearer not-{TOKEN}");
        let wrong = [("authorization", &*wrong)];
        let refused = server.send(Method::POST, &path, &wrong, "").await;
        assert!(refused.status.is_client_error(), "{refused:?}");
    }
    let foreign = "/admin/apps/foreign/queues";
    assert_eq!(server.operator(Method::GET, foreign, "").await.status, 404);
    server.stop().await;
}
