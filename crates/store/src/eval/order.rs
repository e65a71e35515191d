//! The total order of values, and sorting by it.

use super::path::{Fields, Root, any_below, first};
use crate::{Path, Record, Sort, SortKey};
use basalt_base::{GeoPoint, Map, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

/// The total order of [`SortKey::Path`]: missing and null, numbers, decimals, text, maps, arrays,
/// bytes, references, booleans, times, geo points, polygons, files.
///
/// Within a family: maps by their keys in byte order and the values under them, arrays by their
/// elements, references by id, geo points by latitude, files by name. Equal means equal as values.
pub fn compare_for_sort(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    let (a, b) = (a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null));
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            let pairs = a.iter().zip(b);
            first_difference(pairs.map(|(a, b)| compare_for_sort(Some(a), Some(b))))
                .then_with(|| a.len().cmp(&b.len()))
        }
        (Value::Map(a), Value::Map(b)) => compare_maps(a, b),
        (Value::Geo(a), Value::Geo(b)) => compare_points(a, b),
        (Value::Polygon(a), Value::Polygon(b)) => {
            let pairs = a.iter().zip(b);
            first_difference(pairs.map(|(a, b)| compare_points(a, b)))
                .then_with(|| a.len().cmp(&b.len()))
        }
        (Value::File(a), Value::File(b)) => a.name.cmp(&b.name),
        (Value::Decimal(a), Value::Decimal(b)) => {
            // Nearest doubles first; the text breaks ties, so that the order stays total.
            let number = |text: &str| text.parse::<f64>().unwrap_or(0.0);
            number(a).total_cmp(&number(b)).then_with(|| a.cmp(b))
        }
        _ => match a.compare(b) {
            Some(order) => order,
            None => family(a).cmp(&family(b)),
        },
    }
}

fn family(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Int(_) | Value::Double(_) => 1,
        Value::Decimal(_) => 2,
        Value::String(_) => 3,
        Value::Map(_) => 4,
        Value::Array(_) => 5,
        Value::Bytes(_) => 6,
        Value::Reference(_) => 7,
        Value::Bool(_) => 8,
        Value::Timestamp(_) => 9,
        Value::Geo(_) => 10,
        Value::Polygon(_) => 11,
        Value::File(_) => 12,
    }
}

fn first_difference(mut orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders.find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

fn compare_maps(a: &Map, b: &Map) -> Ordering {
    let pairs = by_key(a).into_iter().zip(by_key(b));
    first_difference(pairs.map(|((a_key, a), (b_key, b))| {
        a_key
            .cmp(b_key)
            .then_with(|| compare_for_sort(Some(a), Some(b)))
    }))
    .then_with(|| a.len().cmp(&b.len()))
}

fn by_key(map: &Map) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}

fn compare_points(a: &GeoPoint, b: &GeoPoint) -> Ordering {
    // Adding zero makes -0.0 and 0.0 the same, as equality has it.
    let order = |a: f64, b: f64| (a + 0.0).total_cmp(&(b + 0.0));
    order(a.latitude, b.latitude).then_with(|| order(a.longitude, b.longitude))
}

/// Sorts objects; the given order breaks ties.
pub fn sort_records(records: &mut [Record], sort: &[Sort]) {
    sort_fields(records, sort);
}

/// Sorts documents of a pipeline; the given order breaks ties.
pub fn sort_maps(documents: &mut [Map], sort: &[Sort]) {
    sort_fields(documents, sort);
}

enum Key<'a> {
    Value(Option<Cow<'a, Value>>),
    /// In radians; `None` when there is no point, which comes last in both directions.
    Distance(Option<f64>),
}

fn key<'a, F: Fields>(fields: &'a F, sort: &Sort) -> Key<'a> {
    match &sort.key {
        SortKey::Path(path) => Key::Value(first(fields, path)),
        SortKey::Distance(path, center) => Key::Distance(distance(fields, path, *center)),
    }
}

fn distance<F: Fields>(fields: &F, path: &Path, center: GeoPoint) -> Option<f64> {
    let Root::Value(value) = fields.root(&path.root) else {
        return None;
    };
    let mut nearest: Option<f64> = None;
    let _ = any_below(value, &path.rest, &mut |value| {
        if let Value::Geo(point) = value {
            let radians = point.radians_to(center);
            nearest = Some(nearest.map_or(radians, |n| n.min(radians)));
        }
        Ok(false)
    });
    nearest
}

fn compare_keys(a: &Key<'_>, b: &Key<'_>, descending: bool) -> Ordering {
    let directed = |order: Ordering| if descending { order.reverse() } else { order };
    match (a, b) {
        (Key::Value(a), Key::Value(b)) => directed(compare_for_sort(a.as_deref(), b.as_deref())),
        (Key::Distance(Some(a)), Key::Distance(Some(b))) => directed(a.total_cmp(b)),
        (Key::Distance(a), Key::Distance(b)) => b.is_some().cmp(&a.is_some()),
        // Both keys come from the same level, so they are of one kind.
        _ => Ordering::Equal,
    }
}

fn sort_fields<F: Fields>(items: &mut [F], sort: &[Sort]) {
    if sort.is_empty() || items.len() < 2 {
        return;
    }
    let keys: Vec<Vec<Key<'_>>> = items
        .iter()
        .map(|item| sort.iter().map(|level| key(item, level)).collect())
        .collect();
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|&a, &b| {
        let levels = sort.iter().zip(keys[a].iter().zip(&keys[b]));
        first_difference(levels.map(|(level, (a, b))| compare_keys(a, b, level.descending)))
    });
    drop(keys);
    permute(items, order);
}

/// Puts `items[order[i]]` at `i`, each item moved once along its cycle.
fn permute<T>(items: &mut [T], mut order: Vec<usize>) {
    for start in 0..order.len() {
        let mut at = start;
        while order[at] != start {
            let next = order[at];
            items.swap(at, next);
            order[at] = at;
            at = next;
        }
        order[at] = at;
    }
}
