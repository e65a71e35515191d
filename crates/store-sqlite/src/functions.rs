//! Scalar functions that the compiled filters call.
//!
//! Patterns and principals don't travel through SQL: a statement's parameter is the number of a
//! slot of the connection, filled before the statement runs.

use crate::row::acl_text_allows;
use basalt_base::{GeoPoint, Value};
use basalt_store::{Pattern, Principals};
use parking_lot::Mutex;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};
use std::fmt::Write;
use std::sync::Arc;

/// What the functions of a connection refer to while a statement runs.
#[derive(Clone, Default)]
pub(crate) struct Slots {
    pub(crate) principals: Vec<Arc<Principals>>,
    pub(crate) patterns: Vec<Arc<Pattern>>,
}

/// The slots of one connection.
pub(crate) type SharedSlots = Arc<Mutex<Slots>>;

/// Registers `acl_ok(acl, slot)`, `matches(text, slot)`, `value_key(value)` and
/// `geo_dist(lat, lng, lat, lng)`.
pub(crate) fn register(conn: &Connection, slots: &SharedSlots) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    let shared = slots.clone();
    conn.create_scalar_function(c"acl_ok", 2, flags, move |context: &Context<'_>| {
        let slots = shared.lock();
        let principals = slot(&slots.principals, context.get_raw(1));
        Ok(match (context.get_raw(0), principals) {
            (ValueRef::Null, _) => true,
            (ValueRef::Text(text), Some(principals)) => acl_text_allows(text, principals),
            _ => false,
        })
    })?;
    let shared = slots.clone();
    conn.create_scalar_function(c"matches", 2, flags, move |context: &Context<'_>| {
        let pattern = {
            let slots = shared.lock();
            slot(&slots.patterns, context.get_raw(1)).cloned()
        };
        match (context.get_raw(0).as_str_or_null(), pattern) {
            (Ok(Some(text)), Some(pattern)) => pattern
                .is_match(text)
                .map_err(|error| rusqlite::Error::UserFunctionError(Box::new(error))),
            _ => Ok(false),
        }
    })?;
    conn.create_scalar_function(c"value_key", 1, flags, |context: &Context<'_>| {
        Ok(value_key(context.get_raw(0)))
    })?;
    conn.create_scalar_function(c"geo_dist", 4, flags, |context: &Context<'_>| {
        Ok(point(context, 0)
            .zip(point(context, 2))
            .map(|(a, b)| a.radians_to(b)))
    })
}

/// A text that equal numbers have in common, and equal bytes; `None` for anything else.
pub(crate) fn value_key(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Integer(n) => Some(n.to_string()),
        ValueRef::Real(n) => Some(match Value::number(n) {
            Value::Int(n) => n.to_string(),
            _ => format!("x{:x}", n.to_bits()),
        }),
        ValueRef::Blob(bytes) => Some(bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })),
        ValueRef::Null | ValueRef::Text(_) => None,
    }
}

fn slot<'a, T>(slots: &'a [T], number: ValueRef<'_>) -> Option<&'a T> {
    let number = number.as_i64().ok()?;
    slots.get(usize::try_from(number).ok()?)
}

fn point(context: &Context<'_>, at: usize) -> Option<GeoPoint> {
    Some(GeoPoint {
        latitude: context.get_raw(at).as_f64().ok()?,
        longitude: context.get_raw(at + 1).as_f64().ok()?,
    })
}
