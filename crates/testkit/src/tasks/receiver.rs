//! What hooks and jobs lead to: a small HTTP server that notes every call.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// Of so many events one fails at its first attempt.
const FAILS_EVERY: usize = 10;

/// A call that was answered.
#[derive(Clone, Debug)]
pub struct Call {
    /// The event's id, or what a job was started with.
    pub key: String,
    /// The object of an event.
    pub object: Option<String>,
    /// Which of its writes.
    pub seq: u64,
    /// Whether it was answered well.
    pub good: bool,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    known: HashSet<String>,
    good: HashSet<String>,
    over: HashSet<String>,
    repeated: Vec<String>,
}

/// The receiver; its threads end with the process.
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Receiver {
    /// On a free port.
    pub fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A caller that died cuts its connection off.
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Ok(Self { address, state })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Everything that was answered well at least once.
    pub fn good(&self) -> HashSet<String> {
        locked(&self.state).good.clone()
    }

    /// All calls in their order.
    pub fn calls(&self) -> Vec<Call> {
        locked(&self.state).calls.clone()
    }

    /// From now on these must not be called.
    pub fn must_not_come_again(&self, keys: HashSet<String>) {
        locked(&self.state).over.extend(keys);
    }

    /// What came again all the same.
    pub fn repeated(&self) -> Vec<String> {
        locked(&self.state).repeated.clone()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (event, body) = read(&mut reader)?;
        let good = note(state, event, &body);
        let (status, text) = if good {
            ("200 OK", r#"{"success":{}}"#)
        } else {
            ("500 No", r#"{"error":"not yet"}"#)
        };
        let length = text.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{text}"
        );
        writer.write_all(answer.as_bytes()).ok()?;
    }
}

/// One request: the event's id and the body.
fn read(reader: &mut BufReader<TcpStream>) -> Option<(Option<String>, Value)> {
    let mut length = 0;
    let mut event = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok()?,
                "x-basalt-event-id" => event = Some(value.to_owned()),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((event, serde_json::from_slice(&body).ok()?))
}

/// Notes a call before it is answered; whether to answer well.
fn note(state: &Mutex<State>, event: Option<String>, body: &Value) -> bool {
    let mut state = locked(state);
    let job = body["params"]["key"].as_str().map(str::to_owned);
    let object = body["object"]["objectId"].as_str().map(str::to_owned);
    let is_job = job.is_some();
    let key = event.or(job).unwrap_or_default();
    let fresh = state.known.insert(key.clone());
    if state.over.contains(&key) {
        state.repeated.push(format!(
            "{key} came again after its success was recorded: {body}"
        ));
    }
    // A job that fails has failed; an event is told again.
    let good = is_job || !fresh || !state.known.len().is_multiple_of(FAILS_EVERY);
    if good {
        state.good.insert(key.clone());
    }
    let seq = body["object"]["seq"].as_u64().unwrap_or_default();
    state.calls.push(Call {
        key,
        object,
        seq,
        good,
    });
    good
}
