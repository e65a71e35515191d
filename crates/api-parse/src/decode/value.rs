//! Values with their `__type` forms.

use super::{Cx, class_name, fail, geo};
use crate::json::{Json, Object};
use crate::time;
use basalt_base::{FileRef, Map, Reason, Reference, Result, Value};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes a whole value: of a field, or of a test in a query.
pub fn value(cx: &Cx<'_>, json: &Json<'_>) -> Result<Value> {
    match json {
        Json::Object(object) => match object.get("__type") {
            Some(Json::String(ty)) => typed(cx, ty, object)?.ok_or_else(|| invalid(ty)),
            Some(ty) => Err(invalid(&ty.shown())),
            None => map(cx, object),
        },
        _ => nested(cx, json),
    }
}

/// Decodes a value within another one. Maps with an unknown `__type` stay as they are.
fn nested(cx: &Cx<'_>, json: &Json<'_>) -> Result<Value> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Int(n) => Value::Int(*n),
        Json::Double(n) => Value::Double(*n),
        Json::String(text) => Value::String(text.to_string()),
        Json::Array(items) => list(cx, items)?,
        Json::Object(object) => match object.text("__type") {
            Some(ty) => match typed(cx, ty, object)? {
                Some(value) if ty != "Object" => value,
                _ => map(cx, object)?,
            },
            None => map(cx, object)?,
        },
    })
}

/// Decodes the elements of a list.
pub fn items(cx: &Cx<'_>, items: &[Json<'_>]) -> Result<Vec<Value>> {
    items.iter().map(|item| nested(cx, item)).collect()
}

fn list(cx: &Cx<'_>, list: &[Json<'_>]) -> Result<Value> {
    Ok(Value::Array(items(cx, list)?))
}

fn map(cx: &Cx<'_>, object: &Object<'_>) -> Result<Value> {
    let mut map = Map::with_capacity(object.len());
    for (key, item) in object.iter() {
        if key.contains(['$', '.']) {
            let message = "Nested keys should not contain the '$' or '.' characters";
            return Err(fail(Reason::InvalidNestedKey, message));
        }
        // An operation within a value has nothing to work on; its outcome on nothing is stored.
        let value = match item
            .as_object()
            .and_then(|o| o.text("__op").map(|op| (op, o)))
        {
            Some((op, operation)) => match flattened(cx, op, operation)? {
                Some(value) => value,
                None => continue,
            },
            None => nested(cx, item)?,
        };
        map.insert(key.to_owned(), value);
    }
    Ok(Value::Map(map))
}

/// What an operation makes of a missing value; `None` for nothing.
fn flattened(cx: &Cx<'_>, op: &str, operation: &Object<'_>) -> Result<Option<Value>> {
    Ok(match super::fields::operation(cx, op, operation)? {
        basalt_store::Op::Increment(by) => Some(by),
        basalt_store::Op::Set(value) | basalt_store::Op::SetOnInsert(value) => Some(value),
        basalt_store::Op::Append(items) | basalt_store::Op::AddUnique(items) => {
            Some(Value::Array(items))
        }
        basalt_store::Op::Remove(_) => Some(Value::Array(Vec::new())),
        basalt_store::Op::Unset => None,
    })
}

fn invalid(ty: &str) -> basalt_base::Error {
    let mut shown = ty.to_owned();
    crate::json::shorten(&mut shown);
    fail(
        Reason::IncorrectType,
        format!("This is not a valid {shown}"),
    )
}

/// A typed value; `None` when the type is unknown.
fn typed(cx: &Cx<'_>, ty: &str, object: &Object<'_>) -> Result<Option<Value>> {
    let value = match ty {
        "Pointer" | "Object" => Value::Reference(reference(ty, object)?),
        "Date" => {
            let time = object.text("iso").and_then(time::parse);
            Value::Timestamp(time.ok_or_else(|| invalid(ty))?)
        }
        "Bytes" => {
            let bytes = object.text("base64").and_then(|t| BASE64.decode(t).ok());
            Value::Bytes(bytes.ok_or_else(|| invalid(ty))?)
        }
        "GeoPoint" => Value::Geo(geo::fields(object).ok_or_else(|| invalid(ty))?),
        "Polygon" => {
            let corners = object.get("coordinates").and_then(Json::as_array);
            Value::Polygon(geo::polygon(corners.ok_or_else(|| invalid(ty))?)?)
        }
        "File" => {
            let name = object.text("name").filter(|name| !name.is_empty());
            Value::File(FileRef {
                name: name.ok_or_else(|| invalid(ty))?.to_owned(),
                url: object.text("url").and_then(|url| foreign(cx, url)),
            })
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}

/// An address that is not of this server's own files; anything but http is dropped.
fn foreign(cx: &Cx<'_>, url: &str) -> Option<String> {
    let own = url
        .strip_prefix(cx.public_url)
        .is_some_and(|rest| rest.starts_with("/files/"));
    let web = url.starts_with("https://") || url.starts_with("http://");
    (web && !own).then(|| url.to_owned())
}

fn reference(ty: &str, object: &Object<'_>) -> Result<Reference> {
    let Some(class) = object.text("className") else {
        return Err(invalid(ty));
    };
    let Some(id) = object.text("objectId").filter(|id| !id.is_empty()) else {
        return Err(fail(
            Reason::InvalidReference,
            "A pointer needs an objectId.",
        ));
    };
    Ok(Reference {
        collection: class_name(class)?.to_owned(),
        id: id.to_owned(),
    })
}

/// Decodes a pointer and nothing else.
pub fn pointer(json: &Json<'_>) -> Result<Reference> {
    match json.as_object() {
        Some(object) if matches!(object.text("__type"), Some("Pointer" | "Object")) => {
            reference("Pointer", object)
        }
        _ => Err(fail(Reason::InvalidReference, "A pointer was expected.")),
    }
}

/// The JSON as it is, without giving any form a meaning.
pub fn plain(json: &Json<'_>) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Int(n) => Value::Int(*n),
        Json::Double(n) => Value::Double(*n),
        Json::String(text) => Value::String(text.to_string()),
        Json::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Json::Object(object) => Value::Map(
            object
                .iter()
                .map(|(key, item)| (key.to_owned(), plain(item)))
                .collect(),
        ),
    }
}
