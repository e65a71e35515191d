//! Tests on geo points. A box narrows them, by the index on `point(lng, lat)`, which needs no
//! extension; distances are computed by the evaluator, since no two libraries agree on the last bit
//! of a sine.

use super::binds::Binds;
use super::filter::{bound, exists, explicit_null};
use crate::row::Param;
use crate::schema::Column;
use basalt_base::{GeoPoint, Value};
use basalt_store::Test;
use basalt_store::plan::{Area, Condition};
use std::f64::consts::PI;

/// Degrees by which PostgreSQL's own comparisons of points may be off, and more.
const FUZZ: f64 = 1e-5;

/// The expression that a geo index is on.
pub(crate) fn indexed(column: &Column) -> String {
    let id = column.id.0;
    format!("point(c{id}_lng, c{id}_lat)")
}

/// The condition of a positive test.
pub(super) fn condition(column: &Column, test: &Test, binds: &mut Binds) -> Condition {
    let name = column.physical();
    match test {
        Test::Exists(wanted) => exists(&format!("{name}_lat"), column, *wanted),
        Test::Eq(Value::Null) => Condition::exact(format!("{name}_lat IS NULL")),
        Test::Eq(Value::Geo(point)) => {
            let area = around(column, &Area::between(*point, *point), binds);
            let lat = bound(binds, Param::Double(point.latitude));
            let lng = bound(binds, Param::Double(point.longitude));
            Condition::exact(format!(
                "({area} AND {name}_lat = {lat} AND {name}_lng = {lng})"
            ))
        }
        Test::In(values) if values.len() <= 100 => Condition::any(
            values
                .iter()
                .map(|value| condition(column, &Test::Eq(value.clone()), binds))
                .collect(),
        ),
        Test::Near {
            radians_max: None, ..
        } => Condition::exact(format!("{name}_lat IS NOT NULL")),
        Test::Near {
            center,
            radians_max: Some(radians),
        } => near(column, *center, *radians, binds),
        Test::WithinBox {
            south_west,
            north_east,
        } => within(column, *south_west, *north_east, binds),
        Test::Lte(Value::Null) | Test::Gte(Value::Null) => Condition::exact(explicit_null(column)),
        Test::All(_) | Test::In(_) | Test::Ne(_) | Test::NotIn(_) | Test::Not(_) => {
            Condition::unknown()
        }
        _ => Condition::constant(false),
    }
}

/// The points in a slightly larger box.
fn around(column: &Column, area: &Area, binds: &mut Binds) -> String {
    let (west, east) = area.longitudes.unwrap_or((-200.0, 200.0));
    let edges = [
        west - FUZZ,
        area.south - FUZZ,
        east + FUZZ,
        area.north + FUZZ,
    ];
    let [west, south, east, north] = edges.map(|edge| bound(binds, Param::Double(edge)));
    let point = indexed(column);
    format!("{point} <@ box(point({west}, {south}), point({east}, {north}))")
}

fn within(column: &Column, sw: GeoPoint, ne: GeoPoint, binds: &mut Binds) -> Condition {
    let name = column.physical();
    let area = around(column, &Area::between(sw, ne), binds);
    let edges = [sw.latitude, ne.latitude, sw.longitude, ne.longitude];
    let [south, north, west, east] = edges.map(|edge| bound(binds, Param::Double(edge)));
    let lat = format!("{name}_lat BETWEEN {south} AND {north}");
    let lng = format!("{name}_lng BETWEEN {west} AND {east}");
    Condition::exact(format!("({area} AND {lat} AND {lng})"))
}

fn near(column: &Column, center: GeoPoint, radians: f64, binds: &mut Binds) -> Condition {
    if radians.is_nan() || radians < 0.0 {
        return Condition::constant(false);
    }
    if radians >= PI {
        return Condition::superset(format!("{}_lat IS NOT NULL", column.physical()));
    }
    Condition::superset(around(column, &Area::around(center, radians), binds))
}
