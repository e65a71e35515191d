//! Positions in their several spellings.

use super::fail;
use crate::json::{Json, Object};
use basalt_base::{GeoPoint, Reason, Result};

/// `latitude` and `longitude` in range.
pub fn fields(object: &Object<'_>) -> Option<GeoPoint> {
    let latitude = object.get("latitude")?.as_f64()?;
    GeoPoint::new(latitude, object.get("longitude")?.as_f64()?)
}

/// A geo point object, or `[longitude, latitude]` as queries may spell it.
pub fn point(json: &Json<'_>) -> Option<GeoPoint> {
    match json {
        Json::Object(object) => match object.get("__type") {
            None => fields(object),
            Some(ty) if ty.as_str() == Some("GeoPoint") => fields(object),
            Some(_) => None,
        },
        Json::Array(pair) => match pair.as_slice() {
            [longitude, latitude] => GeoPoint::new(latitude.as_f64()?, longitude.as_f64()?),
            _ => None,
        },
        _ => None,
    }
}

/// A polygon from `[[latitude, longitude] …]`, closed if it is not.
pub fn polygon(corners: &[Json<'_>]) -> Result<Vec<GeoPoint>> {
    let corner = |json: &Json<'_>| match json.as_array()? {
        [latitude, longitude] => GeoPoint::new(latitude.as_f64()?, longitude.as_f64()?),
        _ => None,
    };
    let points: Option<Vec<GeoPoint>> = corners.iter().map(corner).collect();
    let mut points =
        points.ok_or_else(|| fail(Reason::IncorrectType, "This is not a valid Polygon"))?;
    if points.first() != points.last() {
        points.extend(points.first().copied());
    }
    // Three corners that differ; stops looking as soon as they are found.
    let mut distinct: Vec<GeoPoint> = Vec::with_capacity(3);
    for point in &points {
        if distinct.len() < 3 && !distinct.contains(point) {
            distinct.push(*point);
        }
    }
    if distinct.len() < 3 {
        let message = "GeoJSON: Loop must have at least 3 different vertices";
        return Err(fail(Reason::IncorrectType, message));
    }
    Ok(points)
}
