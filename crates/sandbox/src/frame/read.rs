//! Bytes to frames.

use super::{Bundle, FRAME_BYTES_MAX, File, Order, Outcome, Word};
use std::fmt;

/// The other end does not speak this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame that makes no sense")
    }
}

impl std::error::Error for Malformed {}

/// Most files of a bundle that a frame may hold.
const FILES_MAX: u32 = 20_000;

/// Collects bytes until there are whole frames.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    read: usize,
    frame_bytes_max: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(FRAME_BYTES_MAX)
    }
}

impl Decoder {
    /// For frames of at most so many bytes.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self {
            buffer: Vec::new(),
            read: 0,
            frame_bytes_max,
        }
    }

    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.read == self.buffer.len() {
            self.buffer.clear();
            self.read = 0;
        } else if self.read > 64 * 1024 {
            self.buffer.drain(..self.read);
            self.read = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame: its kind and its fields.
    fn frame(&mut self) -> Result<Option<Fields<'_>>, Malformed> {
        let rest = self.buffer.get(self.read..).unwrap_or_default();
        let Some((length, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 || length > self.frame_bytes_max {
            return Err(Malformed);
        }
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        self.read += 4 + length;
        Ok(Some(Fields { rest: frame }))
    }

    /// The next order, if a whole one is there.
    pub fn order(&mut self) -> Result<Option<Order>, Malformed> {
        match self.frame()? {
            Some(fields) => fields.order().map(Some),
            None => Ok(None),
        }
    }

    /// The next word, if a whole one is there.
    pub fn word(&mut self) -> Result<Option<Word>, Malformed> {
        match self.frame()? {
            Some(fields) => fields.word().map(Some),
            None => Ok(None),
        }
    }
}

struct Fields<'f> {
    rest: &'f [u8],
}

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*array)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Malformed> {
        let length = self.u32()? as usize;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(bytes.to_vec())
    }

    fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    fn end<T>(self, frame: T) -> Result<T, Malformed> {
        if self.rest.is_empty() {
            Ok(frame)
        } else {
            Err(Malformed)
        }
    }

    fn bundle(&mut self) -> Result<Bundle, Malformed> {
        let mut bundle = Bundle {
            entry: self.text()?,
            about: self.bytes()?,
            memory_bytes_max: self.u64()?,
            slice_millis_max: self.u32()?,
            files: Vec::new(),
        };
        let count = self.u32()?;
        if count > FILES_MAX {
            return Err(Malformed);
        }
        for _ in 0..count {
            bundle.files.push(File {
                path: self.text()?,
                content: self.bytes()?,
            });
        }
        Ok(bundle)
    }

    fn order(mut self) -> Result<Order, Malformed> {
        let order = match self.byte()? {
            1 => Order::Load(self.bundle()?),
            2 => Order::Invoke {
                id: self.u64()?,
                millis_max: self.u32()?,
                kind: self.text()?,
                name: self.text()?,
                request: self.bytes()?,
            },
            3 => Order::Answer {
                call: self.u64()?,
                ok: self.byte()? == 1,
                body: self.bytes()?,
            },
            4 => Order::Cancel { id: self.u64()? },
            _ => return Err(Malformed),
        };
        self.end(order)
    }

    fn outcome(&mut self) -> Result<Outcome, Malformed> {
        match self.byte()? {
            0 => Ok(Outcome::Success),
            1 => Ok(Outcome::Error),
            2 => Ok(Outcome::Interrupted),
            3 => Ok(Outcome::OutOfMemory),
            _ => Err(Malformed),
        }
    }

    fn word(mut self) -> Result<Word, Malformed> {
        let word = match self.byte()? {
            1 => Word::Ready {
                version: self.u16()?,
                jail: self.byte()?,
            },
            2 => Word::Loaded {
                declared: self.bytes()?,
            },
            3 => Word::Refused {
                message: self.text()?,
            },
            4 => Word::Done {
                id: self.u64()?,
                outcome: self.outcome()?,
                body: self.bytes()?,
                context: self.bytes()?,
                cpu_micros: self.u64()?,
                memory_bytes: self.u64()?,
                open: self.byte()? == 1,
            },
            5 => Word::Call {
                call: self.u64()?,
                id: self.u64()?,
                what: self.text()?,
                body: self.bytes()?,
            },
            6 => Word::Log {
                id: self.u64()?,
                level: self.text()?,
                text: self.text()?,
            },
            7 => Word::Late {
                id: self.u64()?,
                cpu_micros: self.u64()?,
            },
            _ => return Err(Malformed),
        };
        self.end(word)
    }
}
