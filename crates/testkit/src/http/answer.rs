//! Reading an answer off a connection.

use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpStream;

use serde_json::Value;

use super::Failure;

/// More than any answer in a test has.
const BODY_BYTES_MAX: usize = 256 << 20;

/// An answer with its body as JSON; null if it has none, a string if it is something else.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The body.
    pub body: Value,
}

#[derive(Debug, Default)]
struct Head {
    status: u16,
    length: Option<usize>,
    chunked: bool,
    close: bool,
}

/// Reads one answer, and whether the connection may be used again.
pub fn read(stream: &mut BufReader<TcpStream>) -> Result<(Answer, bool), Failure> {
    let head = loop {
        let head = read_head(stream)?;
        if head.status >= 200 {
            break head;
        }
    };
    let body = read_body(stream, &head).map_err(Failure::CutOff)?;
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()))
    };
    let answer = Answer {
        status: head.status,
        body,
    };
    Ok((answer, !head.close))
}

/// Reads the invitation to send the body; an error if the server answers at once.
pub fn read_continue(stream: &mut BufReader<TcpStream>) -> Result<(), Failure> {
    match read_head(stream)?.status {
        100 => Ok(()),
        status => Err(Failure::CutOff(io::Error::other(format!(
            "expected 100 Continue, got {status}"
        )))),
    }
}

fn read_head(stream: &mut BufReader<TcpStream>) -> Result<Head, Failure> {
    match stream.fill_buf() {
        Ok([]) => {
            let error = io::Error::new(io::ErrorKind::UnexpectedEof, "closed");
            return Err(Failure::Unanswered(error));
        }
        Ok(_) => {}
        Err(error) => return Err(Failure::Unanswered(error)),
    }
    parse_head(stream).map_err(Failure::CutOff)
}

fn parse_head(stream: &mut BufReader<TcpStream>) -> io::Result<Head> {
    let first = line(stream)?;
    let status = first
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let mut head = Head {
        status: status.ok_or_else(|| io::Error::other(format!("not an answer: {first}")))?,
        ..Head::default()
    };
    loop {
        let line = line(stream)?;
        if line.is_empty() {
            return Ok(head);
        }
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => head.length = value.parse().ok(),
            "transfer-encoding" => head.chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => head.close = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
}

fn read_body(stream: &mut BufReader<TcpStream>, head: &Head) -> io::Result<Vec<u8>> {
    if matches!(head.status, 204 | 304) {
        return Ok(Vec::new());
    }
    if !head.chunked {
        return exactly(stream, head.length.unwrap_or_default());
    }
    let mut body = Vec::new();
    loop {
        let size = line(stream)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
        body.extend(exactly(stream, size)?);
        line(stream)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn exactly(stream: &mut BufReader<TcpStream>, len: usize) -> io::Result<Vec<u8>> {
    if len > BODY_BYTES_MAX {
        return Err(io::Error::other(format!("a body of {len} bytes")));
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    if !line.ends_with('\n') {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed"));
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}
