//! The tests of a `where`: what stands at a key.

use super::filter::{Decoder, path, test};
use super::relative::relative;
use super::{fail, geo, value};
use crate::json::{Json, Object};
use crate::time;
use basalt_base::{Error, GeoPoint, Reason, Result, Value};
use basalt_data::Where;
use basalt_store::{FieldRef, Path, Pattern, PatternOptions, Test};
use std::borrow::Cow;
use std::sync::Arc;

/// Decodes the value at a key into clauses; tells the centre of a `$nearSphere`.
pub(super) fn decode(
    decoder: &mut Decoder<'_>,
    path: &Path,
    json: &Json<'_>,
    out: &mut Vec<Where>,
) -> Result<Option<GeoPoint>> {
    let operators = match json {
        Json::Object(object) if is_constraint(object) => object,
        _ => {
            out.push(test(path, Test::Eq(operand(decoder, path, json)?)));
            return Ok(None);
        }
    };
    // Clients add operators to a value that is already there: both hold.
    let direct: Object<'_> = operators
        .iter()
        .filter(|(key, _)| !key.starts_with('$'))
        .map(|(key, json)| (Cow::Owned(key.to_owned()), json.clone()))
        .collect();
    if !direct.is_empty() {
        let value = operand(decoder, path, &Json::Object(direct))?;
        out.push(test(path, Test::Eq(value)));
    }
    let mut near = None;
    for (operator, json) in operators.iter().filter(|(key, _)| key.starts_with('$')) {
        decoder.node()?;
        match one(decoder, path, operator, json, operators)? {
            Some(Clause::Test(Test::Near {
                center,
                radians_max,
            })) if operator == "$nearSphere" => {
                near = Some(center);
                out.push(test(
                    path,
                    Test::Near {
                        center,
                        radians_max,
                    },
                ));
            }
            Some(Clause::Test(found)) => out.push(test(path, found)),
            Some(Clause::Where(found)) => out.push(found),
            None => {}
        }
    }
    Ok(near)
}

/// An object with an operator among its keys; one without any is a value.
fn is_constraint(object: &Object<'_>) -> bool {
    object.iter().any(|(key, _)| key.starts_with('$'))
}

enum Clause {
    Test(Test),
    Where(Where),
}

fn bad_json(message: impl Into<Cow<'static, str>>) -> Error {
    fail(Reason::InvalidJson, message)
}

fn one(
    decoder: &mut Decoder<'_>,
    path: &Path,
    operator: &str,
    json: &Json<'_>,
    all: &Object<'_>,
) -> Result<Option<Clause>> {
    let clause = match operator {
        "$eq" => Test::Eq(compared(decoder, path, operator, json)?),
        "$ne" => Test::Ne(compared(decoder, path, operator, json)?),
        "$lt" | "$lte" | "$gt" | "$gte" => {
            let bound = compared(decoder, path, operator, json)?;
            let test = match operator {
                "$lt" => Test::Lt(bound),
                "$lte" => Test::Lte(bound),
                "$gt" => Test::Gt(bound),
                _ => Test::Gte(bound),
            };
            if relative_phrase(json).is_some() {
                return Ok(Some(Clause::Where(Where::OnTime(path.clone(), test))));
            }
            test
        }
        "$in" => Test::In(list(decoder, path, json, "bad $in value")?),
        "$nin" => Test::NotIn(list(decoder, path, json, "bad $nin value")?),
        "$all" => every(decoder, path, json)?,
        "$containedBy" => {
            let message = "bad $containedBy: should be an array";
            Test::ContainedBy(list(decoder, path, json, message)?)
        }
        "$exists" => match json {
            Json::Bool(there) => Test::Exists(*there),
            Json::Int(n) => Test::Exists(*n != 0),
            Json::Object(o) if o.get("$relativeTime").is_some() => return Err(only_ranges()),
            _ => return Err(fail(Reason::InvalidQuery, "bad $exists value")),
        },
        "$regex" => Test::Regex(regex(decoder, json, all.get("$options"))?),
        "$options" => {
            let alone = all.get("$regex").is_none();
            return if alone {
                Err(bad_options(json))
            } else {
                Ok(None)
            };
        }
        "$not" => return negated(decoder, path, json).map(Some),
        "$nearSphere" => near(json, all)?,
        "$maxDistance"
        | "$maxDistanceInRadians"
        | "$maxDistanceInMiles"
        | "$maxDistanceInKilometers" => {
            return match all.get("$nearSphere") {
                Some(_) => Ok(None),
                None => Err(bad_json(format!("bad constraint: {operator}"))),
            };
        }
        "$within" => return within(path, json).map(Some),
        "$geoWithin" => geo_within(json)?,
        "$geoIntersects" => return Err(geo_intersects(json)),
        "$text" => return Err(text(json)),
        "$inQuery" | "$notInQuery" => return in_query(decoder, path, operator, json).map(Some),
        "$select" | "$dontSelect" => return select(decoder, path, operator, json).map(Some),
        _ => {
            let mut shown = operator.to_owned();
            crate::json::shorten(&mut shown);
            return Err(bad_json(format!("bad constraint: {shown}")));
        }
    };
    Ok(Some(Clause::Test(clause)))
}

/// The fields that hold times but are compared with plain text.
fn holds_time(path: &Path) -> bool {
    match &path.root {
        FieldRef::CreatedAt | FieldRef::UpdatedAt => true,
        FieldRef::Named(name) => matches!(&**name, "expiresAt" | "lastUsed"),
        FieldRef::Id => false,
    }
}

/// A value to compare with.
fn operand(decoder: &Decoder<'_>, path: &Path, json: &Json<'_>) -> Result<Value> {
    let value = value(&decoder.cx, json)?;
    if let Value::String(text) = &value
        && holds_time(path)
        && let Some(time) = time::parse(text)
    {
        return Ok(Value::Timestamp(time));
    }
    Ok(value)
}

fn only_ranges() -> Error {
    bad_json("$relativeTime can only be used with the $lt, $lte, $gt, and $gte operators")
}

fn relative_phrase<'j>(json: &'j Json<'_>) -> Option<&'j Json<'j>> {
    json.as_object()?.get("$relativeTime")
}

/// The same, or a time relative to now.
fn compared(decoder: &Decoder<'_>, path: &Path, operator: &str, json: &Json<'_>) -> Result<Value> {
    let Some(phrase) = relative_phrase(json) else {
        return operand(decoder, path, json);
    };
    if matches!(operator, "$eq" | "$ne") {
        return Err(only_ranges());
    }
    let bad = |info: &str| bad_json(format!("bad $relativeTime ({operator}) value. {info}"));
    let Json::String(phrase) = phrase else {
        return Err(bad("It should be text."));
    };
    let time = relative(phrase, decoder.cx.now).map_err(|info| bad(&info))?;
    Ok(Value::Timestamp(time))
}

/// The values of a list operator; lists within it are flattened once.
fn list(
    decoder: &Decoder<'_>,
    path: &Path,
    json: &Json<'_>,
    message: &'static str,
) -> Result<Vec<Value>> {
    let items = json.as_array().ok_or_else(|| bad_json(message))?;
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Json::Array(inner) => {
                for item in inner {
                    values.push(operand(decoder, path, item)?);
                }
            }
            _ => values.push(operand(decoder, path, item)?),
        }
    }
    if values.len() > decoder.cx.limits.list_values_max {
        let message = "A list in the query has too many values.";
        return Err(fail(Reason::QueryTooComplex, message));
    }
    Ok(values)
}

/// `$all`: values, or patterns for their beginnings.
fn every(decoder: &mut Decoder<'_>, path: &Path, json: &Json<'_>) -> Result<Test> {
    let items = json.as_array().ok_or_else(|| bad_json("bad $all value"))?;
    let pattern = |item: &Json<'_>| item.as_object().is_some_and(|o| o.get("$regex").is_some());
    if !items.iter().any(pattern) {
        // No stored map has an operator as a key, so that no list holds such an item.
        if items
            .iter()
            .any(|i| i.as_object().is_some_and(is_constraint))
        {
            return Ok(Test::All(Vec::new()));
        }
        return Ok(Test::All(list(decoder, path, json, "bad $all value")?));
    }
    if !items.iter().all(pattern) {
        let message = format!(
            "All $all values must be of regex type or none: {}",
            json.shown()
        );
        return Err(bad_json(message));
    }
    if items.len() > decoder.cx.limits.list_values_max {
        let message = "A list in the query has too many values.";
        return Err(fail(Reason::QueryTooComplex, message));
    }
    let patterns: Result<Vec<Arc<Pattern>>> = items
        .iter()
        .filter_map(Json::as_object)
        .map(|o| {
            regex(
                decoder,
                o.get("$regex").unwrap_or(&Json::Null),
                o.get("$options"),
            )
        })
        .collect();
    Ok(Test::AllMatch(patterns?))
}

fn bad_options(json: &Json<'_>) -> Error {
    let message = format!("Bad $options value for query: {}", json.shown());
    fail(Reason::InvalidQuery, message)
}

fn regex(
    decoder: &mut Decoder<'_>,
    json: &Json<'_>,
    options: Option<&Json<'_>>,
) -> Result<Arc<Pattern>> {
    if !decoder.cx.allow_regex {
        let message = "$regex operator is not allowed on this server.";
        return Err(fail(Reason::InvalidQuery, message));
    }
    let Json::String(source) = json else {
        return Err(fail(Reason::InvalidQuery, "$regex value must be a string"));
    };
    let options = match options {
        None => PatternOptions::default(),
        // `u` (Unicode) is how patterns always work here.
        Some(Json::String(letters)) if !letters.is_empty() => {
            let letters = letters.replace('u', "");
            PatternOptions::parse(&letters)
                .map_err(|_| bad_options(&Json::String(letters.into())))?
        }
        Some(other) => return Err(bad_options(other)),
    };
    let bytes_max = decoder.cx.limits.regex_bytes_max;
    let pattern = Pattern::one_of_many(source, options, bytes_max, decoder.patterns)?;
    decoder.patterns += 1;
    Ok(Arc::new(pattern))
}

fn negated(decoder: &mut Decoder<'_>, path: &Path, json: &Json<'_>) -> Result<Clause> {
    match json.as_object() {
        Some(object) if is_constraint(object) => {
            let mut inner = Vec::new();
            decode(decoder, path, json, &mut inner)?;
            Ok(Clause::Where(Where::Not(Box::new(Where::And(inner)))))
        }
        _ => Err(bad_json("bad $not value: should hold operators")),
    }
}

/// Mean radii of the earth by which clients' distances are converted.
const EARTH_MILES: f64 = 3_959.0;
const EARTH_KILOMETERS: f64 = 6_371.0;

fn near(json: &Json<'_>, all: &Object<'_>) -> Result<Test> {
    let center = geo::point(json).ok_or_else(|| bad_json("bad $nearSphere value"))?;
    let mut radians_max: Option<f64> = None;
    for (name, unit) in [
        ("$maxDistance", 1.0),
        ("$maxDistanceInRadians", 1.0),
        ("$maxDistanceInMiles", EARTH_MILES),
        ("$maxDistanceInKilometers", EARTH_KILOMETERS),
    ] {
        let Some(json) = all.get(name) else { continue };
        let distance = json.as_f64().filter(|d| *d >= 0.0);
        let distance = distance.ok_or_else(|| bad_json(format!("bad {name} value")))?;
        radians_max = Some(radians_max.map_or(distance / unit, |r| r.min(distance / unit)));
    }
    Ok(Test::Near {
        center,
        radians_max,
    })
}

/// `$within`: a box. One whose west lies east of its east crosses the 180th meridian, unless its
/// south lies north of its north too: then its corners were given the other way round.
fn within(path: &Path, json: &Json<'_>) -> Result<Clause> {
    let bad = || bad_json("malformatted $within arg");
    let corners = json.as_object().and_then(|o| o.get("$box")?.as_array());
    let [sw, ne] = corners.ok_or_else(bad)? else {
        return Err(bad());
    };
    let (sw, ne) = geo::point(sw).zip(geo::point(ne)).ok_or_else(bad)?;
    let swapped = sw.latitude > ne.latitude && sw.longitude > ne.longitude;
    let (sw, ne) = if swapped { (ne, sw) } else { (sw, ne) };
    let (south, north) = (sw.latitude.min(ne.latitude), sw.latitude.max(ne.latitude));
    let strip = |west: f64, east: f64| {
        let corner = |latitude, longitude| GeoPoint {
            latitude,
            longitude,
        };
        Test::WithinBox {
            south_west: corner(south, west),
            north_east: corner(north, east),
        }
    };
    Ok(if sw.longitude <= ne.longitude {
        Clause::Test(strip(sw.longitude, ne.longitude))
    } else {
        Clause::Where(Where::Or(vec![
            test(path, strip(sw.longitude, 180.0)),
            test(path, strip(-180.0, ne.longitude)),
        ]))
    })
}

fn unsupported(operator: &str) -> Error {
    let message = format!("The {operator} constraint is not supported by this server.");
    fail(Reason::UnsupportedQuery, message)
}

/// `$geoWithin`: a circle is a distance; polygons are not there yet.
fn geo_within(json: &Json<'_>) -> Result<Test> {
    let bad = |what: &str| bad_json(format!("bad $geoWithin value{what}"));
    let object = json.as_object().ok_or_else(|| bad(""))?;
    if let Some(polygon) = object.get("$polygon") {
        let (corners, message) = match polygon {
            Json::Array(corners) => (
                Some(corners.as_slice()),
                "; $polygon should contain at least 3 GeoPoints",
            ),
            Json::Object(o) if o.text("__type") == Some("Polygon") => (
                o.get("coordinates").and_then(Json::as_array),
                "; Polygon.coordinates should contain at least 3 lon/lat pairs",
            ),
            _ => {
                let message = "; $polygon should be Polygon object or Array of Parse.GeoPoint's";
                return Err(bad(message));
            }
        };
        let corners = corners
            .filter(|c| c.len() >= 3)
            .ok_or_else(|| bad(message))?;
        if corners.iter().any(|corner| geo::point(corner).is_none()) {
            return Err(bad(""));
        }
        return Err(unsupported("$geoWithin.$polygon"));
    }
    let Some(circle) = object.get("$centerSphere") else {
        return Err(bad(""));
    };
    let Some([center, distance, ..]) = circle.as_array() else {
        return Err(bad(
            "; $centerSphere should be an array of Parse.GeoPoint and distance",
        ));
    };
    let center = geo::point(center).ok_or_else(|| bad("; $centerSphere geo point invalid"))?;
    let distance = distance.as_f64().filter(|d| *d >= 0.0);
    let distance = distance.ok_or_else(|| bad("; $centerSphere distance invalid"))?;
    Ok(Test::Near {
        center,
        radians_max: Some(distance),
    })
}

fn geo_intersects(json: &Json<'_>) -> Error {
    let point = json.as_object().and_then(|o| geo::point(o.get("$point")?));
    match point {
        // The word lacks its `s` in the protocol, and clients compare it.
        None => bad_json("bad $geoIntersect value; $point should be GeoPoint"),
        Some(_) => unsupported("$geoIntersects"),
    }
}

fn text(json: &Json<'_>) -> Error {
    let search = json.as_object().and_then(|o| o.get("$search")?.as_object());
    let Some(search) = search else {
        return bad_json("bad $text: $search, should be object");
    };
    if search.text("$term").is_none_or(str::is_empty) {
        return bad_json("bad $text: $term, should be string");
    }
    let truthy = |key| search.get(key).filter(|json| json.truthy());
    if truthy("$language").is_some_and(|json| json.as_str().is_none()) {
        return bad_json("bad $text: $language, should be string");
    }
    for key in ["$caseSensitive", "$diacriticSensitive"] {
        if truthy(key).is_some_and(|json| !matches!(json, Json::Bool(_))) {
            return bad_json(format!("bad $text: {key}, should be boolean"));
        }
    }
    unsupported("$text")
}

fn in_query(
    decoder: &mut Decoder<'_>,
    path: &Path,
    operator: &str,
    json: &Json<'_>,
) -> Result<Clause> {
    let bad = || {
        fail(
            Reason::InvalidQuery,
            format!("improper usage of {operator}"),
        )
    };
    let object = json.as_object().ok_or_else(bad)?;
    if object.get("where").is_none() {
        return Err(bad());
    }
    let query = Box::new(decoder.subquery(object, bad)?);
    Ok(Clause::Where(Where::InQuery {
        path: path.clone(),
        query,
        negated: operator == "$notInQuery",
    }))
}

fn select(
    decoder: &mut Decoder<'_>,
    path: &Path,
    operator: &str,
    json: &Json<'_>,
) -> Result<Clause> {
    let bad = || {
        fail(
            Reason::InvalidQuery,
            format!("improper usage of {operator}"),
        )
    };
    let object = json.as_object().filter(|o| o.len() == 2).ok_or_else(bad)?;
    let key = object.text("key").ok_or_else(bad)?;
    let inner = object.get("query").and_then(Json::as_object);
    let key = self::path(&decoder.cx, key)?;
    let query = Box::new(decoder.subquery(inner.ok_or_else(bad)?, bad)?);
    Ok(Clause::Where(Where::Select {
        path: path.clone(),
        key,
        query,
        negated: operator == "$dontSelect",
    }))
}
