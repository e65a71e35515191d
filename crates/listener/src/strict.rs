//! A strict reading of HTTP/1 framing ahead of the real parser.
//!
//! Requests that two readers could cut in two different places are how requests get smuggled past
//! a proxy: both `Content-Length` and `Transfer-Encoding`, two lengths, folded lines, bare line
//! feeds, odd chunk sizes. The scanner follows the framing and reports the first byte of anything
//! ambiguous; whatever passes has one reading only, so it and the real parser agree.

use memchr::{memchr, memchr2};

/// The stream is not strict HTTP/1 from the byte at this index on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Index into the bytes just given.
    pub at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a request line.
    Start,
    /// In header lines.
    Headers,
    /// In a body of known length; bytes left.
    Sized(u64),
    /// In the line that gives a chunk's size.
    ChunkSize,
    /// In a chunk, its closing line break included; bytes left.
    Chunk(u64),
    /// In the fields after the last chunk.
    Trailers,
    /// Not HTTP/1 (any more): HTTP/2, or the peer was found out already.
    Off,
}

/// Follows one connection. Feed it every byte in order.
#[derive(Debug)]
pub(crate) struct Scanner {
    state: State,
    /// The part of the current line that earlier reads brought.
    line: Vec<u8>,
    /// Bytes of the current head so far.
    head_bytes: usize,
    head_bytes_max: usize,
    length: Option<u64>,
    chunked: bool,
    requests: usize,
}

/// Longest chunk-size line, extensions included; hyper's own limit is larger.
const CHUNK_LINE_BYTES_MAX: usize = 1_024;

impl Scanner {
    /// For a fresh connection. The real parser refuses heads of `head_bytes_max` by itself, with
    /// a fitting status; this one only makes sure that its own memory is bounded.
    pub(crate) fn new(head_bytes_max: usize) -> Self {
        Self {
            state: State::Start,
            line: Vec::new(),
            head_bytes: 0,
            head_bytes_max: head_bytes_max.saturating_mul(2),
            length: None,
            chunked: false,
            requests: 0,
        }
    }

    /// How many requests have begun.
    pub(crate) fn requests(&self) -> usize {
        self.requests
    }

    /// Whether bytes of an unfinished head are waiting for more.
    pub(crate) fn is_in_head(&self) -> bool {
        match self.state {
            State::Headers => true,
            State::Start => !self.line.is_empty(),
            _ => false,
        }
    }

    /// Whether a body is unfinished.
    pub(crate) fn is_in_body(&self) -> bool {
        matches!(
            self.state,
            State::Sized(_) | State::ChunkSize | State::Chunk(_) | State::Trailers
        )
    }

    /// Looks at the next bytes.
    pub(crate) fn check(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Off => return Ok(()),
                State::Sized(left) => {
                    let taken = left.min((bytes.len() - at) as u64);
                    at += taken as usize;
                    self.state = after_bytes(left - taken, State::Sized, State::Start);
                }
                State::Chunk(left) => {
                    if left <= 2 {
                        let wanted = if left == 2 { b'\r' } else { b'\n' };
                        if bytes[at] != wanted {
                            return Err(Broken { at });
                        }
                    }
                    let taken = left.saturating_sub(2).max(1).min((bytes.len() - at) as u64);
                    at += taken as usize;
                    self.state = after_bytes(left - taken, State::Chunk, State::ChunkSize);
                }
                State::Start | State::Headers | State::ChunkSize | State::Trailers => {
                    at = self.take_line(bytes, at)?;
                }
            }
        }
        Ok(())
    }

    /// Takes the rest of a line, or what there is of it; returns where to go on.
    fn take_line(&mut self, bytes: &[u8], at: usize) -> Result<usize, Broken> {
        let rest = &bytes[at..];
        let end = memchr(b'\n', rest);
        let taken = end.map_or(rest.len(), |end| end + 1);
        self.head_bytes += taken;
        let last = at + taken - 1;
        if self.head_bytes > self.head_bytes_max {
            return Err(Broken { at });
        }
        let Some(end) = end else {
            self.line.extend_from_slice(rest);
            return Ok(bytes.len());
        };
        let broken = Broken { at: last };
        if self.line.is_empty() {
            let line = rest[..end].strip_suffix(b"\r").ok_or(broken)?;
            self.line_ends(line).map_err(|()| broken)?;
        } else {
            let mut whole = std::mem::take(&mut self.line);
            whole.extend_from_slice(&rest[..end]);
            let line = whole.strip_suffix(b"\r").ok_or(broken)?;
            self.line_ends(line).map_err(|()| broken)?;
            whole.clear();
            if self.state != State::Off {
                self.line = whole;
            }
        }
        Ok(last + 1)
    }

    /// Acts on a whole line, without its line break.
    fn line_ends(&mut self, line: &[u8]) -> Result<(), ()> {
        if memchr2(b'\r', 0, line).is_some() {
            return Err(());
        }
        match self.state {
            State::Start if line.is_empty() => Ok(()),
            State::Start if line == b"PRI * HTTP/2.0" => {
                self.state = State::Off;
                Ok(())
            }
            State::Start => {
                self.length = None;
                self.chunked = false;
                self.requests += 1;
                self.state = State::Headers;
                Ok(())
            }
            State::Headers if line.is_empty() => self.head_ends(),
            State::Headers => self.header(line),
            State::ChunkSize => self.chunk_size(line),
            State::Trailers if line.is_empty() => {
                self.head_bytes = 0;
                self.state = State::Start;
                Ok(())
            }
            State::Trailers => field(line).map(|_| ()).ok_or(()),
            State::Sized(_) | State::Chunk(_) | State::Off => Ok(()),
        }
    }

    fn header(&mut self, line: &[u8]) -> Result<(), ()> {
        let (name, value) = field(line).ok_or(())?;
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return Err(());
            }
            self.length = Some(number(value, 10).ok_or(())?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(());
            }
            self.chunked = true;
        }
        Ok(())
    }

    fn head_ends(&mut self) -> Result<(), ()> {
        self.head_bytes = 0;
        self.state = match (self.length, self.chunked) {
            (Some(_), true) => return Err(()),
            (None, true) => State::ChunkSize,
            (None | Some(0), false) => State::Start,
            (Some(length), false) => State::Sized(length),
        };
        Ok(())
    }

    fn chunk_size(&mut self, line: &[u8]) -> Result<(), ()> {
        if line.len() > CHUNK_LINE_BYTES_MAX {
            return Err(());
        }
        self.head_bytes = 0;
        let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
        let size = number(digits.trim_ascii_end(), 16).ok_or(())?;
        self.state = match size {
            0 => State::Trailers,
            size => State::Chunk(size.checked_add(2).ok_or(())?),
        };
        Ok(())
    }
}

fn after_bytes(left: u64, same: fn(u64) -> State, next: State) -> State {
    if left == 0 { next } else { same(left) }
}

/// Name and trimmed value of a header line; `None` when it is folded or has no proper name.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr(b':', line)?;
    let name = &line[..colon];
    let is_token = !name.is_empty() && name.iter().copied().all(is_token_byte);
    is_token.then(|| (name, line[colon + 1..].trim_ascii()))
}

fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[usize::from(byte)]
}

const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    let marks = b"!#$%&'*+-.^_`|~";
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] |= byte.is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

/// Digits and nothing else, at most 18 of them.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    if digits.is_empty() || digits.len() > if radix == 16 { 15 } else { 18 } {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, &byte| {
        let digit = char::from(byte).to_digit(radix)?;
        sum.checked_mul(u64::from(radix))?
            .checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verdict(text: &str) -> Option<usize> {
        let mut scanner = Scanner::new(32 * 1024);
        scanner.check(text.as_bytes()).err().map(|broken| broken.at)
    }

    const GOOD: &[&str] = &[
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\na\nb\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\nA;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\n\n\n",
    ];

    const BAD: &[&str] = &[
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
    ];

    #[test]
    fn lets_the_unambiguous_pass() {
        for text in GOOD {
            assert_eq!(verdict(text), None, "{text:?}");
        }
    }

    #[test]
    fn stops_the_ambiguous() {
        for text in BAD {
            assert!(verdict(text).is_some(), "{text:?}");
        }
    }

    #[test]
    fn points_at_the_offending_byte() {
        assert_eq!(verdict("GET / HTTP/1.1\nHost: a\r\n\r\n"), Some(14));
    }

    #[test]
    fn a_second_request_is_scanned_after_the_body_of_the_first() {
        let text = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\n\r\n";
        assert!(verdict(text).is_some());
    }

    #[test]
    fn knows_where_it_is() {
        let mut scanner = Scanner::new(1024);
        assert!(!scanner.is_in_head());
        assert_eq!(scanner.check(b"PO"), Ok(()));
        assert!(scanner.is_in_head());
        assert_eq!(
            scanner.check(b"ST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n"),
            Ok(())
        );
        assert!(scanner.is_in_body() && !scanner.is_in_head());
        assert_eq!(scanner.check(b"ab"), Ok(()));
        assert!(!scanner.is_in_body() && !scanner.is_in_head());
    }

    #[test]
    fn its_memory_is_bounded() {
        let mut scanner = Scanner::new(1024);
        let results: Vec<_> = (0..10).map(|_| scanner.check(&[b'a'; 512])).collect();
        assert!(results.iter().any(Result::is_err));
        assert!(scanner.line.len() <= 2048);
    }

    proptest! {
        #[test]
        fn the_cuts_between_reads_do_not_matter(
            index in 0..GOOD.len() + BAD.len(),
            cuts in proptest::collection::vec(0_usize..200, 0..6),
        ) {
            let text = GOOD.iter().chain(BAD).nth(index).copied().unwrap_or_default().as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut whole = Scanner::new(1024);
            let expected = whole.check(text).is_ok();
            let mut parts = Scanner::new(1024);
            let in_parts = cuts.windows(2).try_for_each(|pair| parts.check(&text[pair[0]..pair[1]]));
            prop_assert_eq!(in_parts.is_ok(), expected);
        }
    }
}
