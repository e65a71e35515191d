//! Session tokens: shown once, stored as a digest only.

use basalt_base::{Rng, Secret, token_hex};
use sha2::{Digest, Sha256};

/// A new token: `r:` and 128 random bits in hexadecimal, the form that Parse SDKs expect.
pub fn new_token(rng: &dyn Rng) -> Secret {
    Secret::new(format!("r:{}", token_hex(rng, 16)))
}

/// What is stored of a token: its SHA-256 in hexadecimal. The token has 128 random bits, so a slow
/// hash would add nothing.
pub fn digest(token: &str) -> String {
    hex::encode(raw_digest(token))
}

/// The same as bytes.
pub fn raw_digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_base::SeededRng;

    #[test]
    fn a_token_is_not_its_digest() {
        let token = new_token(&SeededRng::new(3));
        assert!(token.expose().starts_with("r:"));
        assert_eq!(token.expose().len(), 34);
        assert_eq!(digest(token.expose()).len(), 64);
        assert_eq!(digest("abc")[..8], *"ba7816bf");
    }
}
