//! How deep hooks are within each other. A webhook is told its depth in a header and in the context;
//! one that writes back hands on either, and is counted.

use basalt_base::{Map, Value};

/// The header that carries the depth, both ways.
pub const DEPTH_HEADER: &str = "x-basalt-hook-depth";
/// The key of the context that carries the depth, for SDKs that set no headers.
pub const DEPTH_KEY: &str = "basaltHookDepth";

/// How deep a call is by what it brought along. A client that claims a depth only limits itself.
pub fn depth_of(header: Option<&str>, context: &Map) -> usize {
    let header = header.and_then(|text| text.trim().parse().ok());
    let handed = match context.get(DEPTH_KEY) {
        Some(Value::Int(n)) => usize::try_from(*n).ok(),
        _ => None,
    };
    header.unwrap_or(0).max(handed.unwrap_or(0))
}

/// The context with the depth at which the code runs.
pub(crate) fn with_depth(context: &Map, depth: usize) -> Map {
    let mut context = context.clone();
    let depth = i64::try_from(depth).unwrap_or(i64::MAX);
    context.insert(DEPTH_KEY.to_owned(), Value::Int(depth));
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deeper_claim_counts() {
        let map = with_depth(&Map::new(), 3);
        assert_eq!(depth_of(None, &map), 3);
        assert_eq!(depth_of(Some("5"), &map), 5);
        assert_eq!(depth_of(Some("-1"), &map), 3);
        let odd = Map::from_iter([(DEPTH_KEY.to_owned(), Value::from("9"))]);
        assert_eq!(depth_of(Some("x"), &odd), 0);
    }
}
