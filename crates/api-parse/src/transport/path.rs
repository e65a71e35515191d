//! Paths: the only place where double slashes are folded and segments are decoded, once.

use crate::decode::fail;
use basalt_base::{Reason, Result};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Longest path in segments; the deepest route has three.
const SEGMENTS_MAX: usize = 16;

/// Splits a raw target into its path and its query.
pub fn split(target: &str) -> (&str, &str) {
    target.split_once('?').unwrap_or((target, ""))
}

/// The decoded segments of a raw path, empty ones left out. Errors: `RouteNotFound`.
pub fn segments(path: &str) -> Result<Vec<Cow<'_, str>>> {
    let not_found = || fail(Reason::RouteNotFound, "The path can't be routed.");
    let mut segments = Vec::with_capacity(4);
    for raw in path.split('/').filter(|raw| !raw.is_empty()) {
        let segment = percent_decode_str(raw).decode_utf8();
        let segment = segment.map_err(|_| not_found())?;
        if segments.len() == SEGMENTS_MAX || segment.chars().any(char::is_control) {
            return Err(not_found());
        }
        segments.push(segment);
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_folded_and_decoded_once() {
        let list = |path| segments(path).map(|s| s.join("|")).ok();
        assert_eq!(list("//classes///Post/"), Some("classes|Post".to_owned()));
        assert_eq!(list("/a%2Fb/%2541"), Some("a/b|%41".to_owned()));
        assert_eq!(list("/a%00b"), None);
        assert_eq!(list("/a%0d%0ab"), None);
        assert_eq!(list("/%ff"), None);
        assert_eq!(list(&"/a".repeat(17)), None);
    }
}
