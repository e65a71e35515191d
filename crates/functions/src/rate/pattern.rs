//! Patterns of paths: `/functions/:name`, `/classes/*rest`, `/users{/:id}`.

use basalt_base::{Error, Reason, Result};
use fancy_regex::Regex;
use std::sync::Arc;

/// A pattern of paths.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Box<str>,
    regex: Arc<Regex>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Pattern {
    /// Reads a pattern: `:name` stands for a segment, `*name` for anything, `{…}` for what may be
    /// left out, `\` takes the meaning from the next character. Letters match in both cases, and a
    /// slash may follow. Errors: `InvalidSetting`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::new(
                Reason::InvalidSetting,
                format!("The path pattern {text:?} {why}."),
            )
        };
        let mut regex = "(?is)^".to_owned();
        let mut chars = text.chars().peekable();
        let mut open = 0_usize;
        while let Some(c) = chars.next() {
            match c {
                ':' | '*' => {
                    let mut name = String::new();
                    while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                        name.push(c);
                    }
                    if name.is_empty() {
                        return Err(wrong("has a `:` or `*` without a name"));
                    }
                    regex.push_str(if c == ':' { "[^/]+" } else { ".+" });
                }
                '{' => {
                    open += 1;
                    regex.push_str("(?:");
                }
                '}' if open > 0 => {
                    open -= 1;
                    regex.push_str(")?");
                }
                '(' | ')' | '[' | ']' | '+' | '?' | '!' | '}' => {
                    return Err(wrong("has a character that must follow a `\\`"));
                }
                '\\' => match chars.next() {
                    Some(c) => regex.push_str(&fancy_regex::escape(c.encode_utf8(&mut [0; 4]))),
                    None => return Err(wrong("ends in `\\`")),
                },
                c => regex.push_str(&fancy_regex::escape(c.encode_utf8(&mut [0; 4]))),
            }
        }
        if open > 0 {
            return Err(wrong("has a `{` without its `}`"));
        }
        regex.push_str("/?$");
        let regex = Regex::new(&regex).map_err(|_| wrong("is too large"))?;
        Ok(Self {
            text: text.into(),
            regex: Arc::new(regex),
        })
    }

    /// The pattern of one path and nothing else.
    pub fn exact(path: &str) -> Result<Self> {
        let mut text = String::with_capacity(path.len());
        for c in path.chars() {
            if ":*{}()[]+?!\\".contains(c) {
                text.push('\\');
            }
            text.push(c);
        }
        Self::parse(&text)
    }

    /// Whether the path is one of those.
    pub fn matches(&self, path: &str) -> bool {
        // A match that is given up counts as one: a limit is not evaded by an odd path.
        self.regex.is_match(path).unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_documented() {
        for (pattern, path, expected) in [
            ("/functions/a", "/functions/a", true),
            ("/functions/a", "/FUNCTIONS/a/", true),
            ("/functions/a", "/functions/ab", false),
            ("/functions/*name", "/functions/a/b", true),
            ("/functions/*name", "/functions", false),
            ("/classes/:name", "/classes/Post", true),
            ("/classes/:name", "/classes/Post/x", false),
            ("/users{/:id}", "/users", true),
            ("/users{/:id}", "/users/x", true),
            ("/a.b", "/axb", false),
            (r"/a\*", "/a*", true),
            ("/*path", "/anything/at/all", true),
        ] {
            assert_eq!(
                Pattern::parse(pattern).unwrap().matches(path),
                expected,
                "{pattern} {path}"
            );
        }
        for bad in ["/a/*", "/a/:", "/(a)", "/a+", "/{a", "/a}", "/a\\"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        assert!(
            Pattern::exact("/functions/a+b")
                .unwrap()
                .matches("/functions/a+b")
        );
    }
}
