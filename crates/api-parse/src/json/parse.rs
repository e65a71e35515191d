//! The parser: one pass over the bytes, recursive to a fixed depth.

use super::{Json, Object};
use basalt_base::{Error, Limits, Reason, Result, plain_len};
use indexmap::IndexMap;
use std::borrow::Cow;

/// Whatever a setting says: deeper recursion would endanger the stack.
const DEPTH_CEILING: usize = 256;
/// From this many keys on, equal keys are found by hashing instead of looking at each.
const LINEAR_KEYS_MAX: usize = 16;

/// Parses one JSON value that fills `bytes`. Errors: `InvalidJson`; `ObjectTooLarge` for more values
/// than the limit.
pub fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Json<'a>> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(bad("The text is not UTF-8."));
    };
    let mut parser = Parser {
        text,
        bytes: text.as_bytes(),
        at: 0,
        depth_left: limits.json_depth_max.min(DEPTH_CEILING),
        values_left: limits.json_values_max,
    };
    parser.space();
    let value = parser.value()?;
    parser.space();
    if parser.at < parser.bytes.len() {
        return Err(malformed());
    }
    Ok(value)
}

fn bad(message: &'static str) -> Error {
    Error::new(Reason::InvalidJson, message)
}

fn too_many() -> Error {
    Error::new(Reason::ObjectTooLarge, "The JSON has too many values.")
}

fn malformed() -> Error {
    bad("invalid JSON")
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth_left: usize,
    values_left: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn word(&mut self, word: &'static str, value: Json<'a>) -> Result<Json<'a>> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(malformed())
        }
    }

    fn value(&mut self) -> Result<Json<'a>> {
        self.values_left = self.values_left.checked_sub(1).ok_or_else(too_many)?;
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(malformed()),
        }
    }

    fn nested(&mut self, parse: fn(&mut Self) -> Result<Json<'a>>) -> Result<Json<'a>> {
        if self.depth_left == 0 {
            return Err(bad("The JSON is nested too deeply."));
        }
        self.depth_left -= 1;
        self.at += 1;
        self.space();
        let value = parse(self);
        self.depth_left += 1;
        value
    }

    fn array(&mut self) -> Result<Json<'a>> {
        let mut items = Vec::new();
        if self.eat(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            if self.eat(b']') {
                return Ok(Json::Array(items));
            }
            if !self.eat(b',') {
                return Err(malformed());
            }
            self.space();
        }
    }

    fn object(&mut self) -> Result<Json<'a>> {
        let mut entries: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
        if self.eat(b'}') {
            return Ok(Json::Object(Object { entries }));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(malformed());
            }
            let key = self.string()?;
            self.space();
            if !self.eat(b':') {
                return Err(malformed());
            }
            self.space();
            let value = self.value()?;
            let known = if entries.len() <= LINEAR_KEYS_MAX {
                entries.iter_mut().find(|(k, _)| *k == key)
            } else {
                None
            };
            match known {
                Some((_, slot)) => *slot = value,
                None => entries.push((key, value)),
            }
            self.space();
            if self.eat(b'}') {
                break;
            }
            if !self.eat(b',') {
                return Err(malformed());
            }
            self.space();
        }
        if entries.len() > LINEAR_KEYS_MAX {
            let distinct: IndexMap<_, _> = entries.into_iter().collect();
            entries = distinct.into_iter().collect();
        }
        Ok(Json::Object(Object { entries }))
    }

    fn number(&mut self) -> Result<Json<'a>> {
        let start = self.at;
        self.eat(b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(malformed()),
        }
        let mut whole = true;
        if self.eat(b'.') {
            whole = false;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            whole = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        let text = &self.text[start..self.at];
        if whole && let Ok(n) = text.parse::<i64>() {
            return Ok(Json::Int(n));
        }
        match text.parse::<f64>() {
            Ok(n) if n.is_finite() => Ok(canonical(n)),
            _ => Err(bad("A number is out of range.")),
        }
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<()> {
        let start = self.at;
        self.digits();
        if self.at == start {
            return Err(malformed());
        }
        Ok(())
    }

    /// A string; stands at the opening quote.
    fn string(&mut self) -> Result<Cow<'a, str>> {
        self.at += 1;
        let start = self.at;
        self.at += plain_len(&self.bytes[start..]);
        let plain = &self.text[start..self.at];
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err(malformed()),
            }
            let from = self.at;
            self.at += plain_len(&self.bytes[from..]);
            text.push_str(&self.text[from..self.at]);
        }
    }

    /// An escape sequence; stands at the backslash.
    fn escape(&mut self) -> Result<char> {
        self.at += 1;
        let letter = self.peek().ok_or_else(malformed)?;
        self.at += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            _ => return Err(malformed()),
        })
    }

    fn unicode(&mut self) -> Result<char> {
        let first = self.hex4()?;
        let code = match first {
            0 => return Err(bad("Text can't hold U+0000.")),
            0xD800..=0xDBFF => {
                if !(self.eat(b'\\') && self.eat(b'u')) {
                    return Err(bad("Text holds an unpaired surrogate."));
                }
                let second = self.hex4()?;
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return Err(bad("Text holds an unpaired surrogate."));
                }
                0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| bad("Text holds an unpaired surrogate."))
    }

    fn hex4(&mut self) -> Result<u32> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or_else(malformed)?;
        let mut code = 0;
        for digit in digits {
            let value = char::from(*digit).to_digit(16).ok_or_else(malformed)?;
            code = code * 16 + value;
        }
        self.at += 4;
        Ok(code)
    }
}

/// Whole doubles in int64 are integers, so that `1.0` and `1` are one value.
fn canonical<'a>(n: f64) -> Json<'a> {
    match basalt_base::Value::number(n) {
        basalt_base::Value::Int(n) => Json::Int(n),
        _ => Json::Double(n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(json_depth_max: usize) -> Limits {
        Limits {
            json_depth_max,
            ..Limits::default()
        }
    }

    #[test]
    fn many_small_values_are_refused_before_they_fill_the_memory() {
        let limits = Limits {
            json_values_max: 10,
            ..Limits::default()
        };
        let list = |n: usize| format!("[{}]", vec!["1"; n].join(","));
        assert!(parse(list(9).as_bytes(), &limits).is_ok());
        let error = parse(list(10).as_bytes(), &limits).unwrap_err();
        assert_eq!(error.reason(), Reason::ObjectTooLarge);
        let nested = format!("[{0},{0},{0}]", list(3));
        assert!(parse(nested.as_bytes(), &limits).is_err());
    }

    fn ok(text: &str) -> Json<'_> {
        parse(text.as_bytes(), &depth(100)).unwrap()
    }

    #[test]
    fn numbers_are_canonical_and_lose_nothing_silently() {
        assert_eq!(ok("1.0"), Json::Int(1));
        assert_eq!(ok("-0"), Json::Int(0));
        assert_eq!(ok("-0.0"), Json::Int(0));
        assert_eq!(ok("9007199254740993"), Json::Int(9_007_199_254_740_993));
        assert_eq!(ok("1e2"), Json::Int(100));
        assert_eq!(ok("1.5e-1"), Json::Double(0.15));
        assert_eq!(
            ok("9223372036854775808"),
            Json::Double(9_223_372_036_854_775_808.0)
        );
    }

    #[test]
    fn refuses_what_is_not_json_or_not_storable() {
        let many = "[".repeat(101);
        let texts = [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            ".5",
            "+1",
            "1e400",
            "NaN",
            "nul",
            "'a'",
            "\"\\u0000\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\n\"",
            "\"\\x41\"",
            "1 2",
            "\"abc",
            "\"\\u12",
            &many,
        ];
        for text in texts {
            let error = parse(text.as_bytes(), &depth(100)).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidJson, "{text}");
        }
        assert!(parse(b"\"\xff\"", &depth(100)).is_err());
        assert!(parse(b"\"\xc0\xaf\"", &depth(100)).is_err());
    }

    #[test]
    fn a_million_brackets_end_at_the_depth_limit() {
        let deep = "[".repeat(1_000_000);
        assert!(parse(deep.as_bytes(), &depth(usize::MAX)).is_err());
        let fits = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(parse(fits.as_bytes(), &depth(100)).is_ok());
        assert!(parse(fits.as_bytes(), &depth(99)).is_err());
    }

    #[test]
    fn the_last_of_equal_keys_wins_in_small_and_large_objects() {
        let small = ok(r#"{"a":1,"b":2,"a":3}"#);
        let small: Vec<_> = small.as_object().unwrap().iter().collect();
        assert_eq!(small, [("a", &Json::Int(3)), ("b", &Json::Int(2))]);
        let body: Vec<String> = (0..60).map(|n| format!("\"k{}\":{n}", n % 30)).collect();
        let text = format!("{{{}}}", body.join(","));
        let large = ok(&text);
        let large = large.as_object().unwrap();
        assert_eq!((large.len(), large.get("k7")), (30, Some(&Json::Int(37))));
    }

    #[test]
    fn escapes_are_decoded_and_plain_text_is_borrowed() {
        assert_eq!(ok(r#""a\n\ud83d\ude00é\/""#).as_str(), Some("a\n😀é/"));
        assert!(matches!(
            ok("\"plain\""),
            Json::String(Cow::Borrowed("plain"))
        ));
    }
}
