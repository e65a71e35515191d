//! Single values.

use super::writer::{Fields, double, int, list, string};
use crate::time;
use basalt_base::{FileRef, GeoPoint, Map, Reference, Timestamp, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a file's name may hold unescaped in its address.
const NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Where the app's files are served: `PUBLIC/files/APP/`.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    /// The public address of the API.
    pub public_url: &'a str,
    /// The app's id.
    pub app: &'a str,
}

impl Files<'_> {
    fn write(self, out: &mut Vec<u8>, file: &FileRef) {
        let mut fields = Fields::open(out);
        fields.text("__type", "File");
        fields.text("name", &file.name);
        if let Some(url) = &file.url {
            fields.text("url", url);
        } else {
            let name = utf8_percent_encode(&file.name, NAME);
            let url = format!("{}/files/{}/{name}", self.public_url, self.app);
            fields.text("url", &url);
        }
        fields.close();
    }
}

/// Writes a value as the protocol encodes it.
pub fn value(out: &mut Vec<u8>, value: &Value, files: Files<'_>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(n) => int(out, *n),
        Value::Double(n) => double(out, *n),
        // The protocol has no decimals; text keeps every digit.
        Value::Decimal(text) => string(out, text),
        Value::String(text) => string(out, text),
        Value::Bytes(bytes) => {
            out.extend_from_slice(br#"{"__type":"Bytes","base64":""#);
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.extend_from_slice(b"\"}");
        }
        Value::Timestamp(at) => date(out, *at),
        Value::Geo(point) => {
            out.extend_from_slice(br#"{"__type":"GeoPoint","latitude":"#);
            number(out, point.latitude);
            out.extend_from_slice(br#","longitude":"#);
            number(out, point.longitude);
            out.push(b'}');
        }
        Value::Polygon(corners) => {
            out.extend_from_slice(br#"{"__type":"Polygon","coordinates":"#);
            list(out, corners, corner);
            out.push(b'}');
        }
        Value::Reference(reference) => pointer(out, reference),
        Value::File(file) => files.write(out, file),
        Value::Array(items) => list(out, items, |out, item| self::value(out, item, files)),
        Value::Map(map) => plain_map(out, map, files),
    }
}

/// Writes a value that holds no file of the app's own.
pub fn plain_value(out: &mut Vec<u8>, content: &Value) {
    let nowhere = Files {
        public_url: "",
        app: "",
    };
    value(out, content, nowhere);
}

/// Writes a map with its keys as they are.
pub fn plain_map(out: &mut Vec<u8>, map: &Map, files: Files<'_>) {
    let mut fields = Fields::open(out);
    for (key, item) in map {
        value(fields.key(key), item, files);
    }
    fields.close();
}

/// Writes a pointer.
pub fn pointer(out: &mut Vec<u8>, reference: &Reference) {
    out.extend_from_slice(br#"{"__type":"Pointer","className":"#);
    string(out, &reference.collection);
    out.extend_from_slice(br#","objectId":"#);
    string(out, &reference.id);
    out.push(b'}');
}

/// Writes a relation.
pub fn relation(out: &mut Vec<u8>, target: &str) {
    out.extend_from_slice(br#"{"__type":"Relation","className":"#);
    string(out, target);
    out.push(b'}');
}

fn date(out: &mut Vec<u8>, at: Timestamp) {
    out.extend_from_slice(br#"{"__type":"Date","iso":""#);
    time::write(out, at);
    out.extend_from_slice(b"\"}");
}

/// Writes a time as plain text.
pub fn iso(out: &mut Vec<u8>, at: Timestamp) {
    out.push(b'"');
    time::write(out, at);
    out.push(b'"');
}

fn corner(out: &mut Vec<u8>, point: &GeoPoint) {
    out.push(b'[');
    number(out, point.latitude);
    out.push(b',');
    number(out, point.longitude);
    out.push(b']');
}

/// A coordinate; whole ones without a fraction.
fn number(out: &mut Vec<u8>, number: f64) {
    match Value::number(number) {
        Value::Int(n) => int(out, n),
        _ => double(out, number),
    }
}
