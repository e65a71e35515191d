//! A receiver of webhooks that does what a test wants.

use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the receiver does with a request.
#[derive(Clone)]
pub struct Answer(What);

type Act = Arc<dyn Fn(&Value) -> Value + Send + Sync>;

#[derive(Clone)]
enum What {
    Bytes(String),
    Act(Act),
    Never,
    Closed,
}

impl Answer {
    pub fn json(value: &Value) -> Self {
        Self::status(200, &value.to_string())
    }

    pub fn text(body: &str) -> Self {
        Self::status(200, body)
    }

    pub fn status(status: u16, body: &str) -> Self {
        let length = body.len();
        Self(What::Bytes(format!(
            "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n{body}"
        )))
    }

    pub fn redirect(status: u16, to: &str) -> Self {
        Self(What::Bytes(format!(
            "HTTP/1.1 {status} x\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"
        )))
    }

    pub fn never() -> Self {
        Self(What::Never)
    }

    pub fn closed() -> Self {
        Self(What::Closed)
    }
}

/// A request that came.
pub struct Received {
    pub headers: HashMap<String, String>,
    pub body: Value,
}

#[derive(Default)]
struct State {
    answers: Mutex<HashMap<String, Answer>>,
    received: Mutex<Vec<Received>>,
}

pub struct Receiver {
    port: u16,
    state: Arc<State>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { port, state }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn on(&self, path: &str, answer: Answer) {
        let mut answers = self.state.answers.lock().unwrap();
        answers.insert(path.to_owned(), answer);
    }

    pub fn on_request(&self, path: &str, act: impl Fn(&Value) -> Value + Send + Sync + 'static) {
        self.on(path, Answer(What::Act(Arc::new(act))));
    }

    /// What came since the last time.
    pub fn taken(&self) -> Vec<Received> {
        std::mem::take(&mut *self.state.received.lock().unwrap())
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim().split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length")?.parse().ok()?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let body: Value = serde_json::from_slice(&body).ok()?;
        let answer = state.answers.lock().unwrap().get(&path).cloned();
        let what = answer.map_or(What::Closed, |answer| answer.0);
        let bytes = match what {
            What::Bytes(bytes) => Some(bytes),
            What::Act(act) => match Answer::json(&act(&body)).0 {
                What::Bytes(bytes) => Some(bytes),
                _ => None,
            },
            What::Never => std::future::pending().await,
            What::Closed => None,
        };
        state
            .received
            .lock()
            .unwrap()
            .push(Received { headers, body });
        stream.write_all(bytes?.as_bytes()).await.ok()?;
    }
}
