//! Tests on geo points. The R*Tree narrows them to a box, and the columns decide exactly.

use super::binds::Binds;
use super::filter::{exists, explicit_null};
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
            binds.push(point.latitude);
            binds.push(point.longitude);
            Condition::exact(format!("({name}_lat = ? AND {name}_lng = ?)"))
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

/// The rows of the R*Tree that touch the box.
fn in_tree(column: &Column, area: &Area, binds: &mut Binds) -> String {
    binds.push(area.north);
    binds.push(area.south);
    let mut sql = format!(
        "_n IN (SELECT n FROM {} WHERE lat0 <= ? AND lat1 >= ?",
        crate::schema::tree(column)
    );
    if let Some((west, east)) = area.longitudes {
        binds.push(east);
        binds.push(west);
        sql.push_str(" AND lng0 <= ? AND lng1 >= ?");
    }
    sql.push(')');
    sql
}

fn within(column: &Column, sw: GeoPoint, ne: GeoPoint, binds: &mut Binds) -> Condition {
    let area = Area::between(sw, ne);
    let tree = in_tree(column, &area, binds);
    let name = column.physical();
    for edge in [sw.latitude, ne.latitude, sw.longitude, ne.longitude] {
        binds.push(edge);
    }
    Condition::exact(format!(
        "({tree} AND {name}_lat BETWEEN ? AND ? AND {name}_lng BETWEEN ? AND ?)"
    ))
}

fn near(column: &Column, center: GeoPoint, radians: f64, binds: &mut Binds) -> Condition {
    let name = column.physical();
    if radians.is_nan() || radians < 0.0 {
        return Condition::constant(false);
    }
    let mut sql = "(".to_owned();
    if radians < PI {
        sql.push_str(&in_tree(column, &Area::around(center, radians), binds));
        sql.push_str(" AND ");
    }
    for number in [center.latitude, center.longitude, radians] {
        binds.push(number);
    }
    Condition::exact(format!("{sql}geo_dist({name}_lat, {name}_lng, ?, ?) <= ?)"))
}
