//! The parser: straight from text to values, numbers exact.

use super::{DEPTH_MAX, corrupt};
use basalt_base::{FileRef, GeoPoint, Map, Reference, Result, Timestamp, Value, plain_len};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Reads storage JSON; damage of any kind is [`basalt_base::Reason::StoreCorrupt`].
pub fn decode(text: &str) -> Result<Value> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(DEPTH_MAX)?;
    parser.blanks();
    if parser.at == text.len() {
        Ok(value)
    } else {
        Err(corrupt("text after the value"))
    }
}

struct Parser<'a> {
    text: &'a str,
    /// Always at a character boundary: it only ever steps over ASCII or whole runs of text.
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(corrupt("unexpected character"))
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(corrupt("unknown word"))
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        let Some(below) = depth.checked_sub(1) else {
            return Err(corrupt("nested too deep"));
        };
        self.blanks();
        match self.peek() {
            Some(b'{') => self.object(below),
            Some(b'[') => self.array(below),
            Some(b'"') => self.string().map(Value::String),
            Some(b'n') => self.word("null", Value::Null),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(corrupt("no value where one belongs")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value> {
        self.at += 1;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            self.expect(b',')?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value> {
        self.at += 1;
        let mut entries = Entries::default();
        if self.take(b'}') {
            return entries.close();
        }
        loop {
            self.blanks();
            let key = self.string()?;
            self.expect(b':')?;
            let value = self.value(depth)?;
            entries.add(key, value)?;
            if self.take(b'}') {
                return entries.close();
            }
            self.expect(b',')?;
        }
    }

    fn string(&mut self) -> Result<String> {
        if self.peek() != Some(b'"') {
            return Err(corrupt("no text where one belongs"));
        }
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let run = plain_len(rest);
            let special = *rest
                .get(run)
                .ok_or_else(|| corrupt("text without an end"))?;
            let end = self.at + run;
            out.push_str(&self.text[self.at..end]);
            self.at = end + 1;
            match special {
                b'"' => return Ok(out),
                b'\\' => out.push(self.escape()?),
                _ => return Err(corrupt("a control character in text")),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let byte = self.peek().ok_or_else(|| corrupt("text without an end"))?;
        self.at += usize::from(byte.is_ascii());
        Ok(match byte {
            b'"' | b'\\' | b'/' => byte as char,
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                let mut code = self.hex4()?;
                if (0xd800..0xdc00).contains(&code) {
                    let low = self.low_surrogate()?;
                    code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                }
                char::from_u32(code).ok_or_else(|| corrupt("an unpaired surrogate"))?
            }
            _ => return Err(corrupt("an unknown escape")),
        })
    }

    fn low_surrogate(&mut self) -> Result<u32> {
        if self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let low = self.hex4()?;
            if (0xdc00..0xe000).contains(&low) {
                return Ok(low);
            }
        }
        Err(corrupt("an unpaired surrogate"))
    }

    fn hex4(&mut self) -> Result<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let code = digits
            .filter(|d| d.iter().all(u8::is_ascii_hexdigit))
            .and_then(|d| std::str::from_utf8(d).ok())
            .and_then(|d| u32::from_str_radix(d, 16).ok())
            .ok_or_else(|| corrupt("a broken escape"))?;
        self.at += 4;
        Ok(code)
    }

    fn number(&mut self) -> Result<Value> {
        let from = self.at;
        let mut whole = true;
        while let Some(byte) = self.peek() {
            match byte {
                b'0'..=b'9' | b'-' | b'+' => {}
                b'.' | b'e' | b'E' => whole = false,
                _ => break,
            }
            self.at += 1;
        }
        let digits = &self.text[from..self.at];
        if whole && let Ok(n) = digits.parse() {
            return Ok(Value::Int(n));
        }
        match digits.parse::<f64>() {
            Ok(n) if n.is_finite() => Ok(Value::number(n)),
            _ => Err(corrupt("a broken number")),
        }
    }
}

/// A map whose keys came sorted in the order that it had.
fn in_places(sorted: Map, places: Option<&Value>) -> Result<Map> {
    let Some(places) = places else {
        return Ok(sorted);
    };
    let text = places.as_str().unwrap_or_default();
    let mut entries: Vec<_> = sorted.into_iter().map(Some).collect();
    let count = entries.len();
    let taken = text.split(' ').map_while(|place| {
        let at: usize = place.parse().ok()?;
        entries.get_mut(at)?.take()
    });
    let map: Map = taken.collect();
    if map.len() == count {
        Ok(map)
    } else {
        Err(corrupt("the order of a map's keys"))
    }
}

/// The entries of a stored map: what a parser of a store's own form of storage JSON finds between
/// the braces becomes the map or the value that they stand for.
#[derive(Default)]
pub struct Entries {
    map: Map,
    /// The order of the keys where the store sorts them.
    places: Option<Value>,
    tagged: Option<Value>,
}

impl Entries {
    /// Takes the next entry, its key as stored. Errors: `StoreCorrupt`.
    pub fn add(&mut self, mut key: String, value: Value) -> Result<()> {
        if self.tagged.is_some() {
            return Err(corrupt("a tag among other keys"));
        }
        if key == "$o" {
            self.places = Some(value);
            return Ok(());
        }
        if key.starts_with('$') {
            if !key.starts_with("$$") {
                // A tag stands alone.
                if !self.map.is_empty() {
                    return Err(corrupt("a tag among other keys"));
                }
                self.tagged = Some(untag(&key, value)?);
                return Ok(());
            }
            key.remove(0);
        }
        self.map.insert(key, value);
        Ok(())
    }

    /// What the entries stand for. Errors: `StoreCorrupt`.
    pub fn close(self) -> Result<Value> {
        match self.tagged {
            Some(value) => Ok(value),
            None => in_places(self.map, self.places.as_ref()).map(Value::Map),
        }
    }
}

fn untag(tag: &str, value: Value) -> Result<Value> {
    let decoded = match (tag, value) {
        ("$t", value) => timestamp(&value).map(Value::Timestamp),
        ("$b", Value::String(text)) => BASE64.decode(text).ok().map(Value::Bytes),
        ("$d", Value::String(digits)) => Some(Value::Decimal(digits.into())),
        ("$g", value) => geo(&value).map(Value::Geo),
        ("$p", Value::Array(points)) => points
            .iter()
            .map(geo)
            .collect::<Option<_>>()
            .map(Value::Polygon),
        ("$r", Value::Array(parts)) => match <[Value; 2]>::try_from(parts) {
            Ok([Value::String(collection), Value::String(id)]) => {
                Some(Value::Reference(Reference { collection, id }))
            }
            _ => None,
        },
        ("$f", Value::Array(parts)) => match <[Value; 2]>::try_from(parts) {
            Ok([Value::String(name), Value::Null]) => {
                Some(Value::File(FileRef { name, url: None }))
            }
            Ok([Value::String(name), Value::String(url)]) => Some(Value::File(FileRef {
                name,
                url: Some(url),
            })),
            _ => None,
        },
        _ => None,
    };
    decoded.ok_or_else(|| corrupt("an unknown or broken tag"))
}

pub(super) fn timestamp(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Int(ms) => Some(Timestamp::from_millis(*ms)),
        Value::Array(parts) => match parts.as_slice() {
            [Value::Int(seconds), Value::Int(nanos)] if (0..1_000_000_000).contains(nanos) => {
                Some(Timestamp::new(*seconds, *nanos as u32))
            }
            _ => None,
        },
        _ => None,
    }
}

fn geo(value: &Value) -> Option<GeoPoint> {
    match value.as_array()? {
        [latitude, longitude] => GeoPoint::new(latitude.as_f64()?, longitude.as_f64()?),
        _ => None,
    }
}
