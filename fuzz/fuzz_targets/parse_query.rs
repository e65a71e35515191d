//! Any bytes as a `where`, a body, a pipeline, a schema or a query string of the REST protocol are
//! decoded or refused with a reason for callers; nothing panics and nothing is an internal error.

#![no_main]

use basalt_api_parse::{fuzz, wire};
use basalt_base::Error;
use libfuzzer_sys::fuzz_target;

fn check(result: Result<(), Error>) {
    if let Err(error) = result {
        let (status, _) = wire(error.reason());
        assert!((400..500).contains(&status), "{error:?}");
    }
}

fuzz_target!(|bytes: &[u8]| {
    check(fuzz::parse_where(bytes));
    check(fuzz::parse_object(bytes));
    check(fuzz::parse_admin(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(fuzz::parse_query_string(text));
    }
});
