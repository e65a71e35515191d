//! Text that PostgreSQL can hold: it refuses U+0000, which clients may send.
//!
//! U+0000 becomes U+0001 U+0001 and U+0001 becomes U+0001 U+0002, so that order, equality and
//! prefixes stay as they are. Every text column and every text parameter goes through here; JSON
//! columns escape the texts within the same way.

use std::borrow::Cow;

/// The stored form.
pub(crate) fn stored(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|b| b < 2) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\0' => out.push_str("\u{1}\u{1}"),
            '\u{1}' => out.push_str("\u{1}\u{2}"),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The text from its stored form.
pub(crate) fn original(stored: &str) -> Cow<'_, str> {
    if !stored.contains('\u{1}') {
        return Cow::Borrowed(stored);
    }
    let mut out = String::with_capacity(stored.len());
    let mut chars = stored.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1}' if chars.next() == Some('\u{1}') => out.push('\0'),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_in_their_order() {
        let texts = [
            "", "\0", "\0\0", "\0\u{1}", "\0a", "\u{1}", "\u{1}\0", "\u{2}", "a", "a\0", "aa",
        ];
        let held: Vec<_> = texts.iter().map(|t| stored(t)).collect();
        assert!(held.is_sorted());
        assert!(held.iter().all(|t| !t.contains('\0')));
        assert!(texts.iter().zip(&held).all(|(t, h)| original(h) == *t));
    }
}
