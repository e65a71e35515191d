//! ACL lists as text: the tokens joined by line feeds. Empty text is an empty list.

use crate::error::corrupt;
use basalt_base::Result;
use basalt_store::{AclEntry, Principals};
use std::borrow::Cow;

/// The stored form of a list.
pub(super) fn encode(entries: &[AclEntry]) -> String {
    let mut out = String::new();
    for (i, entry) in entries.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        let token = entry.token();
        if token.contains(['\n', '\\']) {
            out.push_str(&token.replace('\\', "\\\\").replace('\n', "\\n"));
        } else {
            out.push_str(&token);
        }
    }
    out
}

/// The list from its stored form.
pub(super) fn decode(text: &str) -> Result<Vec<AclEntry>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let entry = |token: &str| AclEntry::from_token(token).ok_or_else(|| corrupt("an ACL entry"));
    // Most lists have one entry.
    if !text.bytes().any(|b| b == b'\n' || b == b'\\') {
        return Ok(vec![entry(text)?]);
    }
    let tokens = text.split('\n').map(unescape);
    tokens.map(|token| entry(&token)).collect()
}

/// Whether a stored list lets one of the principals in.
pub(crate) fn allows(text: &[u8], principals: &Principals) -> bool {
    let is_one = |token: &[u8]| principals.tokens().iter().any(|t| t.as_bytes() == token);
    if text.is_empty() {
        return false;
    }
    if !text.contains(&b'\\') {
        return text.split(|byte| *byte == b'\n').any(is_one);
    }
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    text.split('\n')
        .any(|line| is_one(unescape(line).as_bytes()))
}

fn unescape(token: &str) -> Cow<'_, str> {
    if !token.contains('\\') {
        return Cow::Borrowed(token);
    }
    let mut out = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(if chars.next() == Some('n') {
                '\n'
            } else {
                '\\'
            }),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_back_as_they_were_also_with_awkward_names() {
        let entries = vec![
            AclEntry::Public,
            AclEntry::User("a\nb\\n".into()),
            AclEntry::Role("x y".into()),
        ];
        let text = encode(&entries);
        assert_eq!(decode(&text).unwrap(), entries);
        assert!(decode("").unwrap().is_empty());
        let me = Principals::new([AclEntry::User("a\nb\\n".into())]);
        assert!(allows(text.as_bytes(), &me));
        assert!(!allows(b"u:a", &me));
        assert!(!allows(b"", &me));
    }
}
