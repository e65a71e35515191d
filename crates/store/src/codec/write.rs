//! The writer.

use basalt_base::{Digits, GeoPoint, Map, Timestamp, Value, plain_len};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::cmp::Ordering;
use std::fmt::Write as _;

/// Appends the storage JSON of a value.
pub fn encode(value: &Value, out: &mut String) {
    encode_as::<false>(value, out);
}

/// Appends the storage JSON of a value for a store that sorts the keys of maps (by length, then by
/// bytes) and forgets how they were: maps in another order have a key `$o` beside their own, which
/// lists the place of each key among the sorted ones. [`super::decode`] reads both.
pub fn encode_for_sorting(value: &Value, out: &mut String) {
    encode_as::<true>(value, out);
}

fn encode_as<const HINTS: bool>(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Int(n) => integer(*n, out),
        Value::Double(n) => double(*n, out),
        Value::String(s) => text(s, out),
        Value::Array(items) => list(items, out, encode_as::<HINTS>),
        Value::Map(map) => {
            out.push('{');
            for (i, (key, value)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                map_key(key, out);
                encode_as::<HINTS>(value, out);
            }
            if HINTS && !is_sorted(map) {
                out.push_str(",\"$o\":\"");
                places(map, out);
                out.push('"');
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

/// The order of keys, each with the `$` that escapes its own.
fn key_order(a: &str, b: &str) -> Ordering {
    let written = |key: &str| if key.starts_with('$') { "$" } else { "" };
    let len = |key: &str| written(key).len() + key.len();
    let bytes = |key| written(key).bytes().chain(str::bytes(key));
    len(a).cmp(&len(b)).then_with(|| bytes(a).cmp(bytes(b)))
}

fn is_sorted(map: &Map) -> bool {
    map.keys().is_sorted_by(|a, b| key_order(a, b).is_lt())
}

/// The place of each key among the sorted ones, divided by blanks.
fn places(map: &Map, out: &mut String) {
    let mut sorted: Vec<usize> = (0..map.len()).collect();
    let key = |at: usize| map.get_index(at).map_or("", |(key, _)| key.as_str());
    sorted.sort_by(|a, b| key_order(key(*a), key(*b)));
    let mut place = vec![0; sorted.len()];
    for (at, key) in sorted.into_iter().enumerate() {
        place[key] = at;
    }
    for (i, at) in place.into_iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        // A map has fewer keys than int64 numbers.
        integer(at as i64, out);
    }
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
