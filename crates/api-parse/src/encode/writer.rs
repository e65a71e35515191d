//! JSON syntax.

use basalt_base::{Digits, plain_len};

/// Writes an object's entries with commas between them.
pub struct Fields<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> Fields<'o> {
    /// Opens an object.
    pub fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Writes a key; the caller writes exactly one value after it.
    pub fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        string(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// Writes a key that is known to be plain; the caller writes exactly one value after it.
    pub fn plain_key(&mut self, name: &'static str) -> &mut Vec<u8> {
        self.out.reserve(name.len() + 4);
        self.out
            .extend_from_slice(if self.first { b"\"" } else { b",\"" });
        self.first = false;
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Writes a key with text.
    pub fn text(&mut self, name: &str, text: &str) {
        string(self.key(name), text);
    }

    /// Writes a key with a literal piece of JSON.
    pub fn raw(&mut self, name: &str, json: &[u8]) {
        self.key(name).extend_from_slice(json);
    }

    /// Closes the object.
    pub fn close(self) {
        self.out.push(b'}');
    }
}

/// Writes a list by calling `item` for each element.
pub fn list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut item: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (n, element) in items.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        item(out, element);
    }
    out.push(b']');
}

/// Writes text with quotes.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let (plain, rest) = text.as_bytes().split_at(plain_len(text.as_bytes()));
    out.extend_from_slice(plain);
    if !rest.is_empty() {
        escaped(out, rest);
    }
    out.push(b'"');
}

/// Writes text from its first special byte on.
#[cold]
fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        escape(out, *byte);
        let (plain, special) = after.split_at(plain_len(after));
        out.extend_from_slice(plain);
        rest = special;
    }
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'\\');
    match byte {
        b'"' | b'\\' => out.push(byte),
        b'\n' => out.push(b'n'),
        b'\r' => out.push(b'r'),
        b'\t' => out.push(b't'),
        _ => {
            out.extend_from_slice(b"u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }
}

/// Writes a whole number.
pub fn int(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(Digits::of(number).as_bytes());
}

/// Writes a finite number in the shortest form that reads back the same.
pub fn double(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(number).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_so_that_it_reads_back() {
        for text in ["", "plain", "\"\\\n\r\t\u{1}\u{1f}é😀</script>", "\u{7f}"] {
            let mut out = Vec::new();
            string(&mut out, text);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn numbers_read_back_the_same() {
        for number in [0.1, 1e300, -2.5e-7, 1e19, f64::MAX, 5e-324] {
            let mut out = Vec::new();
            double(&mut out, number);
            assert_eq!(serde_json::from_slice::<f64>(&out).unwrap(), number);
        }
    }
}
