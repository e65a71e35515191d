//! Request ids.

use basalt_base::{OsRng, Rng};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest id that is taken over from a trusted proxy.
const FOREIGN_ID_BYTES_MAX: usize = 64;

/// Hands out ids that are unique within the process and very likely beyond it.
pub(crate) struct RequestIds {
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        let mut seed = [0; 8];
        OsRng.fill(&mut seed);
        Self {
            next: AtomicU64::new(u64::from_le_bytes(seed)),
        }
    }

    /// A new id: 16 hexadecimal digits.
    pub(crate) fn next(&self) -> Arc<str> {
        // The mixing is a bijection, so ids differ as long as the counter does, and do not tell
        // how many requests there were.
        let mut z = self
            .next
            .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        let mut digits = [0; 16];
        for (at, digit) in digits.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[((z >> (60 - 4 * at)) & 15) as usize];
        }
        std::str::from_utf8(&digits).unwrap_or_default().into()
    }
}

/// An id that a trusted proxy sent, if it is harmless to log and to send back.
pub(crate) fn foreign(text: &[u8]) -> Option<Arc<str>> {
    let fits = (1..=FOREIGN_ID_BYTES_MAX).contains(&text.len());
    let plain = text
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:=/+".contains(byte));
    let text = std::str::from_utf8(text).ok()?;
    (fits && plain).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_differ() {
        let ids = RequestIds::new();
        let made: HashSet<_> = (0..10_000).map(|_| ids.next()).collect();
        assert_eq!(made.len(), 10_000);
        assert!(made.iter().all(|id| id.len() == 16));
    }

    #[test]
    fn foreign_ids_are_plain_and_short() {
        assert_eq!(
            foreign(b"Root=1-67891233-abcdef").as_deref(),
            Some("Root=1-67891233-abcdef")
        );
        for bad in [
            &b""[..],
            b"a b",
            b"a\"b",
            b"\x1b[1m",
            &[b'a'; 65],
            "é".as_bytes(),
        ] {
            assert_eq!(foreign(bad), None);
        }
    }
}
