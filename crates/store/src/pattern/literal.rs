//! The literal start of an anchored pattern.

use super::PatternOptions;

/// What every match starts with.
#[derive(Clone, Debug)]
pub(super) struct Prefix {
    pub(super) text: String,
    /// Nothing else is in the pattern.
    pub(super) is_whole: bool,
}

/// The literal prefix of a pattern, or `None` where there is none to rely on.
pub(super) fn prefix(source: &str, options: PatternOptions) -> Option<Prefix> {
    if options.ignore_case || options.multi_line || options.extended {
        return None;
    }
    let body = source
        .strip_prefix('^')
        .or_else(|| source.strip_prefix("\\A"))?;
    let (text, rest) = literal_run(body);
    // `.*` and the like after it can match nothing; line ends don't matter to a test.
    let is_whole = rest.is_empty() || rest == ".*";
    // A choice could make the anchor optional; whether it really does is not worth finding out.
    if !is_whole && (rest.contains('|') || text.is_empty()) {
        return None;
    }
    Some(Prefix { text, is_whole })
}

/// The text that an unanchored pattern is, when there is nothing else to it.
pub(super) fn literal(source: &str, options: PatternOptions) -> Option<String> {
    if options.ignore_case || options.extended {
        return None;
    }
    let (text, rest) = literal_run(source);
    rest.is_empty().then_some(text)
}

/// The literal characters at the start, and what follows them.
fn literal_run(body: &str) -> (String, &str) {
    let mut text = String::new();
    let mut rest = body;
    loop {
        let Some((literal, after)) = one(rest) else {
            return (text, rest);
        };
        if after.starts_with(['*', '?', '+', '{']) {
            // The last character is repeated or optional, so it is no part of the prefix. Of a
            // quoted run only the last one is.
            let kept = literal.char_indices().last().map_or(0, |(at, _)| at);
            text.push_str(&literal[..kept]);
            return (text, rest);
        }
        text.push_str(&literal);
        rest = after;
    }
}

/// One literal at the start: a plain or escaped character, or a quoted run.
fn one(rest: &str) -> Option<(std::borrow::Cow<'_, str>, &str)> {
    let c = rest.chars().next()?;
    let tail = &rest[c.len_utf8()..];
    match c {
        '\\' => {
            if let Some(quoted) = tail.strip_prefix('Q') {
                let (quoted, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
                return Some((quoted.into(), after));
            }
            if let Some(after) = tail.strip_prefix('E') {
                return Some(("".into(), after));
            }
            let escaped = tail.chars().next()?;
            (escaped.is_ascii_punctuation() || escaped == ' ').then(|| {
                let after = &tail[escaped.len_utf8()..];
                (escaped.to_string().into(), after)
            })
        }
        '.' | '^' | '$' | '*' | '+' | '?' | '(' | ')' | '[' | '{' | '|' => None,
        _ => Some((rest[..c.len_utf8()].into(), tail)),
    }
}
