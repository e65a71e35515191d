//! Regular expressions with the options of the query language, in bounded time.
//!
//! The syntax is the common core of PCRE and JavaScript: what clients write, translated where the
//! engine differs (`\Q..\E`, literal braces, brackets and set operators within classes). Patterns
//! without look-around and back-references run in linear time; the others backtrack under a limit.

mod literal;
mod translate;

use basalt_base::{Error, Reason, Result};
use std::sync::Arc;

/// Steps back that one match may take; a few milliseconds.
const BACKTRACK_MAX: usize = 50_000;
/// Largest compiled program and largest cache of one, in bytes.
const PROGRAM_BYTES_MAX: usize = 4 * 1024 * 1024;
const CACHE_BYTES_MAX: usize = 1024 * 1024;

/// Most patterns of one query.
pub const PATTERNS_MAX: usize = 50;

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

impl PatternOptions {
    /// From letters out of `imxs` in any order; any other is [`Reason::InvalidQuery`].
    pub fn parse(letters: &str) -> Result<Self> {
        let mut options = Self::default();
        for letter in letters.chars() {
            match letter {
                'i' => options.ignore_case = true,
                'm' => options.multi_line = true,
                'x' => options.extended = true,
                's' => options.dot_all = true,
                _ => {
                    return Err(Error::new(
                        Reason::InvalidQuery,
                        "Bad options for a regular expression: only i, m, x and s are known.",
                    ));
                }
            }
        }
        Ok(options)
    }
}

/// A compiled pattern. Cheap to clone.
#[derive(Clone)]
pub struct Pattern {
    source: Box<str>,
    options: PatternOptions,
    prefix: Option<literal::Prefix>,
    literal: Option<Box<str>>,
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    /// The pattern is its literal prefix and nothing else.
    Prefix,
    Regex(Arc<fancy_regex::Regex>),
}

impl Pattern {
    /// Compiles a pattern of at most `max_bytes` bytes.
    ///
    /// Fails with [`Reason::InvalidQuery`] on bad syntax and with [`Reason::QueryTooComplex`] when
    /// the pattern or its compiled form is too large. Messages never hold the pattern.
    pub fn new(source: &str, options: PatternOptions, max_bytes: usize) -> Result<Self> {
        Self::one_of_many(source, options, max_bytes, 0)
    }

    /// The same for a query's pattern after `earlier` others: later ones may become less large, so
    /// that all of a query together stay within some 18 MiB. Errors: also `QueryTooComplex` for more
    /// than [`PATTERNS_MAX`].
    pub fn one_of_many(
        source: &str,
        options: PatternOptions,
        max_bytes: usize,
        earlier: usize,
    ) -> Result<Self> {
        if earlier >= PATTERNS_MAX {
            let message = "The query has too many regular expressions.";
            return Err(Error::new(Reason::QueryTooComplex, message));
        }
        if source.len() > max_bytes {
            let message = format!("A regular expression is longer than {max_bytes} bytes.");
            return Err(Error::new(Reason::QueryTooComplex, message));
        }
        let prefix = literal::prefix(source, options);
        let engine = match &prefix {
            Some(prefix) if prefix.is_whole => Engine::Prefix,
            _ => {
                let program_bytes_max = PROGRAM_BYTES_MAX / (earlier + 1);
                Engine::Regex(Arc::new(compile(source, options, program_bytes_max)?))
            }
        };
        Ok(Self {
            source: source.into(),
            options,
            prefix,
            literal: literal::literal(source, options).map(Into::into),
            engine,
        })
    }

    /// The pattern as given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The options as given.
    pub fn options(&self) -> PatternOptions {
        self.options
    }

    /// Whether the pattern matches somewhere in the text; [`Reason::QueryTooComplex`] when it takes
    /// too many steps back on it.
    pub fn is_match(&self, text: &str) -> Result<bool> {
        match (&self.engine, self.literal_prefix()) {
            (Engine::Prefix, prefix) => Ok(prefix.is_some_and(|p| text.starts_with(p))),
            (_, Some(prefix)) if !text.starts_with(prefix) => Ok(false),
            (Engine::Regex(regex), _) => regex.is_match(text).map_err(|cause| {
                Error::new(
                    Reason::QueryTooComplex,
                    "A regular expression takes too long to match.",
                )
                .with_source(cause)
            }),
        }
    }

    /// The text that every match starts with at the start of the text, when the pattern is anchored
    /// and case-sensitive: an index range over it holds every match.
    pub fn literal_prefix(&self) -> Option<&str> {
        self.prefix.as_ref().map(|p| p.text.as_str())
    }

    /// The text that the pattern looks for, when it is that text and nothing else: it matches where
    /// the text occurs.
    pub fn literal(&self) -> Option<&str> {
        self.literal.as_deref()
    }

    /// Whether [`Self::literal_prefix`] is all there is to the pattern, so that every text with
    /// that prefix matches.
    pub fn is_pure_prefix(&self) -> bool {
        matches!(self.engine, Engine::Prefix)
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pattern")
            .field("source", &self.source)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

fn compile(
    source: &str,
    options: PatternOptions,
    program_bytes_max: usize,
) -> Result<fancy_regex::Regex> {
    let translated = translate::translate(source, options.extended);
    fancy_regex::RegexBuilder::new(&translated)
        .case_insensitive(options.ignore_case)
        .multi_line(options.multi_line)
        .dot_matches_new_line(options.dot_all)
        .backtrack_limit(BACKTRACK_MAX)
        .delegate_size_limit(program_bytes_max)
        .delegate_dfa_size_limit(CACHE_BYTES_MAX)
        .build()
        .map_err(|cause| {
            let too_large = matches!(&cause, fancy_regex::Error::CompileError(inner)
                if matches!(&**inner, fancy_regex::CompileError::InnerError(e) if e.size_limit().is_some()));
            if too_large {
                Error::new(Reason::QueryTooComplex, "A regular expression is too large.")
            } else {
                Error::new(Reason::InvalidQuery, "A regular expression has bad syntax.")
            }
            .with_source(cause)
        })
}
