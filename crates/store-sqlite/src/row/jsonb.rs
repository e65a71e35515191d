//! Reading JSON columns as they lie in the file.
//!
//! SQLite keeps them in its binary form, which is documented to stay as it is
//! (<https://sqlite.org/jsonb.html>). Reading that spares a trip through text: SQLite would write the
//! text for us to take apart again.

use crate::error::corrupt;
use basalt_base::{Result, Value};
use basalt_store::codec::{self, DEPTH_MAX, Entries};

/// The value of a JSON column. Errors: `StoreCorrupt`.
pub(super) fn decode(blob: &[u8]) -> Result<Value> {
    let mut reader = Reader(blob);
    let value = reader.value(DEPTH_MAX)?;
    if reader.0.is_empty() {
        Ok(value)
    } else {
        Err(broken())
    }
}

fn broken() -> basalt_base::Error {
    corrupt("a JSON column that can't be read")
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next element: its type and its content.
    fn element(&mut self) -> Result<(u8, &'a [u8])> {
        let (first, rest) = self.0.split_first().ok_or_else(broken)?;
        let size_bytes = match first >> 4 {
            12 => 1,
            13 => 2,
            14 => 4,
            15 => 8,
            _ => 0,
        };
        let (size, rest) = rest.split_at_checked(size_bytes).ok_or_else(broken)?;
        let size = match size_bytes {
            0 => usize::from(first >> 4),
            _ => size.iter().fold(0, |sum, b| sum << 8 | usize::from(*b)),
        };
        let (content, rest) = rest.split_at_checked(size).ok_or_else(broken)?;
        self.0 = rest;
        Ok((first & 15, content))
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        let below = depth.checked_sub(1).ok_or_else(broken)?;
        let (kind, content) = self.element()?;
        Ok(match kind {
            0 => Value::Null,
            1 => Value::Bool(true),
            2 => Value::Bool(false),
            // Numbers are kept as their text.
            3..=6 => codec::decode(utf8(content)?)?,
            7..=10 => Value::String(text(kind, content)?),
            11 => {
                let mut items = Vec::new();
                let mut inside = Reader(content);
                while !inside.0.is_empty() {
                    items.push(inside.value(below)?);
                }
                Value::Array(items)
            }
            12 => {
                let mut entries = Entries::default();
                let mut inside = Reader(content);
                while !inside.0.is_empty() {
                    let (kind, key) = inside.element()?;
                    entries.add(text(kind, key)?, inside.value(below)?)?;
                }
                entries.close()?
            }
            _ => return Err(broken()),
        })
    }
}

/// Text as it is, or with the escapes of JSON, as which it came in.
fn text(kind: u8, content: &[u8]) -> Result<String> {
    let content = utf8(content)?;
    match kind {
        7 | 10 => Ok(content.to_owned()),
        8 => match codec::decode(&format!("\"{content}\""))? {
            Value::String(text) => Ok(text),
            _ => Err(broken()),
        },
        _ => Err(broken()),
    }
}

fn utf8(content: &[u8]) -> Result<&str> {
    std::str::from_utf8(content).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    fn jsonb(text: &str) -> Vec<u8> {
        let conn = Connection::open_in_memory().unwrap();
        conn.query_row("SELECT jsonb(?)", [text], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn what_sqlite_keeps_reads_as_its_text_does() {
        let long = format!("[\"{}\",\"{}\"]", "x".repeat(70_000), "y".repeat(300));
        for text in [
            "null",
            "[]",
            "{}",
            "[true,false,null,0,-1,9223372036854775807,0.1,1e300,-2.5e-7]",
            r#"["","plain","\"\\\n\r\t\u0001é😀"]"#,
            r#"{"a":{"b":[1,{"c":"d"}]},"$$dollar":1,"with \"quotes\"":2}"#,
            r#"[{"$r":["Game","abc"]},{"$t":1700000000000},{"$b":"AAEC"},{"$g":[1.5,-2]}]"#,
            &long,
        ] {
            let (read, expected) = (decode(&jsonb(text)), codec::decode(text));
            assert_eq!(
                codec::encode_to_string(&read.unwrap()),
                codec::encode_to_string(&expected.unwrap())
            );
        }
    }

    #[test]
    fn damage_is_an_error() {
        let whole = jsonb(r#"{"key":[1,"text",{"$t":5}]}"#);
        for end in 0..whole.len() {
            assert!(decode(&whole[..end]).is_err(), "cut at {end}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(decode(&longer).is_err());
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0xf0;
            // Whatever it reads as, it comes back.
            let _ = decode(&flipped);
        }
        assert!(decode(&[0xfb; 100]).is_err());
    }
}
