//! A small blocking HTTP/1.1 client for JSON, one kept connection each.
//!
//! It never sends a request twice: whether a request without an answer had an effect is what the
//! tests want to know.

use std::fmt::Write as _;
use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

mod answer;

pub use answer::Answer;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// No connection could be made: the server never saw the request.
    Unreachable(io::Error),
    /// The connection ended before the first byte of an answer.
    Unanswered(io::Error),
    /// The connection ended within an answer.
    CutOff(io::Error),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "no connection: {error}"),
            Self::Unanswered(error) => write!(f, "no answer: {error}"),
            Self::CutOff(error) => write!(f, "the answer was cut off: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

/// A client of one server.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    headers: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    /// A client that sends `headers` with each request. It connects when it sends the first one.
    pub fn new(address: SocketAddr, headers: &[(&str, &str)]) -> Self {
        let mut text = String::new();
        for (name, value) in headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        Self {
            address,
            headers: text,
            stream: None,
        }
    }

    /// Sends one request and waits for its answer, at most 30 s.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let body = body.map(Value::to_string);
        let mut text = self.head(method, path, body.as_deref(), "");
        text.push_str(body.as_deref().unwrap_or_default());
        let mut stream = self.take_stream()?;
        stream
            .get_mut()
            .write_all(text.as_bytes())
            .map_err(Failure::Unanswered)?;
        let (answer, keep) = answer::read(&mut stream)?;
        if keep {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    /// Sends the head of a request and waits until the server asks for the body: from then on the
    /// request is accepted and not answered.
    pub fn hold(mut self, method: &str, path: &str, body: &Value) -> Result<Held, Failure> {
        let body = body.to_string();
        let head = self.head(method, path, Some(&body), "Expect: 100-continue\r\n");
        let mut stream = self.take_stream()?;
        stream
            .get_mut()
            .write_all(head.as_bytes())
            .map_err(Failure::Unanswered)?;
        answer::read_continue(&mut stream)?;
        Ok(Held { stream, body })
    }

    fn head(&self, method: &str, path: &str, body: Option<&str>, more: &str) -> String {
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{}{more}",
            self.address, self.headers
        );
        if let Some(body) = body {
            let _ = write!(
                text,
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            );
        }
        text.push_str("\r\n");
        text
    }

    fn take_stream(&mut self) -> Result<BufReader<TcpStream>, Failure> {
        if let Some(stream) = self.stream.take() {
            return Ok(stream);
        }
        let connect = || {
            let stream = TcpStream::connect_timeout(&self.address, CONNECT_LIMIT)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(ANSWER_LIMIT))?;
            stream.set_write_timeout(Some(ANSWER_LIMIT))?;
            Ok(BufReader::with_capacity(64 << 10, stream))
        };
        connect().map_err(Failure::Unreachable)
    }
}

/// A request that the server has accepted and that still lacks its body.
#[derive(Debug)]
pub struct Held {
    stream: BufReader<TcpStream>,
    body: String,
}

impl Held {
    /// Sends the body and waits for the answer, at most 30 s.
    pub fn finish(mut self) -> Result<Answer, Failure> {
        self.stream
            .get_mut()
            .write_all(self.body.as_bytes())
            .map_err(Failure::Unanswered)?;
        Ok(answer::read(&mut self.stream)?.0)
    }
}

/// `text` as it may stand in a query string.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::net::TcpListener;

    /// Serves `answers` in turn on one connection each, whatever is asked.
    fn serve(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                io::Read::read(&mut stream, &mut [0; 4096]).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        address
    }

    #[test]
    fn answers_are_read_in_both_framings() {
        let address = serve(&[
            "HTTP/1.1 201 Created\r\nContent-Length: 7\r\nConnection: close\r\n\r\n{\"a\":1}",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n",
        ]);
        let mut client = Client::new(address, &[("X-A", "b")]);
        for status in [201, 200] {
            let answer = client.send("POST", "/x", Some(&json!({}))).unwrap();
            assert_eq!((answer.status, answer.body), (status, json!({"a": 1})));
        }
    }

    #[test]
    fn missing_answers_are_told_apart() {
        let address = serve(&["", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\""]);
        let mut client = Client::new(address, &[]);
        let first = client.send("GET", "/", None).unwrap_err();
        assert!(matches!(first, Failure::Unanswered(_)), "{first}");
        let second = client.send("GET", "/", None).unwrap_err();
        assert!(matches!(second, Failure::CutOff(_)), "{second}");
    }

    #[test]
    fn query_text_is_escaped() {
        assert_eq!(escape("{\"a\": é}"), "%7B%22a%22%3A%20%C3%A9%7D");
    }
}
