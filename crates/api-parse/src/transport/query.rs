//! Query strings in the nested ("extended") syntax: `a[b]=1&list[]=2`.

use crate::decode::fail;
use crate::json::{Json, Object, parse};
use basalt_base::{Error, Limits, Reason, Result};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

const PAIRS_MAX: usize = 1_000;
const DEPTH_MAX: usize = 5;

/// A parsed query string: text, lists and objects of text.
#[derive(Debug, Default)]
pub struct QueryString<'a> {
    /// The parameters, values as they were sent.
    pub raw: Object<'a>,
}

impl<'a> QueryString<'a> {
    /// Parses a raw query. Errors: `InvalidQuery` when it is too large, too deep or not UTF-8.
    pub fn parse(raw: &'a str) -> Result<Self> {
        let mut query = Self::default();
        for (n, pair) in raw.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if n == PAIRS_MAX {
                return Err(bad("The query string has too many parameters."));
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (decode(key)?, decode(value)?);
            let (root, steps) = steps(&key)?;
            let slot = match (query.raw.remove(root), &*steps) {
                (None, []) => Json::String(value),
                // A parameter that comes again makes a list.
                (Some(slot), []) => nest(several(slot), &[""], value),
                (Some(slot @ Json::Object(_)), steps) => nest(slot, steps, value),
                (_, steps) => nest(Json::Object(Object::default()), steps, value),
            };
            query.raw.set(Cow::Owned(root.to_owned()), slot);
        }
        query.listed();
        Ok(query)
    }

    /// Turns objects with the keys 0, 1, 2 … into lists.
    fn listed(&mut self) {
        let entries = std::mem::take(&mut self.raw).into_entries().into_iter();
        self.raw = entries.map(|(key, value)| (key, lists(value))).collect();
    }

    /// Each value decoded as JSON where it is JSON, laid over the body's entries.
    pub fn over<'p>(&'p self, body: &Json<'p>, limits: &Limits) -> Object<'p> {
        let mut params = body.as_object().cloned().unwrap_or_default();
        for (key, value) in self.raw.iter() {
            let decoded = match value {
                // What looks like JSON and is none stays text; its reader says what is wrong.
                Json::String(text) => {
                    parse(text.as_bytes(), limits).unwrap_or_else(|_| value.clone())
                }
                other => other.clone(),
            };
            params.set(Cow::Owned(key.to_owned()), decoded);
        }
        params
    }
}

fn bad(message: &'static str) -> Error {
    fail(Reason::InvalidQuery, message)
}

fn decode(raw: &str) -> Result<Cow<'_, str>> {
    let bad_text = || bad("The query string is not UTF-8.");
    let text: Cow<'_, str> = if raw.contains('+') {
        let spaced = raw.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8();
        Cow::Owned(decoded.map_err(|_| bad_text())?.into_owned())
    } else {
        percent_decode_str(raw)
            .decode_utf8()
            .map_err(|_| bad_text())?
    };
    if text.contains('\0') {
        return Err(fail(Reason::InvalidJson, "Text can't hold U+0000."));
    }
    Ok(text)
}

/// `a[b][c]` into `a` and `[b, c]`; brackets that don't close belong to the name.
fn steps(key: &str) -> Result<(&str, Vec<&str>)> {
    let Some(open) = key.find('[').filter(|at| *at > 0) else {
        return Ok((key, Vec::new()));
    };
    let (root, mut rest) = key.split_at(open);
    let mut steps = Vec::new();
    while let Some(inner) = rest.strip_prefix('[') {
        let Some((step, after)) = inner.split_once(']') else {
            return Ok((key, Vec::new()));
        };
        if steps.len() == DEPTH_MAX {
            return Err(bad("The query string is nested too deeply."));
        }
        steps.push(step);
        rest = after;
    }
    if rest.is_empty() {
        Ok((root, steps))
    } else {
        Ok((key, Vec::new()))
    }
}

/// What came first as the beginning of a list.
fn several(slot: Json<'_>) -> Json<'_> {
    match slot {
        slot @ Json::Object(_) => slot,
        first => {
            let mut list = Object::default();
            list.set(Cow::Borrowed("0"), first);
            Json::Object(list)
        }
    }
}

fn nest<'a>(slot: Json<'a>, steps: &[&str], value: Cow<'a, str>) -> Json<'a> {
    let Some((step, rest)) = steps.split_first() else {
        return Json::String(value);
    };
    let mut object = match slot {
        Json::Object(object) => object,
        _ => Object::default(),
    };
    let key = if step.is_empty() {
        object.len().to_string()
    } else {
        (*step).to_owned()
    };
    let inner = object.remove(&key).unwrap_or(Json::Null);
    object.set(Cow::Owned(key), nest(inner, rest, value));
    Json::Object(object)
}

/// Values nest at most [`DEPTH_MAX`] deep, so this recursion is bounded.
fn lists(json: Json<'_>) -> Json<'_> {
    let Json::Object(object) = json else {
        return json;
    };
    let numbered = !object.is_empty()
        && object
            .iter()
            .enumerate()
            .all(|(n, (key, _))| key.parse() == Ok(n));
    let entries = object.into_entries().into_iter();
    if numbered {
        Json::Array(entries.map(|(_, value)| lists(value)).collect())
    } else {
        Json::Object(entries.map(|(key, value)| (key, lists(value))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_syntax_and_json_values() {
        let raw = "where=%7B%22a%22%3A1%7D&limit=5&keys=a,b&o[x][y]=1&o[x][z]=2&l[]=a&l[]=b&q=a+b%2B&e[=1&%61=2";
        let query = QueryString::parse(raw).unwrap();
        let params = query.over(&Json::Null, &Limits::default());
        assert_eq!(params.get("limit"), Some(&Json::Int(5)));
        assert_eq!(params.text("keys"), Some("a,b"));
        assert_eq!(params.text("q"), Some("a b+"));
        assert_eq!(params.get("a"), Some(&Json::Int(2)));
        assert_eq!(params.get("e["), Some(&Json::Int(1)));
        let where_of = params.get("where").and_then(Json::as_object).unwrap();
        assert_eq!(where_of.get("a"), Some(&Json::Int(1)));
        assert_eq!(params.get("l").and_then(Json::as_array).unwrap().len(), 2);
        let nested = params.get("o").and_then(Json::as_object).unwrap();
        assert_eq!(
            nested.get("x").and_then(Json::as_object).unwrap().text("z"),
            Some("2")
        );
    }

    #[test]
    fn repeated_parameters_make_a_list() {
        let query = QueryString::parse("keys=a&keys=b&keys[]=c&q=1").unwrap();
        let params = query.over(&Json::Null, &Limits::default());
        let keys = params.get("keys").and_then(Json::as_array).unwrap();
        let keys: Vec<_> = keys.iter().filter_map(Json::as_str).collect();
        assert_eq!(keys, ["a", "b", "c"]);
        assert_eq!(params.get("q"), Some(&Json::Int(1)));
    }

    #[test]
    fn depth_and_size_are_bounded() {
        assert!(QueryString::parse("a[b][c][d][e][f]=1").is_ok());
        assert!(QueryString::parse("a[b][c][d][e][f][g]=1").is_err());
        assert!(QueryString::parse(&"a=1&".repeat(1_001)).is_err());
        assert!(QueryString::parse("a=%ff").is_err());
        assert!(QueryString::parse("a=%00").is_err());
    }
}
