//! Ids: of apps, and the random ones given to objects and tokens.

use crate::Rng;
use std::fmt;
use std::sync::Arc;

/// The public id of an app (tenant), as clients send it. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppId(Arc<str>);

impl AppId {
    /// Wraps an id; the registry of apps decides whether it exists.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A random id of `length` characters from `[A-Za-z0-9]`, without modulo bias.
pub fn object_id(rng: &dyn Rng, length: usize) -> String {
    let mut id = String::with_capacity(length);
    let mut buffer = [0_u8; 16];
    while id.len() < length {
        rng.fill(&mut buffer);
        for byte in buffer {
            // 248 = 4 × 62: larger bytes would favour the first letters.
            if byte < 248 && id.len() < length {
                id.push(ALPHABET[usize::from(byte % 62)] as char);
            }
        }
    }
    id
}

/// `bytes` random bytes in lower-case hexadecimal, for tokens (16 bytes are 128 bits).
pub fn token_hex(rng: &dyn Rng, bytes: usize) -> String {
    use std::fmt::Write;
    let mut raw = vec![0_u8; bytes];
    rng.fill(&mut raw);
    raw.iter()
        .fold(String::with_capacity(bytes * 2), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededRng;

    #[test]
    fn object_ids_use_the_whole_alphabet_and_nothing_else() {
        let rng = SeededRng::new(7);
        let text: String = (0..500).map(|_| object_id(&rng, 10)).collect();
        assert_eq!(text.len(), 5_000);
        assert!(ALPHABET.iter().all(|&c| text.contains(c as char)));
        assert!(text.bytes().all(|c| ALPHABET.contains(&c)));
    }

    #[test]
    fn tokens_are_hexadecimal_of_the_asked_size() {
        let token = token_hex(&SeededRng::new(1), 16);
        assert_eq!(token.len(), 32);
        assert!(token.bytes().all(|c| c.is_ascii_hexdigit()));
    }
}
