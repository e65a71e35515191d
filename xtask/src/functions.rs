//! Finds the functions of a Rust source and how long they are.

use crate::rust;

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Line of its `fn`, from 1.
    pub line: usize,
    /// Lines from `fn` to the closing brace, both counted.
    pub lines: usize,
    /// The body is mostly one `match` with short arms, or one table (array, macro call, string).
    pub dispatch: bool,
}

/// Of the body's lines, how many per cent one `match` or table must take up to count as dispatch.
const DISPATCH_PERCENT: usize = 60;
/// Lines that an arm of such a `match` may have; a longer one is a function of its own.
const ARM_LINES_MAX: usize = 40;

/// All functions of a source, nested ones too, in order.
pub fn find(text: &str) -> Vec<Function> {
    let source = rust::scan(text);
    let code = Code::new(&source.code, text);
    let mut found = Vec::new();
    for at in code.words("fn") {
        let Some(name) = code.word_at(code.skip_blanks(at + 2)) else {
            continue;
        };
        let Some(open) = code.body(at) else { continue };
        let Some(close) = code.closing(open) else {
            continue;
        };
        let lines = code.line(close) - code.line(at) + 1;
        let dispatch = code.mostly_dispatch(open, close);
        found.push(Function {
            name,
            line: code.line(at),
            lines,
            dispatch,
        });
    }
    found
}

/// Blanked-out code beside the original, with the line of each character.
struct Code {
    chars: Vec<char>,
    original: Vec<char>,
    lines: Vec<usize>,
}

impl Code {
    fn new(code: &str, original: &str) -> Self {
        let chars: Vec<char> = code.chars().collect();
        let mut line = 1;
        let lines = chars
            .iter()
            .map(|c| {
                let here = line;
                line += usize::from(*c == '\n');
                here
            })
            .collect();
        Self {
            chars,
            original: original.chars().collect(),
            lines,
        }
    }

    fn line(&self, at: usize) -> usize {
        self.lines.get(at).copied().unwrap_or(1)
    }

    fn is_word(&self, at: usize) -> bool {
        self.chars
            .get(at)
            .is_some_and(|c| c.is_alphanumeric() || *c == '_')
    }

    /// Places where `word` stands alone.
    fn words(&self, word: &str) -> Vec<usize> {
        let word: Vec<char> = word.chars().collect();
        (0..self.chars.len())
            .filter(|&at| self.chars[at..].starts_with(&word))
            .filter(|&at| at.checked_sub(1).is_none_or(|before| !self.is_word(before)))
            .filter(|&at| !self.is_word(at + word.len()))
            .collect()
    }

    fn skip_blanks(&self, mut at: usize) -> usize {
        while self.chars.get(at).is_some_and(|c| c.is_whitespace()) {
            at += 1;
        }
        at
    }

    fn word_at(&self, at: usize) -> Option<String> {
        let end = (at..=self.chars.len()).find(|&end| !self.is_word(end))?;
        (end > at).then(|| self.chars[at..end].iter().collect())
    }

    /// The opening brace of the function whose `fn` is at `at`; none for a declaration.
    fn body(&self, at: usize) -> Option<usize> {
        self.first_outside(at, &['{', ';'])
            .filter(|&found| self.chars[found] == '{')
    }

    /// The first of `wanted` after `at` that stands in no parentheses or brackets.
    fn first_outside(&self, at: usize, wanted: &[char]) -> Option<usize> {
        let mut depth = 0_usize;
        for place in at..self.chars.len() {
            match self.chars[place] {
                here if depth == 0 && wanted.contains(&here) => return Some(place),
                '(' | '[' => depth += 1,
                ')' | ']' => depth = depth.checked_sub(1)?,
                _ => {}
            }
        }
        None
    }

    /// The bracket that closes the one at `open`.
    fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for place in open..self.chars.len() {
            match self.chars[place] {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                return Some(place);
            }
        }
        None
    }

    fn mostly_dispatch(&self, open: usize, close: usize) -> bool {
        let lines = |from: usize, to: usize| self.line(to) - self.line(from) + 1;
        let body = lines(open, close);
        let mostly = |from, to| lines(from, to) * 100 >= body * DISPATCH_PERCENT;
        let short_match = self.words("match").into_iter().any(|at| {
            at > open
                && at < close
                && self.first_outside(at, &['{']).is_some_and(|from| {
                    self.closing(from)
                        .is_some_and(|to| mostly(from, to) && self.arms_are_short(from, to))
                })
        });
        short_match || self.tables(open, close).any(|(from, to)| mostly(from, to))
    }

    /// Arrays and macro calls inside a body.
    fn tables(&self, open: usize, close: usize) -> impl Iterator<Item = (usize, usize)> {
        let brackets = (open + 1..close).filter(|&at| {
            let macro_call = at > 0 && self.chars[at - 1] == '!';
            self.chars[at] == '[' || (macro_call && matches!(self.chars[at], '(' | '{'))
        });
        let brackets = brackets.filter_map(|from| Some((from, self.closing(from)?)));
        brackets.chain(self.long_strings(open, close))
    }

    /// Strings of several lines: places where the original has text and the code is blank.
    fn long_strings(&self, open: usize, close: usize) -> impl Iterator<Item = (usize, usize)> {
        let hidden = |at: usize| self.chars[at] != self.original[at] || self.chars[at] == '\n';
        let starts = (open + 1..close).filter(move |&at| {
            matches!(self.original[at], '"') && self.chars[at] == ' ' && !hidden(at - 1)
        });
        starts.map(move |from| {
            let blank = |at: &usize| hidden(*at) || self.original[*at].is_whitespace();
            (from, (from..close).take_while(blank).last().unwrap_or(from))
        })
    }

    fn arms_are_short(&self, open: usize, close: usize) -> bool {
        let mut depth = 0_usize;
        let mut starts = Vec::new();
        for at in open..close {
            match self.chars[at] {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                '=' if depth == 1 && self.chars.get(at + 1) == Some(&'>') => {
                    starts.push(self.line(at));
                }
                _ => {}
            }
        }
        starts.push(self.line(close));
        starts
            .windows(2)
            .all(|pair| pair[1] - pair[0] <= ARM_LINES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Function {
        let mut found = find(text);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    fn lines(count: usize, line: &str) -> String {
        format!("{line}\n").repeat(count)
    }

    #[test]
    fn counts_from_fn_to_brace() {
        let function =
            one("// x\nfn a<T>(x: [u8; 3]) -> T\nwhere\n    T: Copy,\n{\n    \"}\";\n}\n");
        assert_eq!(
            (function.name.as_str(), function.line, function.lines),
            ("a", 2, 6)
        );
        assert!(!function.dispatch);
    }

    #[test]
    fn passes_over_declarations_and_types() {
        assert_eq!(
            find("trait T { fn a(&self); fn b(x: fn(u8) -> u8); }\n"),
            []
        );
        assert_eq!(find("// fn a() {}\nconst X: &str = \"fn b() {}\";\n"), []);
    }

    #[test]
    fn finds_nested_functions() {
        let names: Vec<String> = find("fn a() {\n    fn b() {}\n}\n")
            .into_iter()
            .map(|found| found.name)
            .collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_long_body_is_no_dispatch() {
        assert!(!one(&format!("fn a() {{\n{}}}\n", lines(80, "    x();"))).dispatch);
    }

    #[test]
    fn a_match_with_short_arms_is_dispatch() {
        let text = format!(
            "fn a() {{\n    match x {{\n{}    }}\n}}\n",
            lines(80, "    1 => y(),")
        );
        assert!(one(&text).dispatch);
    }

    #[test]
    fn a_match_with_one_long_arm_is_not() {
        let arm = lines(80, "            y();");
        let text =
            format!("fn a() {{\n    match x {{\n        1 => {{\n{arm}        }}\n    }}\n}}\n");
        assert!(!one(&text).dispatch);
    }

    #[test]
    fn a_small_match_does_not_excuse_the_rest() {
        let rest = lines(80, "    y();");
        let text = format!("fn a() {{\n    match x {{\n        1 => 2,\n    }}\n{rest}}}\n");
        assert!(!one(&text).dispatch);
    }

    #[test]
    fn tables_are_dispatch() {
        let rows = lines(80, "        (1, 2),");
        assert!(one(&format!("fn a() {{\n    &[\n{rows}    ]\n}}\n")).dispatch);
        assert!(one(&format!("fn a() {{\n    json!({{\n{rows}    }})\n}}\n")).dispatch);
        assert!(one(&format!("fn a() {{\n    x(\"\n{rows}    \")\n}}\n")).dispatch);
    }
}
