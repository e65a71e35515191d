//! Answers of queries.

use super::check_size;
use super::object::{Shape, object};
use super::value::{Files, value};
use super::writer::int;
use basalt_base::{Error, Reason, Result};
use basalt_data::ObjectPage;

/// A query's answer: `{"results":[…]}`, with `count` where it was asked for. A plan, where one
/// was asked for, takes the place of the list.
pub fn page(page: &ObjectPage, keys: Option<&[Box<str>]>, files: Files<'_>) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(64 + 1_024 * page.records.len().min(1_000));
    out.extend_from_slice(b"{\"results\":");
    if let Some(plan) = &page.explain {
        value(&mut out, plan, files);
        out.push(b'}');
        return Ok(out);
    }
    let shape = Shape {
        files,
        included: &page.included,
        keys,
        class: page.redirected_to.as_deref(),
        session_token: None,
    };
    out.push(b'[');
    for (n, record) in page.records.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        check_size(&out)?;
        let collection = page.collection.as_deref();
        object(&mut out, record, collection, &page.include, &shape)?;
    }
    out.push(b']');
    if let Some(class) = &page.redirected_to {
        out.extend_from_slice(b",\"className\":");
        super::string(&mut out, class);
    }
    if let Some(count) = page.count {
        out.extend_from_slice(b",\"count\":");
        int(&mut out, count.cast_signed());
    }
    out.push(b'}');
    Ok(out)
}

/// The answer of a get: the object alone. Errors: `ObjectNotFound`.
pub fn get(
    page: &ObjectPage,
    keys: Option<&[Box<str>]>,
    session_token: Option<&str>,
    files: Files<'_>,
) -> Result<Vec<u8>> {
    let Some(record) = page.records.first() else {
        return Err(Error::new(Reason::ObjectNotFound, "Object not found."));
    };
    let shape = Shape {
        files,
        included: &page.included,
        keys,
        class: None,
        session_token,
    };
    let mut out = Vec::with_capacity(1_024);
    let collection = page.collection.as_deref();
    object(&mut out, record, collection, &page.include, &shape)?;
    Ok(out)
}
