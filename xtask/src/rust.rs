//! Enough of Rust's lexical grammar to tell code from strings and comments.

/// A string literal or a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Line of its first character, from 1.
    pub line: usize,
    /// What stands between the delimiters, escapes not resolved.
    pub text: String,
}

/// A source file taken apart.
#[derive(Debug, Default)]
pub struct Source {
    /// The text with strings, characters and comments replaced by blanks; lines keep their numbers.
    pub code: String,
    /// String literals of every kind.
    pub strings: Vec<Span>,
    /// Comments, documentation included.
    pub comments: Vec<Span>,
}

/// Takes a source text apart. Never fails: an unterminated literal runs to the end.
pub fn scan(text: &str) -> Source {
    let mut scanner = Scanner {
        chars: text.chars().collect(),
        at: 0,
        line: 1,
        out: Source::default(),
    };
    scanner.run();
    scanner.out
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    line: usize,
    out: Source,
}

impl Scanner {
    fn run(&mut self) {
        while let Some(here) = self.peek(0) {
            match here {
                '/' if self.peek(1) == Some('/') => self.line_comment(),
                '/' if self.peek(1) == Some('*') => self.block_comment(),
                '"' => self.string(),
                '\'' => self.quote(),
                'r' if !self.after_word() => self.raw_or_word(),
                _ => self.keep(),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// Whether the character before belongs to a word, so that an `r` here opens no raw string.
    /// The `b` and `c` of `br"…"` and `cr"…"` are prefixes, not words.
    fn after_word(&self) -> bool {
        let word = |at: usize| {
            self.chars
                .get(at)
                .is_some_and(|c| c.is_alphanumeric() || *c == '_')
        };
        let Some(before) = self.at.checked_sub(1) else {
            return false;
        };
        let prefix = matches!(self.chars[before], 'b' | 'c')
            && before.checked_sub(1).is_none_or(|at| !word(at));
        word(before) && !prefix
    }

    /// Copies one character to the code.
    fn keep(&mut self) {
        let Some(here) = self.peek(0) else { return };
        self.out.code.push(here);
        self.advance(here);
    }

    /// Blanks one character out and returns it.
    fn skip(&mut self) -> Option<char> {
        let here = self.peek(0)?;
        self.out.code.push(if here == '\n' { '\n' } else { ' ' });
        self.advance(here);
        Some(here)
    }

    fn skip_many(&mut self, count: usize) {
        for _ in 0..count {
            self.skip();
        }
    }

    fn advance(&mut self, here: char) {
        self.at += 1;
        if here == '\n' {
            self.line += 1;
        }
    }

    fn line_comment(&mut self) {
        let mut span = Span {
            line: self.line,
            text: String::new(),
        };
        while self.peek(0).is_some_and(|c| c != '\n') {
            span.text.extend(self.skip());
        }
        self.out.comments.push(span);
    }

    fn block_comment(&mut self) {
        let mut span = Span {
            line: self.line,
            text: String::new(),
        };
        let mut depth = 0_usize;
        while let Some(here) = self.peek(0) {
            match (here, self.peek(1)) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => {
                    span.text.extend(self.skip());
                    continue;
                }
            }
            self.skip_many(2);
            if depth == 0 {
                break;
            }
        }
        self.out.comments.push(span);
    }

    fn string(&mut self) {
        let mut span = Span {
            line: self.line,
            text: String::new(),
        };
        self.skip();
        while let Some(here) = self.skip() {
            match here {
                '"' => break,
                '\\' => {
                    span.text.push(here);
                    span.text.extend(self.skip());
                }
                _ => span.text.push(here),
            }
        }
        self.out.strings.push(span);
    }

    /// A character literal, or the quote of a lifetime or label.
    fn quote(&mut self) {
        match (self.peek(1), self.peek(2)) {
            (Some('\\'), _) => {
                self.skip_many(3);
                while self.peek(0).is_some_and(|c| c != '\'' && c != '\n') {
                    self.skip();
                }
                self.skip();
            }
            (Some(_), Some('\'')) => self.skip_many(3),
            _ => self.keep(),
        }
    }

    fn raw_or_word(&mut self) {
        let mut hashes = 0;
        while self.peek(1 + hashes) == Some('#') {
            hashes += 1;
        }
        if self.peek(1 + hashes) != Some('"') {
            self.keep();
            return;
        }
        let mut span = Span {
            line: self.line,
            text: String::new(),
        };
        self.skip_many(hashes + 2);
        while let Some(here) = self.skip() {
            let closes = here == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#'));
            if closes {
                self.skip_many(hashes);
                break;
            }
            span.text.push(here);
        }
        self.out.strings.push(span);
    }
}

/// Lines (from 1) of the code on which `word` stands between characters that belong to no word.
///
/// `word` may hold punctuation, as in `todo!`.
pub fn lines_with_word(code: &str, word: &str) -> Vec<usize> {
    code.lines()
        .enumerate()
        .filter(|(_, line)| has_word(line, word))
        .map(|(index, _)| index + 1)
        .collect()
}

/// Whether `word` stands in `text` between characters that belong to no word.
pub fn has_word(text: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let open = word.chars().next_back().is_some_and(part_of_word);
        let joined = before.is_some_and(part_of_word) || (open && after.is_some_and(part_of_word));
        !joined
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(spans: &[Span]) -> Vec<&str> {
        spans.iter().map(|span| span.text.as_str()).collect()
    }

    #[test]
    fn blanks_strings_and_comments() {
        let source = scan("let a = \"fn x() {\"; // fn y() {\nlet b = 1; /* { /* { */ */ end");
        assert!(!source.code.contains('{'));
        assert!(source.code.contains("let b = 1;"));
        assert!(source.code.ends_with("end"));
        assert_eq!(texts(&source.strings), ["fn x() {"]);
        assert_eq!(texts(&source.comments), ["// fn y() {", " {  {  "]);
        assert_eq!(source.comments[1].line, 2);
    }

    #[test]
    fn keeps_line_numbers() {
        let source = scan("let a = \"one\ntwo\";\nunsafe {}\n");
        assert_eq!(lines_with_word(&source.code, "unsafe"), [3]);
    }

    #[test]
    fn reads_raw_strings() {
        let source =
            scan(r###"let a = r#"a "quoted" {"#; let b = br"\"; let c = r##"x"#y"##; z"###);
        assert_eq!(texts(&source.strings), ["a \"quoted\" {", "\\", "x\"#y"]);
        assert!(source.code.ends_with("; z"));
    }

    #[test]
    fn tells_characters_from_lifetimes() {
        let source = scan(
            r#"fn f<'a>(x: &'a str) -> char { let _ = ('{', '\'', '\u{7b}', '"'); 'l: loop { break 'l } }"#,
        );
        assert_eq!(source.code.matches('{').count(), 2);
        assert!(source.strings.is_empty());
        assert!(source.code.contains("<'a>"));
    }

    #[test]
    fn raw_identifiers_and_words_ending_in_r_are_code() {
        let source = scan("let r#type = for_; attr\"s\"; ");
        assert!(source.code.contains("r#type"));
        assert_eq!(texts(&source.strings), ["s"]);
    }

    #[test]
    fn finds_whole_words_only() {
        assert!(has_word("unsafe { }", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
        assert!(has_word("todo!()", "todo!"));
        assert!(!has_word("mytodo!()", "todo!"));
    }
}
