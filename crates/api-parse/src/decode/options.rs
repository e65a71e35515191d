//! The options of a query.

use super::filter::{Filtered, path};
use super::{Cx, fail, filter, is_name, plain};
use crate::json::{Json, Object};
use basalt_base::{Map, Reason, Result, Value};
use basalt_data::{Include, ObjectQuery, Rank};
use basalt_store::{Sort, SortKey};
use std::borrow::Cow;
use std::collections::HashSet;

const FIND_OPTIONS: &[&str] = &[
    "skip",
    "limit",
    "order",
    "count",
    "keys",
    "excludeKeys",
    "include",
    "includeAll",
    "redirectClassNameForKey",
    "where",
    "readPreference",
    "includeReadPreference",
    "subqueryReadPreference",
    "hint",
    "explain",
    "comment",
];

const GET_OPTIONS: &[&str] = &[
    "keys",
    "include",
    "excludeKeys",
    "readPreference",
    "includeReadPreference",
    "subqueryReadPreference",
];

/// Names that every object has; they need no asking for.
const ALWAYS: &[&str] = &["objectId", "createdAt", "updatedAt", "ACL"];

/// Decodes a query. Errors: `InvalidQuery` for an unknown option or one of the wrong type, and
/// what [`filter`] fails with.
pub fn find(cx: &Cx<'_>, class: &str, params: &Object<'_>) -> Result<ObjectQuery> {
    for (key, _) in params.iter() {
        if !FIND_OPTIONS.contains(&key) {
            let mut shown = key.to_owned();
            crate::json::shorten(&mut shown);
            return Err(bad(format!("Invalid parameter for query: {shown}")));
        }
    }
    let mut query = ObjectQuery::of(class);
    let filtered = where_of(cx, params)?;
    query.filter = filtered.filter;
    query.sort = order(cx, params)?;
    if query.sort.is_empty() {
        query.sort.extend(filtered.near);
    }
    paging(cx, params, &mut query)?;
    query.count = truthy(params, "count");
    query.include_all = truthy(params, "includeAll");
    query.redirect_collection_for_key = redirect(params)?;
    query.explain = explain(cx, params)?;
    shape(cx, params, &mut query)?;
    Ok(query)
}

/// The query as it was asked, for hooks: its options, and `where` as an object.
pub fn asked(cx: &Cx<'_>, params: &Object<'_>, id: Option<&str>) -> Value {
    let mut map = Map::new();
    for (key, json) in params.iter() {
        let text = json.as_str().filter(|_| key == "where");
        let parsed = text.and_then(|text| crate::json::parse(text.as_bytes(), cx.limits).ok());
        map.insert(key.to_owned(), plain(parsed.as_ref().unwrap_or(json)));
    }
    if let Some(id) = id {
        let only = Map::from_iter([("objectId".to_owned(), Value::from(id))]);
        map.insert("where".to_owned(), Value::Map(only));
    }
    Value::Map(map)
}

/// The same of a query for many, with the number of objects that it gets at most.
pub fn asked_find(cx: &Cx<'_>, params: &Object<'_>, limit: Option<u64>) -> Value {
    let mut asked = asked(cx, params, None);
    let limit = limit.unwrap_or(cx.limits.query_rows_default as u64);
    if let (Value::Map(map), Ok(limit)) = (&mut asked, i64::try_from(limit)) {
        map.insert("limit".to_owned(), Value::Int(limit));
    }
    asked
}

/// Decodes the options of a get.
pub fn get(cx: &Cx<'_>, class: &str, params: &Object<'_>) -> Result<ObjectQuery> {
    if params.iter().any(|(key, _)| !GET_OPTIONS.contains(&key)) {
        return Err(bad("Improper encode of parameter"));
    }
    let mut query = ObjectQuery::of(class);
    query.is_get = true;
    shape(cx, params, &mut query)?;
    Ok(query)
}

/// The options of a sub-query that count; others are ignored, as clients send whole queries.
pub(super) fn subquery(
    cx: &Cx<'_>,
    object: &Object<'_>,
    near: Option<Sort>,
    query: &mut ObjectQuery,
) -> Result<()> {
    query.sort = order(cx, object)?;
    if query.sort.is_empty() {
        query.sort.extend(near);
    }
    query.redirect_collection_for_key = redirect(object)?;
    paging(cx, object, query)
}

fn bad(message: impl Into<Cow<'static, str>>) -> basalt_base::Error {
    fail(Reason::InvalidQuery, message)
}

fn truthy(params: &Object<'_>, key: &str) -> bool {
    params.get(key).is_some_and(Json::truthy)
}

/// The `where` of a query: an object, or the same as text.
pub(super) fn where_of(cx: &Cx<'_>, params: &Object<'_>) -> Result<Filtered> {
    match params.get("where") {
        Some(Json::String(text)) => {
            let json = crate::json::parse(text.as_bytes(), cx.limits);
            let json =
                json.map_err(|_| fail(Reason::InvalidJson, "where parameter is not valid JSON"))?;
            filter(cx, &json)
        }
        Some(json) => filter(cx, json),
        None => filter(cx, &Json::Null),
    }
}

/// A whole number from 0, also as text; JavaScript's false values count as none.
fn count(params: &Object<'_>, key: &str, zero_counts: bool) -> Result<Option<u64>> {
    let json = match params.get(key) {
        None => return Ok(None),
        Some(Json::Int(0)) if zero_counts => return Ok(Some(0)),
        Some(json) if !json.truthy() => return Ok(None),
        Some(json) => json,
    };
    let number = match json {
        Json::Int(n) => u64::try_from(*n).ok(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .map(Some)
        .ok_or_else(|| bad(format!("{key} must be a whole number from 0.")))
}

fn paging(cx: &Cx<'_>, params: &Object<'_>, query: &mut ObjectQuery) -> Result<()> {
    query.limit = count(params, "limit", true)?;
    query.skip = count(params, "skip", true)?.unwrap_or(0);
    if query.skip > cx.limits.skip_max {
        let message = "skip is larger than the limit.";
        return Err(fail(Reason::QueryTooComplex, message));
    }
    Ok(())
}

/// Text, a list of texts (joined by commas), or nothing.
fn text<'p>(params: &'p Object<'_>, key: &str) -> Result<Cow<'p, str>> {
    let wrong = || bad(format!("{key} must be text."));
    match params.get(key) {
        None | Some(Json::Null) => Ok(Cow::Borrowed("")),
        Some(Json::String(text)) => Ok(Cow::Borrowed(text)),
        Some(Json::Array(items)) => {
            let parts: Option<Vec<&str>> = items.iter().map(Json::as_str).collect();
            Ok(Cow::Owned(parts.ok_or_else(wrong)?.join(",")))
        }
        Some(Json::Int(n)) => Ok(Cow::Owned(n.to_string())),
        Some(_) => Err(wrong()),
    }
}

/// The trimmed parts of a comma-separated list.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

fn order(cx: &Cx<'_>, params: &Object<'_>) -> Result<Vec<Sort>> {
    const LEVELS_MAX: usize = 32;
    let list = text(params, "order")?;
    let mut sort = Vec::new();
    for part in parts(&list) {
        if sort.len() == LEVELS_MAX {
            return Err(fail(Reason::QueryTooComplex, "order has too many keys."));
        }
        let (name, descending) = match part.strip_prefix('-') {
            Some(name) => (name, true),
            None => (part.strip_prefix('+').unwrap_or(part), false),
        };
        if name == "$score" {
            let message = "Sorting by $score is not supported by this server.";
            return Err(fail(Reason::UnsupportedQuery, message));
        }
        let path = match name {
            // The stored names of the times, which some clients send.
            "_created_at" => path(cx, "createdAt"),
            "_updated_at" => path(cx, "updatedAt"),
            _ => path(cx, name),
        };
        let path = path.map_err(|_| {
            let mut shown = name.to_owned();
            crate::json::shorten(&mut shown);
            fail(
                Reason::InvalidFieldName,
                format!("Invalid field name: {shown}."),
            )
        })?;
        let key = SortKey::Path(path);
        sort.push(Sort { key, descending });
    }
    Ok(sort)
}

fn redirect(params: &Object<'_>) -> Result<Option<Box<str>>> {
    match params.get("redirectClassNameForKey") {
        None => Ok(None),
        Some(json) if !json.truthy() => Ok(None),
        Some(Json::String(key)) if is_name(key) => Ok(Some((&**key).into())),
        Some(_) => Err(bad("Invalid value for redirectClassNameForKey")),
    }
}

fn explain(cx: &Cx<'_>, params: &Object<'_>) -> Result<bool> {
    let Some(json) = params.get("explain").filter(|json| json.truthy()) else {
        return Ok(false);
    };
    let known = match json {
        Json::Bool(_) => true,
        Json::String(verbosity) => matches!(
            &**verbosity,
            "queryPlanner" | "queryPlannerExtended" | "executionStats" | "allPlansExecution"
        ),
        _ => false,
    };
    if !known {
        return Err(bad("Invalid value for explain"));
    }
    if cx.rank == Rank::Client {
        return Err(bad(
            "Using the explain query parameter requires the master key",
        ));
    }
    Ok(true)
}

/// `keys`, `excludeKeys` and `include`.
fn shape(cx: &Cx<'_>, params: &Object<'_>, query: &mut ObjectQuery) -> Result<()> {
    let keys = text(params, "keys")?;
    let exclude = text(params, "excludeKeys")?;
    let include = text(params, "include")?;
    let mut paths = 0;
    let mut add = |query: &mut ObjectQuery, path: &str| -> Result<()> {
        paths += 1;
        if paths > cx.limits.include_paths_max {
            let message = "include has too many paths.";
            return Err(fail(Reason::QueryTooComplex, message));
        }
        include_path(cx, &mut query.include, path)
    };
    for path in parts(&include) {
        if path == "*" {
            query.include_all = true;
        } else {
            add(query, path)?;
        }
    }
    for list in [&keys, &exclude] {
        // What lies below a reference can be chosen only when its object is there.
        for (above, _) in parts(list).filter_map(|key| key.rsplit_once('.')) {
            add(query, above)?;
        }
    }
    // Asking for no keys is not the same as not asking: nothing but what every object has comes.
    if params.get("keys").is_some_and(|json| *json != Json::Null) {
        let names = names(cx, &keys, "keys")?;
        for key in &names {
            below(&mut query.include, key);
        }
        query.keys = Some(names);
    }
    query.exclude_keys = names(cx, &exclude, "excludeKeys")?;
    Ok(())
}

/// The different names of a list, without those that need no asking for.
fn names(cx: &Cx<'_>, list: &str, option: &'static str) -> Result<Vec<Box<str>>> {
    let mut seen = HashSet::new();
    let mut names = Vec::new();
    for (at, name) in parts(list).enumerate() {
        // Names that come again count too: nobody needs more of them than there can be fields.
        if at >= cx.limits.fields_max {
            let message = format!("{option} has too many names.");
            return Err(fail(Reason::QueryTooComplex, message));
        }
        if !ALWAYS.contains(&name) && seen.insert(name) {
            names.push(name.into());
        }
    }
    Ok(names)
}

fn include_path(cx: &Cx<'_>, root: &mut Include, path: &str) -> Result<()> {
    let mut node = root;
    for (depth, step) in path.split('.').enumerate() {
        if step.is_empty() {
            continue;
        }
        if depth >= cx.limits.include_depth_max {
            return Err(fail(Reason::QueryTooComplex, "include is too deep."));
        }
        node = node.child_mut(step);
        node.here = true;
    }
    Ok(())
}

/// Tells the nodes along a dotted key which of their fields to show.
fn below(root: &mut Include, key: &str) {
    let mut node = root;
    let mut steps = key.split('.').filter(|step| !step.is_empty()).peekable();
    while let Some(step) = steps.next() {
        let Some(next) = steps.peek() else { return };
        node = node.child_mut(step);
        let keys = node.keys.get_or_insert_default();
        if !keys.iter().any(|known| **known == **next) {
            keys.push((*next).into());
        }
    }
}
