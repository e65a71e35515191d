//! Regular expressions.

use crate::{Pattern, PatternOptions};
use basalt_base::Reason;

fn pattern(source: &str, letters: &str) -> Pattern {
    let options = PatternOptions::parse(letters).unwrap();
    Pattern::new(source, options, 1_000).unwrap_or_else(|e| panic!("/{source}/{letters}: {e:?}"))
}

#[test]
fn what_clients_write_is_understood() {
    let cases = [
        (r"\Qa.b*\E", "", "xa.b*x", true),
        (r"\Qa.b\E", "", "axb", false),
        (r"\Qa b#\E", "x", "a b#", true),
        (r"\Qa", "", "a", true),
        (r"\Qa\E\Q+\E+", "", "a++", true),
        (r"\E^a", "", "a", true),
        (r"[\Q]^\E]", "", "^", true),
        (r"^a\/b\-c\_d\:e$", "", "a/b-c_d:e", true),
        (r"a{", "", "a{", true),
        (r"a{,3}", "", "a{,3}", true),
        (r"a{2}b{1,}c{0,1}", "", "aabb", true),
        (r"{x}", "", "{x}", true),
        (r"\p{L}+\x{41}", "", "éA", true),
        (r"\u0041\x42", "", "AB", true),
        (r"[[]", "", "[", true),
        (r"[]a]+$", "", "]a", true),
        (r"[^]]", "", "]", false),
        (r"[[:alpha:]_]", "", "é_", true),
        (r"[[:digit:]-]", "", "-", true),
        (r"[a&&b]", "", "&", true),
        (r"[a~~b]", "", "~", true),
        (r"[+--]", "", ",", true),
        (r"[ #]", "x", "#", true),
        (r"a b # comment [", "x", "ab", true),
        (r"(?<year>\d{4})-\k<year>", "", "2026-2026", true),
        (r"(?P<n>a)(?P=n)", "", "aa", true),
        (r"(a)\1", "", "ab", false),
        (r"^(?!.*bad).*$", "", "bad", false),
        (r"(?<=a)b", "", "ab", true),
        (r"(?i)ab", "", "AB", true),
        (r"a++b", "", "aab", true),
        (r"(?>a+)b", "", "aab", true),
        (r"a\hb", "", "a\tb", true),
        ("é", "i", "É", true),
        ("^b", "", "a\nb", false),
        ("^b", "m", "a\nb", true),
        ("a.b", "", "a\nb", false),
        ("a.b", "s", "a\nb", true),
        ("", "", "", true),
    ];
    for (source, letters, text, expected) in cases {
        let matched = pattern(source, letters).is_match(text).unwrap();
        assert_eq!(matched, expected, "/{source}/{letters} on {text:?}");
    }
}

#[test]
fn prefixes_are_found_where_they_hold() {
    let cases = [
        (r"^abc", "", Some("abc"), true),
        (r"^\Qa.c\E", "", Some("a.c"), true),
        (r"^\Qa.c\Ed", "", Some("a.cd"), true),
        (r"\Aabc", "", Some("abc"), true),
        (r"^a\.b\/", "", Some("a.b/"), true),
        (r"^abc.*", "", Some("abc"), true),
        (r"^", "", Some(""), true),
        (r"^abc$", "", Some("abc"), false),
        (r"^abc?", "", Some("ab"), false),
        (r"^abc*d", "", Some("ab"), false),
        (r"^abc+", "", Some("ab"), false),
        (r"^abc{2}", "", Some("ab"), false),
        (r"^\Qabc\E*", "", Some("ab"), false),
        (r"^\Qäé\E?", "", Some("ä"), false),
        (r"^ab[cd]", "", Some("ab"), false),
        (r"^ab(c)", "", Some("ab"), false),
        (r"^ab\d", "", Some("ab"), false),
        (r"^ab|cd", "", None, false),
        (r"^ab(c|d)", "", None, false),
        (r"^[a]", "", None, false),
        (r"abc", "", None, false),
        (r"^abc", "i", None, false),
        (r"^abc", "m", None, false),
        (r"^abc", "x", None, false),
        (r"^abc", "s", Some("abc"), true),
        (r"(?i)^abc", "", None, false),
        (r"^a?bc", "", None, false),
    ];
    for (source, letters, prefix, whole) in cases {
        let p = pattern(source, letters);
        assert_eq!(p.literal_prefix(), prefix, "/{source}/{letters}");
        assert_eq!(p.is_pure_prefix(), whole, "/{source}/{letters}");
        assert_eq!(
            (p.source(), p.options()),
            (source, PatternOptions::parse(letters).unwrap())
        );
    }
}

#[test]
fn a_prefix_never_changes_the_answer() {
    let texts = [
        "", "a", "ab", "abc", "abcd", "a.c", "xabc", "ABC", "ab\nc", "abb", "a|c", "bc",
    ];
    let sources = [
        "^abc",
        "^abc?",
        "^ab+",
        "^ab*c",
        "^a.c",
        "^\\Qa.c\\E",
        "^\\Qab\\E+",
        "^abc.*",
        "^a|bc",
        "^a\\|c",
        "^ab{2}",
        "^ab$",
        "^\\Qa|\\Ec",
        "^ab(?=c)",
    ];
    for source in sources {
        let fast = pattern(source, "");
        // A group hides the anchor from the search for a prefix.
        let slow = pattern(&format!("(?:{source})"), "");
        assert_eq!(slow.literal_prefix(), None);
        for text in texts {
            let (fast, slow) = (fast.is_match(text).unwrap(), slow.is_match(text).unwrap());
            assert_eq!(fast, slow, "/{source}/ on {text:?}");
        }
    }
}

#[test]
fn bad_patterns_are_refused_without_an_echo() {
    let nest = "(".repeat(400);
    for source in [
        "(",
        "[",
        "a**b(",
        "*",
        "\\",
        "(?<",
        "(?z)a",
        "[z-a]",
        "\\p{Nope}",
        "\\1",
        &nest,
    ] {
        let Err(error) = Pattern::new(source, PatternOptions::default(), 1_000) else {
            panic!("/{source}/ compiled");
        };
        assert_eq!(error.reason(), Reason::InvalidQuery, "/{source}/ {error:?}");
        assert_eq!(error.message(), "A regular expression has bad syntax.");
    }
    assert!(PatternOptions::parse("imxs").is_ok());
    for letters in ["g", "I", "iu", " "] {
        assert_eq!(
            PatternOptions::parse(letters).unwrap_err().reason(),
            Reason::InvalidQuery
        );
    }
}

#[test]
fn work_is_bounded() {
    let options = PatternOptions::default();
    let long = Pattern::new(&"a".repeat(1_001), options, 1_000).unwrap_err();
    assert_eq!(long.reason(), Reason::QueryTooComplex);
    let large = Pattern::new("((\\w{100}){100}){100}", options, 1_000).unwrap_err();
    assert_eq!(large.reason(), Reason::QueryTooComplex);
    let text = "a".repeat(5_000) + "b";
    let linear = pattern("^(a+)+$", "");
    assert!(!linear.is_match(&text).unwrap());
    // A back-reference needs backtracking.
    let explosive = pattern("^(a+)+\\1c$", "");
    let error = explosive.is_match(&text).unwrap_err();
    assert_eq!(error.reason(), Reason::QueryTooComplex);
}

#[test]
fn plain_text_is_known_as_such() {
    let literal = |source: &str, letters: &str| {
        let options = PatternOptions::parse(letters).unwrap();
        let pattern = Pattern::new(source, options, 100).unwrap();
        pattern.literal().map(str::to_owned)
    };
    assert_eq!(literal("\\Qa.b\\E", "").as_deref(), Some("a.b"));
    assert_eq!(literal("ab\\.c", "ms").as_deref(), Some("ab.c"));
    assert_eq!(literal("", "").as_deref(), Some(""));
    for (source, letters) in [
        ("ab", "i"),
        ("a b", "x"),
        ("a+", ""),
        ("^a", ""),
        ("a$", ""),
    ] {
        assert_eq!(literal(source, letters), None, "{source}");
    }
}
