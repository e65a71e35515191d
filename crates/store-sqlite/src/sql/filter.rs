//! Filters as conditions.

use super::binds::Binds;
use crate::schema::Layout;
use basalt_store::Filter;

/// A condition: its text, and whether it holds for exactly the objects that the filter matches or
/// for more of them.
pub(crate) struct Condition {
    pub(crate) text: String,
    pub(crate) exact: bool,
}

/// The condition of a filter.
pub(crate) fn condition(_layout: &Layout, filter: &Filter, _binds: &mut Binds) -> Condition {
    Condition {
        text: "1".to_owned(),
        exact: matches!(filter, Filter::Everything),
    }
}
