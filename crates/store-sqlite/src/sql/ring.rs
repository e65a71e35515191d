//! The nearest few: looking in growing circles instead of sorting everything by distance.

use crate::schema::{Layout, Shape};
use basalt_store::{FieldRef, Filter, Query, SortKey, Test};

/// The radii that are tried, in radians: 600 m, 6 km, 60 km, 600 km, 3,800 km.
const RADII: [f64; 5] = [0.000_1, 0.001, 0.01, 0.1, 0.6];

/// The same query within growing circles. One that yields as many objects as were asked for has
/// the answer of the whole query, since everything outside of its circle is farther away. Empty
/// when the query does not ask for the nearest few.
pub(crate) fn narrowed<'a>(
    layout: &Layout,
    query: &'a Query,
) -> Box<dyn Iterator<Item = Query> + 'a> {
    let nothing = || Box::new(std::iter::empty());
    let Some(first) = query.sort.first() else {
        return nothing();
    };
    let SortKey::Distance(path, center) = &first.key else {
        return nothing();
    };
    let FieldRef::Named(name) = &path.root else {
        return nothing();
    };
    let geo = layout.column(name).is_some_and(|c| c.shape == Shape::Geo);
    let few = query.limit.is_some_and(|limit| limit > 0);
    if first.descending || !few || !geo || !path.rest.is_empty() {
        return nothing();
    }
    Box::new(RADII.into_iter().map(move |radians| {
        let near = Test::Near {
            center: *center,
            radians_max: Some(radians),
        };
        let mut narrower = query.clone();
        narrower.filter = Filter::Test(path.clone(), near).and(narrower.filter);
        narrower
    }))
}
