//! HTTP/1.1 at its leanest: requests are written as bytes, answers are framed without a copy.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Appends one request. Each header is a whole line that ends in CRLF; an empty body sends none.
pub fn put(out: &mut Vec<u8>, method: &str, path: &str, headers: &[&str], body: &[u8]) {
    for part in [method, " ", path, " HTTP/1.1\r\nHost: 127.0.0.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    for header in headers {
        out.extend_from_slice(header.as_bytes());
    }
    if !body.is_empty() {
        let length = format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        out.extend_from_slice(length.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

/// Appends formatted text.
pub fn write(out: &mut Vec<u8>, arguments: std::fmt::Arguments) {
    // Writing to memory cannot fail.
    drop(out.write_fmt(arguments));
}

/// Where one whole answer lies in a buffer.
#[derive(Debug, PartialEq)]
pub struct Frame {
    pub status: u16,
    /// Bytes of the answer, from the status line to the end of the body.
    pub total: usize,
    /// The server closes the connection after this answer.
    pub closes: bool,
    chunked: bool,
    body: Range<usize>,
}

impl Frame {
    /// The body, copied only when it came in chunks.
    pub fn body<'a>(&self, buffer: &'a [u8]) -> Cow<'a, [u8]> {
        let raw = &buffer[self.body.clone()];
        if !self.chunked {
            return Cow::Borrowed(raw);
        }
        let mut whole = Vec::with_capacity(raw.len());
        let mut at = 0;
        while let Some((data, next)) = chunk(raw, at) {
            if data.is_empty() {
                break;
            }
            whole.extend_from_slice(&raw[data]);
            at = next;
        }
        Cow::Owned(whole)
    }
}

/// Frames the answer at the start of `buffer`; `None` until all of it is there.
pub fn frame(buffer: &[u8]) -> Result<Option<Frame>> {
    let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&buffer[..end]).context("answer head is not text")?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.get(9..12))
        .and_then(|code| code.parse().ok())
        .context("no status line")?;
    let (mut length, mut chunked, mut closes) = (None, false, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse::<usize>().context("bad content length")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            closes = value.eq_ignore_ascii_case("close");
        }
    }
    let start = end + 4;
    let size = match (chunked, length) {
        (true, _) => match chunks_end(&buffer[start..]) {
            Some(size) => size,
            None => return Ok(None),
        },
        (false, Some(length)) => length,
        (false, None) if status == 204 || status == 304 => 0,
        (false, None) => bail!("an answer with neither a length nor chunks"),
    };
    let total = start + size;
    Ok((buffer.len() >= total).then_some(Frame {
        status,
        total,
        closes,
        chunked,
        body: start..total,
    }))
}

/// The data of the chunk at `at` and where the next one starts.
fn chunk(raw: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let line = memchr::memmem::find(raw.get(at..)?, b"\r\n")?;
    let digits = std::str::from_utf8(&raw[at..at + line]).ok()?;
    let size = usize::from_str_radix(digits.split(';').next()?.trim(), 16).ok()?;
    let start = at + line + 2;
    let next = start + size + 2;
    (raw.len() >= next).then_some((start..start + size, next))
}

fn chunks_end(raw: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let (data, next) = chunk(raw, at)?;
        if data.is_empty() {
            return Some(next);
        }
        at = next;
    }
}

/// One answer to the blocking client.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// A blocking keep-alive client for set-up and checks.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub fn connect(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Sends one prepared request and waits for its answer, whatever its status.
    pub fn send(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        let mut part = [0; 16 * 1024];
        loop {
            let read = self.stream.read(&mut part)?;
            if read == 0 {
                bail!("the server closed the connection");
            }
            self.buffer.extend_from_slice(&part[..read]);
            if let Some(frame) = frame(&self.buffer)? {
                return Ok(Answer {
                    status: frame.status,
                    body: frame.body(&self.buffer).into_owned(),
                });
            }
        }
    }

    /// Sends one prepared request and demands a 2xx.
    pub fn ok(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        let answer = self.send(request)?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        let line = request.split(|b| *b == b'\r').next().unwrap_or_default();
        bail!(
            "{} for {}: {}",
            answer.status,
            String::from_utf8_lossy(line),
            String::from_utf8_lossy(&answer.body)
        );
    }

    /// Like [`Client::ok`], with the body read as JSON.
    pub fn json(&mut self, request: &[u8]) -> Result<Value> {
        serde_json::from_slice(&self.ok(request)?).context("the answer is not JSON")
    }
}

/// A text member of a JSON answer.
pub fn text(value: &Value, pointer: &str) -> Result<String> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .with_context(|| format!("no text at {pointer} in {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_an_answer_with_a_length() {
        let bytes = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}next";
        let frame = frame(bytes).unwrap().unwrap();
        assert_eq!((frame.status, frame.total), (201, bytes.len() - 4));
        assert_eq!(&*frame.body(bytes), b"{}");
    }

    #[test]
    fn frames_an_answer_in_chunks() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n";
        let whole = frame(bytes).unwrap().unwrap();
        assert_eq!(whole.total, bytes.len());
        assert_eq!(&*whole.body(bytes), b"abcd");
        for cut in 0..bytes.len() {
            assert_eq!(frame(&bytes[..cut]).unwrap(), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_request_names_the_length_of_its_body() {
        let mut out = Vec::new();
        put(&mut out, "PUT", "/x", &["A: b\r\n"], b"{}");
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("PUT /x HTTP/1.1\r\n"), "{text}");
        assert!(text.ends_with("Content-Length: 2\r\n\r\n{}"), "{text}");
    }
}
