//! ACL lists as TEXT[]: the tokens.

use super::param::Param;
use crate::error::corrupt;
use crate::text::{original, stored};
use basalt_base::Result;
use basalt_store::{AclEntry, Principals};

/// The stored form of a list.
pub(super) fn encode(entries: Option<&[AclEntry]>) -> Param {
    match entries {
        None => Param::Null,
        Some(entries) => {
            let tokens = entries.iter().map(|e| stored(&e.token()).into_owned());
            Param::Texts(tokens.collect())
        }
    }
}

/// The tokens that a list is compared with.
pub(crate) fn principals(principals: &Principals) -> Param {
    let tokens = principals.tokens().iter();
    Param::Texts(tokens.map(|t| stored(t).into_owned()).collect())
}

/// The list from the binary form of an array: dimensions, a flag, the type; the length and lower
/// bound of each dimension; then each element with its length in front.
pub(super) fn decode(raw: &[u8]) -> Result<Vec<AclEntry>> {
    let broken = || corrupt("an ACL");
    let (head, mut rest) = raw.split_first_chunk::<12>().ok_or_else(broken)?;
    let dimensions = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    if dimensions == 0 {
        return Ok(Vec::new());
    }
    let (bounds, elements) = rest.split_first_chunk::<8>().ok_or_else(broken)?;
    rest = elements;
    let count = u32::from_be_bytes([bounds[0], bounds[1], bounds[2], bounds[3]]);
    let mut entries = Vec::with_capacity(count.min(64) as usize);
    for _ in 0..count {
        let (len, after) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
        let len = u32::from_be_bytes(*len) as usize;
        let (token, after) = after.split_at_checked(len).ok_or_else(broken)?;
        rest = after;
        let token = std::str::from_utf8(token).map_err(|_| broken())?;
        entries.push(AclEntry::from_token(&original(token)).ok_or_else(broken)?);
    }
    Ok(entries)
}
