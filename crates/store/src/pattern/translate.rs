//! From what clients write to the engine's syntax.

/// Rewrites `\Q..\E` to escaped text and escapes what PCRE and JavaScript take literally but the
/// engine does not: braces that are no repetition, and within classes `[`, `&&`, `--` and `~~`.
/// With `extended`, leaves out blanks and comments.
pub(super) fn translate(source: &str, extended: bool) -> String {
    let mut out = String::with_capacity(source.len() + 16);
    let mut rest = source;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let tail = &rest[c.len_utf8()..];
        rest = match c {
            '\\' => escape(tail, &mut out),
            '[' if in_class => class_bracket(tail, &mut out),
            '[' => {
                in_class = true;
                class_start(tail, &mut out)
            }
            ']' if in_class => {
                in_class = false;
                out.push(c);
                tail
            }
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
                tail
            }
            '-' if in_class && tail.starts_with('-') => {
                // One of the two is an end of a range: of the first, or of what is before them.
                if out.ends_with(['[', '^']) {
                    out.push_str("\\-");
                    tail
                } else {
                    out.push_str("-\\-");
                    &tail[1..]
                }
            }
            '{' if !in_class && !is_repetition(tail) => {
                out.push_str("\\{");
                tail
            }
            // Left out here and not by the engine, which would drop escaped blanks too.
            '#' if extended && !in_class => &rest[rest.find('\n').unwrap_or(rest.len())..],
            _ if extended && !in_class && c.is_whitespace() => tail,
            _ => {
                out.push(c);
                tail
            }
        };
    }
    out
}

/// Handles what follows a backslash; returns what is left.
fn escape<'a>(tail: &'a str, out: &mut String) -> &'a str {
    let Some(c) = tail.chars().next() else {
        // The engine refuses a lone backslash at the end.
        out.push('\\');
        return tail;
    };
    let after = &tail[c.len_utf8()..];
    match c {
        'Q' => {
            let (quoted, after) = after.split_once("\\E").unwrap_or((after, ""));
            quoted.chars().for_each(|c| push_literal(c, out));
            after
        }
        // An end of quoting without a start.
        'E' => after,
        'h' => {
            // Blanks in PCRE; a hexadecimal digit to the engine.
            out.push_str("[\\t\\x20\\x{A0}]");
            after
        }
        'p' | 'P' | 'x' | 'u' | 'k' | 'g' | 'o' if after.starts_with('{') => {
            // `\p{L}`: the braces belong to the escape.
            let end = after.find('}').map_or(after.len(), |at| at + 1);
            out.push('\\');
            out.push(c);
            out.push_str(&after[..end]);
            &after[end..]
        }
        '/' | '"' | '\'' | ' ' | '`' | '_' | '<' | '>' | ',' | ';' | ':' | '=' | '!' | '@'
        | '%' => {
            push_literal(c, out);
            after
        }
        _ => {
            out.push('\\');
            out.push(c);
            after
        }
    }
}

/// A character as itself, in and out of classes.
pub(super) fn push_literal(c: char, out: &mut String) {
    use std::fmt::Write as _;
    if c.is_alphanumeric() {
        out.push(c);
    } else {
        let _ = write!(out, "\\x{{{:X}}}", u32::from(c));
    }
}

/// After the `[` of a class: a `]` that comes first is literal.
fn class_start<'a>(tail: &'a str, out: &mut String) -> &'a str {
    out.push('[');
    let tail = match tail.strip_prefix('^') {
        Some(tail) => {
            out.push('^');
            tail
        }
        None => tail,
    };
    match tail.strip_prefix(']') {
        Some(tail) => {
            out.push_str("\\]");
            tail
        }
        None => tail,
    }
}

/// A `[` within a class: literal unless it starts a named class such as `[:alpha:]`.
fn class_bracket<'a>(tail: &'a str, out: &mut String) -> &'a str {
    if let Some(end) = tail.find(":]")
        && tail.starts_with(':')
        && tail[1..end]
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'^')
        && end > 1
    {
        out.push('[');
        out.push_str(&tail[..end + 2]);
        return &tail[end + 2..];
    }
    out.push_str("\\[");
    tail
}

/// Whether `{tail` reads `{n}`, `{n,}`, `{n,m}`.
fn is_repetition(tail: &str) -> bool {
    let Some((inside, _)) = tail.split_once('}') else {
        return false;
    };
    let (low, high) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    !low.is_empty() && digits(low) && digits(high)
}
