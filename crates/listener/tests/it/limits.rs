//! Limits on connections, headers and time; panics; request ids.

use crate::server::{get, read_all, read_until, start, start_with};
use basalt_listener::Limits;
use std::collections::HashSet;
use std::fmt::Write;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let lines = answer.lines();
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    values.next().unwrap_or_default()
}

#[tokio::test]
async fn every_answer_carries_an_id_of_our_own() {
    let server = start();
    let mut ids = HashSet::new();
    for path in ["/a", "/b", "/panic"] {
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\nX-Forwarded-For: 9.9.9.9\r\nConnection: close\r\n\r\n"
        );
        let answer = server.exchange(text.as_bytes()).await;
        ids.insert(header(&answer, "x-request-id").to_owned());
        assert!(!answer.contains("9.9.9.9"), "{answer}");
    }
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert!(!ids.contains("mine") && !ids.contains(""), "{ids:?}");
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_server_goes_on() {
    let server = start();
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /panic HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let answer = read_until(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(
        answer.ends_with(r#"{"code":1,"message":"Internal server error."}"#),
        "{answer}"
    );
    stream.write_all(&get("/after")).await.unwrap();
    assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(server.stats.view().panics_total, 1);
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_refused() {
    let server = start();
    let mut many = String::new();
    for index in 0..101 {
        write!(many, "X-{index}: a\r\n").unwrap();
    }
    let large = format!("X: {}\r\n", "a".repeat(8 * 1024 + 1));
    let huge = format!("X: {}\r\n", "a".repeat(64 * 1024));
    let endless = "X: a\r\n".repeat(20_000);
    for headers in [many, large, huge, endless] {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        let answer = server.exchange(text.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    assert!(server.echo.paths().is_empty());
}

#[tokio::test]
async fn slow_heads_and_silent_connections_are_closed() {
    let limits = Limits {
        header_time_max: Duration::from_millis(50),
        idle_time_max: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = start_with(limits, None);
    for sent in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let answer = server.exchange(sent.as_bytes()).await;
        assert!(!answer.contains("200"), "{answer}");
    }
    // One that had its answer and stays open without asking for more.
    let answer = server.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(server.stats.view().slow_peers_total, 3);
}

#[tokio::test]
async fn a_request_may_not_take_for_ever() {
    let limits = Limits {
        request_time_max: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = start_with(limits, None);
    let answer = server.exchange(&get("/wait")).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert_eq!(server.stats.view().timeouts_total, 1);
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_at_once() {
    let limits = Limits {
        connections_max: 1,
        ..Limits::default()
    };
    let server = start_with(limits, None);
    let mut first = server.connect().await;
    first
        .write_all(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut first, "/1 127.0.0.1 0").await;
    assert_eq!(server.exchange(&get("/2")).await, "");
    assert_eq!(server.echo.paths(), ["/1"]);
    assert_eq!(server.stats.view().refused_total, 1);
}
