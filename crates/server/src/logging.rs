//! Logs on standard error: text on a terminal, JSON lines otherwise.
//!
//! What is logged of a request is its id, app, method, route template, status and duration; never
//! its path, query, headers or body. Keys and tokens are of type `Secret`, which shows nothing.

use crate::config::invalid;
use basalt_base::Result;
use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;

/// Longest text of a panic in the log.
const PANIC_CHARS_MAX: usize = 300;

/// Starts logging with a filter such as `info`. Errors: `InvalidSetting`; also when it was started
/// before.
pub fn start(filter: &str) -> Result<()> {
    let parsed = EnvFilter::builder().parse(quieter(filter));
    let parsed = parsed.map_err(|error| {
        invalid(format!(
            "`log` = {filter:?}: expected a level or a filter: {error}"
        ))
        .with_source(error)
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(stderr);
    let started = if stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init()
    };
    started.map_err(|error| invalid(format!("logging can't be started: {error}")))?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("(no text)");
        tracing::error!(place, "panic: {}", escaped(text));
    }));
    Ok(())
}

/// The filter, with less from a library that repeats itself every second while NATS is away: the bus
/// says what there is to say. Whoever names the library hears it.
fn quieter(filter: &str) -> String {
    if filter.contains("async_nats") || matches!(filter, "off" | "error") {
        return filter.to_owned();
    }
    format!("async_nats=warn,{filter}")
}

/// Text of unknown origin for a log line: short, and without control characters.
fn escaped(text: &str) -> String {
    text.chars()
        .take(PANIC_CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_can_not_forge_lines() {
        assert_eq!(escaped("a\nb\x1b[31m"), "a\\nb\\u{1b}[31m");
        assert!(escaped(&"x".repeat(1_000_000)).len() <= PANIC_CHARS_MAX);
    }

    #[test]
    fn a_library_is_quieter_unless_it_is_named() {
        for filter in ["info", "debug,basalt_data=trace"] {
            let quieter = quieter(filter);
            let parsed: EnvFilter = EnvFilter::builder().parse(&quieter).unwrap();
            assert!(parsed.to_string().contains("async_nats=warn"), "{parsed}");
        }
        for filter in ["async_nats=debug", "off"] {
            assert_eq!(quieter(filter), filter);
        }
    }
}
