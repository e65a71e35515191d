//! Regular expressions with the options of the query language, in bounded time.

/// Which options a pattern was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PatternOptions {
    /// `i`: letters match in both cases.
    pub ignore_case: bool,
    /// `m`: `^` and `$` match at lines.
    pub multi_line: bool,
    /// `x`: white space and comments in the pattern are ignored.
    pub extended: bool,
    /// `s`: `.` matches line ends.
    pub dot_all: bool,
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: Box<str>,
    options: PatternOptions,
}

impl Pattern {
    /// The pattern as given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The options as given.
    pub fn options(&self) -> PatternOptions {
        self.options
    }
}
