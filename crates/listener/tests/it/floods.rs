//! Floods of HTTP/2 frames against the real listener: the connection ends, others go on, and what
//! the flood costs is bounded.

use crate::server::{PATIENCE, Server, get, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// `GET / http a` in static and literal header fields, without Huffman codes.
const REQUEST: &[u8] = &[0x82, 0x84, 0x86, 0x41, 1, b'a'];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut out = vec![length[1], length[2], length[3], kind, flags];
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// Sends the frames over and over until the server has had enough; fails when it never has.
async fn flood(server: &Server, frames: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    let mut stream = server.connect().await;
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut received = Vec::new();
        let _ = reader.read_to_end(&mut received).await;
        received
    });
    let sending = async {
        // As many as a peer that is never stopped would send in a while.
        for n in 0..400_000 {
            if writer.write_all(&frames(n)).await.is_err() {
                return true;
            }
        }
        false
    };
    let ended = tokio::time::timeout(PATIENCE, sending).await;
    assert!(ended.unwrap_or(false), "the server takes everything");
    tokio::time::timeout(PATIENCE, reading)
        .await
        .unwrap()
        .unwrap()
}

/// Whether the frames that the server sent end with GOAWAY, or the connection was just cut.
fn says_goodbye(received: &[u8]) -> bool {
    let mut rest = received;
    let mut last = None;
    while rest.len() >= 9 {
        let length = usize::from(rest[0]) << 16 | usize::from(rest[1]) << 8 | usize::from(rest[2]);
        last = Some(rest[3]);
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    last.is_none_or(|kind| kind == GOAWAY || kind != DATA)
}

async fn still_serves(server: &Server) {
    let answer = server.exchange(&get("/after")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn requests_that_are_reset_at_once_end_the_connection() {
    let server = start();
    let received = flood(&server, |n| {
        let stream = 2 * n + 1;
        let mut out = frame(HEADERS, END_HEADERS | 1, stream, REQUEST);
        out.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        out
    })
    .await;
    assert!(says_goodbye(&received));
    assert!(
        server.echo.paths().len() < 20_000,
        "{} requests were begun",
        server.echo.paths().len()
    );
    still_serves(&server).await;
}

#[tokio::test]
async fn headers_without_an_end_are_cut_off() {
    let server = start();
    let received = flood(&server, |n| {
        if n == 0 {
            return frame(HEADERS, 0, 1, REQUEST);
        }
        // A literal field that is never put into a table.
        let mut field = vec![0, 1, b'x', 100];
        field.extend([b'y'; 100]);
        frame(CONTINUATION, 0, 1, &field.repeat(10))
    })
    .await;
    assert!(says_goodbye(&received));
    assert!(server.echo.paths().is_empty());
    still_serves(&server).await;
}

#[tokio::test]
async fn empty_continuations_are_cut_off() {
    let server = start();
    flood(&server, |n| {
        let kind = if n == 0 { HEADERS } else { CONTINUATION };
        frame(kind, 0, 1, if n == 0 { REQUEST } else { &[] })
    })
    .await;
    assert!(server.echo.paths().is_empty());
    still_serves(&server).await;
}

/// A peer that asks for answers and reads none of them.
async fn unread(server: &Server, kind: u8, payload: &[u8]) {
    let mut stream: TcpStream = server.connect().await;
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    let many = frame(kind, 0, 0, payload).repeat(1_000);
    let mut sent: u64 = 0;
    // The server stops reading while its answers are not read: that is what bounds its memory.
    loop {
        let send = stream.write_all(&many);
        match tokio::time::timeout(std::time::Duration::from_secs(2), send).await {
            Ok(Ok(())) => sent += 1_000,
            Ok(Err(_)) | Err(_) => break,
        }
        assert!(sent < 20_000_000, "the server takes everything");
    }
    still_serves(server).await;
}

#[tokio::test]
async fn pings_whose_answers_nobody_reads_stop_the_reading() {
    unread(&start(), PING, &[0; 8]).await;
}

#[tokio::test]
async fn settings_whose_answers_nobody_reads_stop_the_reading() {
    unread(&start(), SETTINGS, &[0, 3, 0, 0, 0, 100]).await;
}
