//! Orders as ORDER BY.

use super::binds::Binds;
use crate::schema::{Layout, Shape};
use basalt_store::{FieldRef, Sort, SortKey};
use std::fmt::Write;

/// The ORDER BY list, ending with the row number; `None` when SQL can't give that order.
pub(super) fn order(layout: &Layout, sort: &[Sort], binds: &mut Binds) -> Option<String> {
    let mark = binds.mark();
    let mut out = String::new();
    for level in sort {
        if push_level(layout, level, binds, &mut out).is_none() {
            binds.back_to(mark);
            return None;
        }
    }
    out.push_str(ties(sort));
    Some(out)
}

/// What orders objects that the levels leave tied, as [`basalt_store::Query::sort`] has it.
pub(super) fn ties(sort: &[Sort]) -> &'static str {
    match sort.last() {
        Some(level) if level.descending => "_n DESC",
        _ => "_n",
    }
}

fn push_level(layout: &Layout, level: &Sort, binds: &mut Binds, out: &mut String) -> Option<()> {
    let direction = if level.descending { " DESC" } else { "" };
    match &level.key {
        SortKey::Path(path) if path.rest.is_empty() => match &path.root {
            FieldRef::Id => write!(out, "_id{direction}, ").ok(),
            FieldRef::CreatedAt => write!(out, "_created{direction}, ").ok(),
            FieldRef::UpdatedAt => write!(out, "_updated{direction}, ").ok(),
            FieldRef::Named(name) => match layout.column(name) {
                // A field that nothing has puts nothing in order.
                None => Some(()),
                Some(column) => match column.shape {
                    Shape::Nothing => Some(()),
                    Shape::Json | Shape::Geo | Shape::File => None,
                    _ => write!(out, "c{}{direction}, ", column.id.0).ok(),
                },
            },
        },
        SortKey::Distance(path, center) if path.rest.is_empty() => {
            let FieldRef::Named(name) = &path.root else {
                return None;
            };
            let column = layout.column(name).filter(|c| c.shape == Shape::Geo)?;
            let c = column.physical();
            binds.push(center.latitude);
            binds.push(center.longitude);
            // Objects without a point come last in both directions.
            write!(
                out,
                "{c}_lat IS NULL, geo_dist({c}_lat, {c}_lng, ?, ?){direction}, "
            )
            .ok()
        }
        SortKey::Path(_) | SortKey::Distance(..) => None,
    }
}
