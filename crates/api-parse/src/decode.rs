//! JSON to engine types. Every decoder validates shapes completely: what leaves here is typed, and
//! nothing behind it looks at JSON again.

mod acl;
mod aggregate;
mod constraint;
mod fields;
mod filter;
mod geo;
mod options;
mod permissions;
mod relative;
mod schema;
mod validator;
mod value;

pub use acl::acl;
pub use aggregate::{Aggregate, aggregate};
pub use fields::{create, operation, update};
pub use filter::{filter, path};
pub use options::{asked, asked_find, find, get};
pub use schema::{SchemaVerb, schema};
pub use validator::{rate_rule, validator};
pub use value::{plain, value};

use basalt_base::{Error, Limits, Reason, Result, Timestamp};
use basalt_data::Rank;

/// What decoders need to know besides the JSON.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    /// Limits.
    pub limits: &'a Limits,
    /// The caller's rank: it decides which names may be used.
    pub rank: Rank,
    /// The time that `$relativeTime` counts from.
    pub now: Timestamp,
    /// The public address of the API, to tell own files from foreign ones.
    pub public_url: &'a str,
    /// Whether this caller may search by regular expressions.
    pub allow_regex: bool,
    /// Whether clients may choose ids.
    pub custom_ids: bool,
}

/// An error of this adapter.
pub fn fail(reason: Reason, message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(reason, message)
}

/// Checks a class name from a path or body. Errors: `InvalidCollectionName`.
pub fn class_name(name: &str) -> Result<&str> {
    let plain = name.strip_prefix('_').unwrap_or(name);
    if is_name(plain) {
        return Ok(name);
    }
    let mut shown = name.to_owned();
    crate::json::shorten(&mut shown);
    let message = format!(
        "Invalid classname: {shown}, classnames can only have alphanumeric characters and _, \
         and must start with an alpha character "
    );
    Err(fail(Reason::InvalidCollectionName, message))
}

/// Whether a path has more steps below its field than values may nest.
fn is_deep(cx: &Cx<'_>, rest: &str) -> bool {
    rest.split('.').nth(cx.limits.json_depth_max).is_some()
}

/// Whether this is a letter followed by letters, digits and underscores.
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.len() <= 255
}

/// The same, or with an underscore in front.
fn is_internal_name(name: &str) -> bool {
    is_name(name.strip_prefix('_').unwrap_or(name))
}

#[cfg(test)]
mod tests;
