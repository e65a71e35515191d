//! A listener that answers simple requests, and raw clients for it.

use basalt_base::BoxFuture;
use basalt_listener::{
    Dispatch, Limits, Listener, Options, Request, Response, Stats, TlsFiles, json_response,
};
use http::StatusCode;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// Nothing here takes this long unless it hangs.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Answers `/…` with what it saw; some paths do something special.
#[derive(Default)]
pub struct Echo {
    pub seen: Mutex<Vec<String>>,
    pub entered: Notify,
    pub release: Notify,
}

impl Echo {
    pub fn paths(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Dispatch for Echo {
    fn dispatch(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            let path = request.head.uri.path_and_query().unwrap().to_string();
            self.seen.lock().unwrap().push(path.clone());
            match path.as_str() {
                "/panic" => panic!("on purpose"),
                "/wait" => {
                    self.entered.notify_one();
                    self.release.notified().await;
                }
                "/upgrade" => return upgrade(request),
                _ => {}
            }
            let ip = request.client.ip;
            match request.body.collect(1024 * 1024).await {
                Ok(body) => json_response(StatusCode::OK, format!("{path} {ip} {}", body.len())),
                Err(error) => json_response(StatusCode::PAYLOAD_TOO_LARGE, error.reason().name()),
            }
        })
    }
}

/// Switches to a protocol that sends everything back.
fn upgrade(request: Request) -> Response {
    let mut whole = http::Request::from_parts(request.head, ());
    let upgraded = hyper::upgrade::on(&mut whole);
    tokio::spawn(async move {
        let stream = upgraded.await.unwrap();
        let stream = hyper_util::rt::TokioIo::new(stream);
        let (mut read, mut write) = tokio::io::split(stream);
        let _ = tokio::io::copy(&mut read, &mut write).await;
    });
    let mut response = json_response(StatusCode::SWITCHING_PROTOCOLS, "");
    for (name, value) in [("connection", "upgrade"), ("upgrade", "echo")] {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

pub struct Server {
    pub address: SocketAddr,
    pub echo: Arc<Echo>,
    pub stats: Arc<Stats>,
    pub stop: Option<oneshot::Sender<()>>,
    pub task: JoinHandle<usize>,
}

pub fn start() -> Server {
    start_with(Limits::default(), None)
}

pub fn start_with(limits: Limits, tls: Option<TlsFiles>) -> Server {
    let listener = Listener::bind(Options {
        addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        tls,
        trusted_proxies: Vec::new(),
        limits,
    })
    .unwrap();
    let (stop, stopped) = oneshot::channel();
    let echo = Arc::new(Echo::default());
    Server {
        address: listener.address(),
        stats: listener.stats(),
        stop: Some(stop),
        task: tokio::spawn(listener.serve(echo.clone(), async move {
            let _ = stopped.await;
        })),
        echo,
    }
}

impl Server {
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and returns everything up to the end of the connection.
    pub async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may close before it has read everything.
        let _ = stream.write_all(bytes).await;
        read_all(&mut stream).await
    }
}

/// Everything up to the end of the connection, or to its reset.
pub async fn read_all(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    let read = stream.read_to_end(&mut received);
    let _ = tokio::time::timeout(PATIENCE, read)
        .await
        .expect("the connection stays open");
    String::from_utf8_lossy(&received).into_owned()
}

/// Reads until the text ends with `end`.
pub async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut received = String::new();
    let read = async {
        while !received.ends_with(end) {
            let byte = stream
                .read_u8()
                .await
                .unwrap_or_else(|_| panic!("got {received:?}"));
            received.push(char::from(byte));
        }
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("no end of the answer");
    received
}

/// A GET that asks for the connection to be closed.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").into_bytes()
}
