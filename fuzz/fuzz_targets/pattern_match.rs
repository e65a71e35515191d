//! Any pattern compiles or is refused, and its literal prefix never changes an answer.

#![no_main]

use basalt_base::Reason;
use basalt_store::{Pattern, PatternOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, bool)| {
    let (source, text, ignore_case) = input;
    let options = PatternOptions {
        ignore_case,
        ..PatternOptions::default()
    };
    let pattern = match Pattern::new(source, options, 100) {
        Ok(pattern) => pattern,
        Err(error) => {
            let known = [Reason::InvalidQuery, Reason::QueryTooComplex];
            return assert!(known.contains(&error.reason()), "{error:?}");
        }
    };
    let answer = pattern.is_match(text);
    if pattern.literal_prefix().is_none() {
        return;
    }
    // A group hides the anchor from the search for a prefix.
    let Ok(slow) = Pattern::new(&format!("(?:{source})"), options, 110) else {
        return;
    };
    if let (Ok(fast), Ok(slow)) = (answer, slow.is_match(text)) {
        assert_eq!(fast, slow, "/{source}/ on {text:?}");
    }
});
