//! One form for what is the same in every store, to hash it.
//!
//! Stores may keep the keys of a nested map in an order of their own, and not all tell -0 from 0.

use basalt_base::{GeoPoint, Map, Value};
use basalt_store::{Record, codec};
use std::borrow::Cow;

/// The text that is hashed for an object.
pub(crate) fn record_text(record: &Record) -> String {
    let plain = record.fields.iter().all(|(_, value)| is_canonical(value));
    if plain {
        return codec::encode_portable(record);
    }
    let mut record = record.clone();
    for (_, value) in &mut record.fields {
        make_canonical(value);
    }
    codec::encode_portable(&record)
}

/// The same value in its canonical form.
pub(crate) fn value(value: &Value) -> Cow<'_, Value> {
    if is_canonical(value) {
        return Cow::Borrowed(value);
    }
    let mut own = value.clone();
    make_canonical(&mut own);
    Cow::Owned(own)
}

fn is_canonical(value: &Value) -> bool {
    match value {
        Value::Map(map) => map.keys().is_sorted() && map.values().all(is_canonical),
        Value::Array(items) => items.iter().all(is_canonical),
        Value::Geo(point) => !has_negative_zero(point),
        Value::Polygon(points) => !points.iter().any(has_negative_zero),
        _ => true,
    }
}

fn has_negative_zero(point: &GeoPoint) -> bool {
    let is = |n: f64| n == 0.0 && n.is_sign_negative();
    is(point.latitude) || is(point.longitude)
}

fn make_canonical(value: &mut Value) {
    match value {
        Value::Map(map) => {
            map.sort_unstable_keys();
            Map::values_mut(map).for_each(make_canonical);
        }
        Value::Array(items) => items.iter_mut().for_each(make_canonical),
        Value::Geo(point) => *point = positive_zero(*point),
        Value::Polygon(points) => points.iter_mut().for_each(|p| *p = positive_zero(*p)),
        _ => {}
    }
}

/// Adding 0 turns -0 into 0 and leaves everything else.
fn positive_zero(point: GeoPoint) -> GeoPoint {
    GeoPoint {
        latitude: point.latitude + 0.0,
        longitude: point.longitude + 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_keys_and_sign_of_zero_do_not_count() {
        let text = |json: &str| {
            let value = codec::decode(json).unwrap();
            codec::encode_to_string(&super::value(&value))
        };
        assert_eq!(
            text(r#"[{"b":1,"a":{"d":2,"c":3}}]"#),
            r#"[{"a":{"c":3,"d":2},"b":1}]"#
        );
        let point = Value::Geo(GeoPoint {
            latitude: -0.0,
            longitude: 1.5,
        });
        assert_eq!(
            codec::encode_to_string(&super::value(&point)),
            r#"{"$g":[0.0,1.5]}"#
        );
    }
}
