//! A server on a free port and an empty folder.

use basalt_base::Secret;
use basalt_server::config::{AppSettings, Mode, Settings};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const MASTER: &str = "server-test-master";
pub const TOKEN: &str = "server-test-operator";

pub struct Server {
    pub address: String,
    pub folder: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    task: JoinHandle<basalt_base::Result<()>>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// With `BASALT_TEST_STORE=postgres` every server is on schemas of its own of the PostgreSQL server
/// that `BASALT_TEST_POSTGRES_URL` names; whoever started that server removes them with it.
#[expect(clippy::disallowed_methods, reason = "it is the script's, no setting")]
fn database_url(folder: &tempfile::TempDir) -> Option<Secret> {
    if std::env::var("BASALT_TEST_STORE").ok()? != "postgres" {
        return None;
    }
    let url = std::env::var("BASALT_TEST_POSTGRES_URL").expect("a PostgreSQL server to test on");
    // The folder's name, so that a server that starts again finds its data.
    let name = folder.path().file_name().unwrap().to_string_lossy();
    let name = name.bytes().fold(String::new(), |mut name, byte| {
        _ = write!(name, "{byte:02x}");
        name
    });
    Some(Secret::new(format!("{url}?basalt_schema=server_{name}")))
}

/// Settings for a folder: a free port, one app with a known master key.
pub fn settings(folder: &tempfile::TempDir, mode: Mode) -> Settings {
    Settings {
        data_dir: folder.path().to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        mode,
        database_url: database_url(folder),
        operator_token: Some(Secret::new(TOKEN)),
        keys_secret: Some(Secret::new("server-test-secret-of-keys")),
        apps: vec![AppSettings {
            id: "main".to_owned(),
            master_key: Some(Secret::new(MASTER)),
            ..AppSettings::default()
        }],
        ..Settings::default()
    }
}

pub async fn start(mode: Mode, change: impl FnOnce(&mut Settings)) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&folder, mode);
    change(&mut settings);
    start_with(settings, folder).await
}

pub async fn start_with(settings: Settings, folder: tempfile::TempDir) -> Server {
    launch(settings, folder, None).await
}

/// The same over a store and a bus of the test's.
pub async fn start_over(
    settings: Settings,
    folder: tempfile::TempDir,
    over: basalt_server::Over,
) -> Server {
    launch(settings, folder, Some(over)).await
}

async fn launch(
    settings: Settings,
    folder: tempfile::TempDir,
    over: Option<basalt_server::Over>,
) -> Server {
    let (stop, stopped) = oneshot::channel();
    let (tell, told) = oneshot::channel();
    let task = tokio::spawn(async move {
        let ready = |ready: &basalt_server::Ready| tell.send(ready.url.clone()).unwrap();
        let stop = async { _ = stopped.await };
        match over {
            Some(over) => basalt_server::serve_over(settings, over, ready, stop).await,
            None => basalt_server::serve(settings, false, ready, stop).await,
        }
    });
    let url = told.await.expect("the server does not start");
    Server {
        address: url.strip_prefix("http://").unwrap().to_owned(),
        folder,
        stop,
        task,
    }
}

impl Server {
    /// Stops the server and returns its folder.
    pub async fn stop(self) -> tempfile::TempDir {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
        self.folder
    }

    /// Tells the server to stop and does not wait for it.
    pub fn begin_stop(self) -> JoinHandle<basalt_base::Result<()>> {
        self.stop.send(()).unwrap();
        self.task
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        send(&self.address, method, path, headers, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    /// A request of the Parse protocol with an app's master key.
    pub async fn parse(
        &self,
        method: Method,
        path: &str,
        app: &str,
        key: &str,
        body: &str,
    ) -> Answer {
        let headers = [("x-parse-application-id", app), ("x-parse-master-key", key)];
        self.send(method, &format!("/parse{path}"), &headers, body)
            .await
    }

    pub async fn operator(&self, method: Method, path: &str, body: &str) -> Answer {
        let token = format!("Bearer {TOKEN}");
        self.send(method, path, &[("authorization", &token)], body)
            .await
    }
}

/// A request to an address.
pub async fn send(
    address: &str,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "test");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Full::new(hyper::body::Bytes::from(body.to_owned())))
        .unwrap();
    let sent = sender.send_request(request);
    let response = tokio::time::timeout(Duration::from_mins(1), sent)
        .await
        .unwrap()
        .unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status,
        headers: head.headers,
        text: String::from_utf8(body.to_vec()).unwrap(),
    }
}

pub async fn get(address: &str, path: &str) -> Answer {
    send(address, Method::GET, path, &[], "").await
}
