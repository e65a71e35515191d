//! Stopping: what is in work is finished, nothing new is taken.

use crate::server::{get, read_all, read_until, start, start_with};
use basalt_listener::Limits;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_request_in_work_is_answered_and_the_connection_closed() {
    let mut server = start();
    let mut idle = server.connect().await;
    idle.write_all(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut idle, "/1 127.0.0.1 0").await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    server.echo.entered.notified().await;

    server.stop.take().unwrap().send(()).unwrap();
    assert_eq!(read_all(&mut idle).await, "");
    assert!(TcpStream::connect(server.address).await.is_err());
    server.echo.release.notify_one();
    let answer = read_all(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.to_lowercase().contains("connection: close"),
        "{answer}"
    );
    assert_eq!(server.task.await.unwrap(), 0);
}

#[tokio::test]
async fn what_outlives_the_drain_time_is_cut() {
    let limits = Limits {
        drain_time_max: Duration::from_millis(50),
        ..Limits::default()
    };
    let mut server = start_with(limits, None);
    let mut busy = server.connect().await;
    busy.write_all(&get("/wait")).await.unwrap();
    server.echo.entered.notified().await;
    server.stop.take().unwrap().send(()).unwrap();
    assert_eq!(read_all(&mut busy).await, "");
    assert_eq!(server.task.await.unwrap(), 1);
}

#[tokio::test]
async fn a_peer_that_owes_the_rest_of_a_body_holds_nothing_up() {
    let limits = Limits {
        drain_time_max: Duration::from_millis(50),
        ..Limits::default()
    };
    let mut server = start_with(limits, None);
    let mut owing = server.connect().await;
    owing
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\na")
        .await
        .unwrap();
    let answer = read_all(&mut owing).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    server.stop.take().unwrap().send(()).unwrap();
    assert_eq!(server.task.await.unwrap(), 1);
}
