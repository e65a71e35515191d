//! Orders as ORDER BY.

use crate::schema::{Layout, Shape};
use basalt_store::{FieldRef, Sort, SortKey};
use std::fmt::Write;

/// The ORDER BY list, ending with the row number; `None` when SQL can't give that order. Indexes on
/// fields have nulls first when they ascend, and last when they descend, as here.
pub(super) fn order(layout: &Layout, sort: &[Sort]) -> Option<String> {
    let mut out = String::new();
    for level in sort {
        push_level(layout, level, &mut out)?;
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

fn push_level(layout: &Layout, level: &Sort, out: &mut String) -> Option<()> {
    let SortKey::Path(path) = &level.key else {
        return None;
    };
    if !path.rest.is_empty() {
        return None;
    }
    let direction = if level.descending { " DESC" } else { "" };
    match &path.root {
        FieldRef::Id => write!(out, "_id{direction}, ").ok(),
        FieldRef::CreatedAt => write!(out, "_created{direction}, ").ok(),
        FieldRef::UpdatedAt => write!(out, "_updated{direction}, ").ok(),
        FieldRef::Named(name) => match layout.column(name) {
            // A field that nothing has puts nothing in order.
            None => Some(()),
            Some(column) => match column.shape {
                Shape::Nothing => Some(()),
                Shape::Json | Shape::Geo | Shape::File => None,
                _ if level.descending => write!(out, "c{} DESC NULLS LAST, ", column.id.0).ok(),
                _ => write!(out, "c{} NULLS FIRST, ", column.id.0).ok(),
            },
        },
    }
}
