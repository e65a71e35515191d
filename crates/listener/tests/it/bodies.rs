//! Bodies over the limit are refused early, and slow ones end.

use crate::server::{get, read_all, read_until, start, start_with};
use basalt_listener::Limits;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_before_it_is_sent() {
    let server = start();
    let text = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n";
    let answer = server.exchange(text).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn an_endless_body_is_refused_while_it_comes() {
    let server = start();
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend(vec![b'a'; 0x10000]);
    chunk.extend(b"\r\n");
    let mut sent = 0;
    while stream.write_all(&chunk).await.is_ok() {
        sent += 1;
        assert!(sent < 2_000, "the server goes on reading");
    }
    assert_eq!(server.echo.paths().len(), 1);
}

#[tokio::test]
async fn the_refusal_arrives_though_the_client_goes_on_sending() {
    let server = start();
    let mut text = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1100000\r\n\r\n".to_vec();
    text.extend(vec![b'a'; 500_000]);
    let answer = server.exchange(&text).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn the_refusal_arrives_though_the_client_looks_for_it_at_the_end_only() {
    let server = start();
    let bytes = 21 * 1024 * 1024;
    let size = format!("Content-Length: {bytes}");
    let chunked = "Transfer-Encoding: chunked".to_owned();
    let mut chunk = format!("{bytes:x}\r\n").into_bytes();
    chunk.extend(vec![b'a'; bytes]);
    for (framing, body) in [(size, &chunk[chunk.len() - bytes..]), (chunked, &chunk)] {
        let mut stream = server.connect().await;
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let sent = stream.write_all(body).await;
        sent.expect("the connection is cut while the client sends");
        stream.shutdown().await.unwrap();
        let answer = read_all(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        let lower = answer.to_lowercase();
        assert!(lower.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_little_that_nobody_reads_does_not_end_the_connection() {
    let server = start();
    let mut stream = server.connect().await;
    let text = b"POST /panic HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    stream.write_all(text).await.unwrap();
    let answer = read_until(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    stream.write_all(&get("/after")).await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_stands_still_ends() {
    let limits = Limits {
        body_idle_time_max: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = start_with(limits, None);
    let mut stream = server.connect().await;
    let text = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc";
    stream.write_all(text).await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.contains("cancelled"), "{answer}");
    assert_eq!(server.stats.view().slow_peers_total, 1);
}

#[tokio::test]
async fn large_bodies_share_a_room_and_small_ones_need_none() {
    let limits = Limits {
        bodies_bytes_max: 300_000,
        ..Limits::default()
    };
    let server = start_with(limits, None);
    // Takes most of the room and stands still.
    let mut holder = server.connect().await;
    let head = b"POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n";
    holder.write_all(head).await.unwrap();
    holder.write_all(&[b'a'; 1_000]).await.unwrap();
    while server.echo.paths().is_empty() {
        tokio::task::yield_now().await;
    }
    let large = |path: &str| {
        let mut text = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 150000\r\n\r\n"
        );
        text.push_str(&"b".repeat(150_000));
        text.into_bytes()
    };
    let refused = server.exchange(&large("/large")).await;
    assert!(refused.contains("bodies_exhausted"), "{refused}");
    let small =
        b"POST /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
    let answer = server.exchange(small).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    holder.write_all(&vec![b'a'; 199_000]).await.unwrap();
    read_until(&mut holder, " 200000").await;
    let answer = server.exchange(&large("/later")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
