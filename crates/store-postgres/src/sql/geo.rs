//! Tests on geo points. A box narrows them, which an index on latitude and longitude serves without
//! any extension; distances are computed by the evaluator, since no two libraries agree on the last
//! bit of a sine.

use super::binds::Binds;
use super::filter::{bound, exists, explicit_null};
use crate::row::Param;
use crate::schema::Column;
use basalt_base::{GeoPoint, Value};
use basalt_store::Test;
use basalt_store::plan::{Area, Condition};
use std::f64::consts::PI;

/// The condition of a positive test.
pub(super) fn condition(column: &Column, test: &Test, binds: &mut Binds) -> Condition {
    let name = column.physical();
    match test {
        Test::Exists(wanted) => exists(&format!("{name}_lat"), column, *wanted),
        Test::Eq(Value::Null) => Condition::exact(format!("{name}_lat IS NULL")),
        Test::Eq(Value::Geo(point)) => {
            let lat = bound(binds, Param::Double(point.latitude));
            let lng = bound(binds, Param::Double(point.longitude));
            Condition::exact(format!("({name}_lat = {lat} AND {name}_lng = {lng})"))
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

/// The points in the box, edges included.
fn inside(column: &Column, area: &Area, binds: &mut Binds) -> String {
    let name = column.physical();
    let mut between = |suffix: &str, from: f64, to: f64| {
        let from = bound(binds, Param::Double(from));
        let to = bound(binds, Param::Double(to));
        format!("{name}_{suffix} BETWEEN {from} AND {to}")
    };
    let latitudes = between("lat", area.south, area.north);
    match area.longitudes {
        None => latitudes,
        Some((west, east)) => format!("({latitudes} AND {})", between("lng", west, east)),
    }
}

fn within(column: &Column, sw: GeoPoint, ne: GeoPoint, binds: &mut Binds) -> Condition {
    let area = Area {
        south: sw.latitude,
        north: ne.latitude,
        longitudes: Some((sw.longitude, ne.longitude)),
    };
    Condition::exact(inside(column, &area, binds))
}

fn near(column: &Column, center: GeoPoint, radians: f64, binds: &mut Binds) -> Condition {
    if radians.is_nan() || radians < 0.0 {
        return Condition::constant(false);
    }
    if radians >= PI {
        return Condition::superset(format!("{}_lat IS NOT NULL", column.physical()));
    }
    Condition::superset(inside(column, &Area::around(center, radians), binds))
}
