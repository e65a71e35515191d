//! The nearest few: looking in growing circles instead of sorting everything by distance.

use crate::{FieldRef, Filter, Query, SortKey, Test};

/// The radii that are tried, in radians: 600 m, 6 km, 60 km, 600 km, 3,800 km.
const RADII: [f64; 5] = [0.000_1, 0.001, 0.01, 0.1, 0.6];

/// The same query within growing circles. One that yields as many objects as were asked for has
/// the answer of the whole query, since everything outside of its circle is farther away. Empty
/// when the query does not ask for the nearest few by a geo point column.
pub fn narrowed(query: &Query, is_geo: impl FnOnce(&str) -> bool) -> impl Iterator<Item = Query> {
    let near = query.sort.first().and_then(|first| match &first.key {
        SortKey::Distance(path, center) if !first.descending && path.rest.is_empty() => {
            Some((path, *center))
        }
        _ => None,
    });
    let near = near.filter(|(path, _)| {
        let few = query.limit.is_some_and(|limit| limit > 0);
        few && matches!(&path.root, FieldRef::Named(name) if is_geo(name))
    });
    near.into_iter().flat_map(move |(path, center)| {
        RADII.into_iter().map(move |radians| {
            let near = Test::Near {
                center,
                radians_max: Some(radians),
            };
            let mut narrower = query.clone();
            narrower.filter = Filter::Test(path.clone(), near).and(narrower.filter);
            narrower
        })
    })
}
