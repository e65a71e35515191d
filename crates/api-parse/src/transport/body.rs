//! The body: JSON whatever its content type says, since clients avoid preflights that way, or a
//! form.

use super::QueryString;
use crate::decode::fail;
use crate::json::{Json, Object, parse};
use basalt_base::{Limits, Reason, Result};
use http::Method;

/// A parsed body.
#[derive(Debug)]
pub struct Body<'a> {
    /// The JSON: an object or a list; an empty body is an empty object.
    pub json: Json<'a>,
    /// The operation's method, after `_method`.
    pub method: Method,
}

impl<'a> Body<'a> {
    /// Parses a body. `is_form` says that its content type is that of forms; some tools say so of
    /// JSON too, which no form looks like. Errors: `InvalidJson`, and for forms `InvalidQuery`.
    pub fn parse(bytes: &'a [u8], method: &Method, limits: &Limits, is_form: bool) -> Result<Self> {
        let mut json = match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
            None => Json::Object(Object::default()),
            Some(first) if is_form && !matches!(first, b'{' | b'[') => form(bytes)?,
            Some(_) => parse(bytes, limits)?,
        };
        let mut method = method.clone();
        match &mut json {
            Json::Object(object) => {
                object.remove("_noBody");
                if method == Method::POST {
                    method = overridden(object)?;
                }
            }
            Json::Array(_) => {}
            _ => {
                let message = "The body must be a JSON object.";
                return Err(fail(Reason::InvalidJson, message));
            }
        }
        Ok(Self { json, method })
    }
}

/// The fields of a form; all of them are text.
fn form(bytes: &[u8]) -> Result<Json<'_>> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| fail(Reason::InvalidJson, "The form is not UTF-8."))?;
    Ok(Json::Object(QueryString::parse(text.trim())?.raw))
}

fn overridden(object: &mut Object<'_>) -> Result<Method> {
    match object.remove("_method") {
        None => Ok(Method::POST),
        Some(json) if !json.truthy() => Ok(Method::POST),
        Some(Json::String(name)) => match name.to_ascii_uppercase().as_str() {
            "GET" => Ok(Method::GET),
            "POST" => Ok(Method::POST),
            "PUT" => Ok(Method::PUT),
            "DELETE" => Ok(Method::DELETE),
            _ => Err(fail(Reason::RouteNotFound, "Unknown _method.")),
        },
        Some(_) => Err(fail(Reason::InvalidJson, "_method must be a string.")),
    }
}
