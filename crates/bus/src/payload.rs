//! What a message carries: a version and a small piece of JSON.

use crate::Subject;
use basalt_base::{Error, Reason, Result};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Largest message, in bytes; larger ones are neither sent nor taken in.
pub const PAYLOAD_BYTES_MAX: usize = 4096;

/// The version of what this program sends; the first byte of each message. Nodes of neighbouring
/// versions run side by side: fields may be added, receivers ignore those they don't know. Another
/// meaning needs another version, and messages of versions that a receiver does not know are thrown
/// away.
const VERSION: u8 = 1;

/// An encoded message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload(pub(crate) Bytes);

impl Payload {
    /// What came in, as it came.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    pub(crate) fn fits(&self) -> bool {
        self.0.len() <= PAYLOAD_BYTES_MAX
    }
}

/// A message as bytes. Errors: `ObjectTooLarge` beyond [`PAYLOAD_BYTES_MAX`].
pub fn encode(message: &impl Serialize) -> Result<Payload> {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, message).map_err(Error::internal)?;
    let payload = Payload(bytes.into());
    if payload.fits() {
        return Ok(payload);
    }
    Err(Error::new(
        Reason::ObjectTooLarge,
        "A message between nodes would be larger than 4096 bytes.",
    ))
}

/// A message that came in; `None` when it is garbled or of an unknown version.
pub fn decode<T: DeserializeOwned>(payload: &Payload) -> Option<T> {
    match payload.0.split_first() {
        Some((&VERSION, json)) if payload.fits() => serde_json::from_slice(json).ok(),
        _ => None,
    }
}

/// Counts a message that was thrown away. A flood of them must not fill the log: the first, the
/// second, the fourth, the eighth … are told.
pub(crate) fn count_malformed(counter: &AtomicU64, subject: &Subject) {
    let count = counter.fetch_add(1, Relaxed) + 1;
    if count.is_power_of_two() {
        tracing::warn!(%subject, count, "a message between nodes makes no sense and is thrown away");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        n: u64,
    }

    #[test]
    fn what_is_sent_is_understood_and_nothing_else() {
        let sent = encode(&Note { n: 7 }).unwrap();
        assert_eq!(decode(&sent), Some(Note { n: 7 }));
        let newer = Payload::raw(&b"\x01{\"n\":7,\"more\":[1]}"[..]);
        assert_eq!(decode(&newer), Some(Note { n: 7 }));
        let garbled: [&'static [u8]; 7] = [
            b"",
            b"\x01",
            b"\x02{\"n\":7}",
            b"{\"n\":7}",
            b"\x01{\"n\":-7}",
            b"\x01{\"n\":7}x",
            b"\x01\xff\xfe",
        ];
        for bytes in garbled {
            assert_eq!(decode::<Note>(&Payload::raw(bytes)), None, "{bytes:?}");
        }
    }

    #[test]
    fn large_messages_are_not_made() {
        let error = encode(&"x".repeat(PAYLOAD_BYTES_MAX)).unwrap_err();
        assert_eq!(error.reason(), Reason::ObjectTooLarge);
        let deep = [&[1][..], "[".repeat(4000).as_bytes()].concat();
        assert_eq!(decode::<serde_json::Value>(&Payload::raw(deep)), None);
    }
}
