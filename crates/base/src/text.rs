//! Work on text that every encoder and parser does a lot of.

/// How many bytes at the start of a text stand for themselves within a JSON string: up to the
/// first quote, backslash or control character.
pub fn plain_len(text: &[u8]) -> usize {
    let (blocks, _) = text.as_chunks::<16>();
    // Without a branch for each byte, so that a block is compared at once.
    let is_plain = |block: &&[u8; 16]| !block.iter().fold(false, |found, b| found | is_special(*b));
    let mut from = 16 * blocks.iter().take_while(is_plain).count();
    while let Some(word) = text[from..].first_chunk::<8>() {
        match first_special(u64::from_le_bytes(*word)) {
            Some(at) => return from + at,
            None => from += 8,
        }
    }
    // Less than a word is left. The last word of the text ends with it, and begins with bytes that
    // are known to be plain.
    if let Some(word) = text.last_chunk::<8>() {
        let special = first_special(u64::from_le_bytes(*word));
        return special.map_or(text.len(), |at| text.len() - 8 + at);
    }
    short_plain_len(text)
}

/// The same for less than eight bytes: two halves of a word cover four and more of them.
fn short_plain_len(text: &[u8]) -> usize {
    let (Some(head), Some(tail)) = (text.first_chunk(), text.last_chunk()) else {
        let special = text.iter().position(|b| is_special(*b));
        return special.unwrap_or(text.len());
    };
    let halves = [head, tail].map(|half| u64::from(u32::from_le_bytes(*half)));
    match first_special(halves[0] | (halves[1] << 32)) {
        None => text.len(),
        Some(at) if at < 4 => at,
        Some(at) => text.len() + at - 8,
    }
}

/// Which byte of a little-endian word is the first special one: subtracting borrows from the top bit of a byte that
/// is too small, and what is equal to a pattern is zero after XOR. A borrow may mark bytes after
/// the first special one, too, but none before it.
fn first_special(word: u64) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word;
    let quotes = below(word ^ (ONES * u64::from(b'"')), 1);
    let slashes = below(word ^ (ONES * u64::from(b'\\')), 1);
    let found = (below(word, 0x20) | quotes | slashes) & TOPS;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// A whole number in decimal.
#[derive(Clone, Copy, Debug)]
pub struct Digits {
    bytes: [u8; 20],
    from: usize,
}

impl Digits {
    /// The digits of a number, after a minus where it has one.
    pub fn of(number: i64) -> Self {
        let mut digits = Self {
            bytes: [b'0'; 20],
            from: 20,
        };
        let mut left = number.unsigned_abs();
        loop {
            digits.push((left % 10) as u8 + b'0');
            left /= 10;
            if left == 0 {
                break;
            }
        }
        if number < 0 {
            digits.push(b'-');
        }
        digits
    }

    /// In front of what is there.
    fn push(&mut self, byte: u8) {
        self.from -= 1;
        self.bytes[self.from] = byte;
    }

    /// As bytes; plain ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_ends_at_the_first_special_byte() {
        for at in 0..70 {
            for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
                let mut text = vec![b'a'; 70];
                text[at] = special;
                assert_eq!(plain_len(&text), at);
            }
            let text = vec![0xff; at];
            assert_eq!(plain_len(&text), at);
        }
        // What follows the first special byte does not matter, however the words fall.
        for length in 1..40 {
            for at in 0..length {
                let mut text = vec![b'"'; length];
                text[..at].fill(b'#');
                assert_eq!(plain_len(&text), at);
            }
        }
        assert_eq!(plain_len("é\u{7f} !#[]".as_bytes()), 8);
    }

    #[test]
    fn numbers_look_as_they_do_elsewhere() {
        for number in [0, 7, -1, 10, 99, 1_000, -123_456, i64::MAX, i64::MIN] {
            assert_eq!(Digits::of(number).as_str(), number.to_string());
        }
    }
}
