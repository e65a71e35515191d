//! The writer.

use basalt_base::{Digits, GeoPoint, Timestamp, Value, plain_len};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fmt::Write as _;

/// Appends the storage JSON of a value.
pub fn encode(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Int(n) => integer(*n, out),
        Value::Double(n) => double(*n, out),
        Value::String(s) => text(s, out),
        Value::Array(items) => list(items, out, encode),
        Value::Map(map) => {
            out.push('{');
            for (i, (key, value)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                map_key(key, out);
                encode(value, out);
            }
            out.push('}');
        }
        Value::Decimal(digits) => tagged("$d", out, |out| text(digits, out)),
        Value::Bytes(bytes) => tagged("$b", out, |out| {
            out.push('"');
            BASE64.encode_string(bytes, out);
            out.push('"');
        }),
        Value::Timestamp(at) => tagged("$t", out, |out| timestamp(*at, out)),
        Value::Geo(point) => tagged("$g", out, |out| geo(point, out)),
        Value::Polygon(points) => tagged("$p", out, |out| list(points, out, geo)),
        Value::Reference(r) => tagged("$r", out, |out| {
            pair(out, |out| text(&r.collection, out), |out| text(&r.id, out));
        }),
        Value::File(file) => tagged("$f", out, |out| {
            let url = |out: &mut String| match &file.url {
                Some(url) => text(url, out),
                None => out.push_str("null"),
            };
            pair(out, |out| text(&file.name, out), url);
        }),
    }
}

/// The storage JSON of a value.
pub fn encode_to_string(value: &Value) -> String {
    let mut out = String::new();
    encode(value, &mut out);
    out
}

fn tagged(tag: &str, out: &mut String, body: impl FnOnce(&mut String)) {
    out.push_str("{\"");
    out.push_str(tag);
    out.push_str("\":");
    body(out);
    out.push('}');
}

fn pair(out: &mut String, first: impl FnOnce(&mut String), second: impl FnOnce(&mut String)) {
    out.push('[');
    first(out);
    out.push(',');
    second(out);
    out.push(']');
}

pub(super) fn list<T>(items: &[T], out: &mut String, each: impl Fn(&T, &mut String)) {
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        each(item, out);
    }
    out.push(']');
}

pub(super) fn map_key(key: &str, out: &mut String) {
    if key.starts_with('$') {
        out.push_str("\"$");
        text_body(key, out);
    } else {
        out.push('"');
        text_body(key, out);
    }
    out.push_str("\":");
}

/// Milliseconds where they are exact, else seconds and nanoseconds.
pub(super) fn timestamp(at: Timestamp, out: &mut String) {
    if Timestamp::from_millis(at.millis()) == at {
        integer(at.millis(), out);
    } else {
        pair(
            out,
            |out| integer(at.seconds(), out),
            |out| integer(i64::from(at.nanos()), out),
        );
    }
}

fn geo(point: &GeoPoint, out: &mut String) {
    pair(
        out,
        |out| double(point.latitude, out),
        |out| double(point.longitude, out),
    );
}

pub(super) fn integer(n: i64, out: &mut String) {
    out.push_str(Digits::of(n).as_str());
}

fn double(n: f64, out: &mut String) {
    if n.is_finite() {
        out.push_str(ryu::Buffer::new().format_finite(n));
    } else {
        // Values are finite by contract; null keeps the document readable should one slip in.
        out.push_str("null");
    }
}

pub(super) fn text(s: &str, out: &mut String) {
    out.push('"');
    text_body(s, out);
    out.push('"');
}

fn text_body(s: &str, out: &mut String) {
    let mut rest = s;
    out.reserve(rest.len());
    loop {
        let (plain, special) = rest.split_at(plain_len(rest.as_bytes()));
        out.push_str(plain);
        // What is special is ASCII, so that the rest begins with a character.
        let Some(byte) = special.bytes().next() else {
            return;
        };
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => {
                // Writing to a String never fails.
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
        rest = &special[1..];
    }
}
