//! What callers are told. Nothing of the inside: neither where a webhook is, nor what is wrong
//! with the way there.

use basalt_base::{Error, Reason};

pub(crate) fn script(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Reason::ScriptFailed, message)
}

pub(crate) fn unreachable() -> Error {
    script("The webhook could not be reached.")
}

pub(crate) fn too_slow() -> Error {
    script("The webhook did not answer in time.")
}

pub(crate) fn too_large() -> Error {
    script("The answer of the webhook is too large.")
}

pub(crate) fn bad_status() -> Error {
    script("The webhook failed.")
}

pub(crate) fn busy() -> Error {
    Error::new(
        Reason::Overloaded,
        "Too many webhooks of this app are running.",
    )
}

pub(crate) fn too_deep(max: usize) -> Error {
    script(format!(
        "Hooks trigger each other more than {max} levels deep."
    ))
}

pub(crate) fn unknown_function(name: &str) -> Error {
    let mut shown = name.to_owned();
    crate::redact::cut(&mut shown, 255);
    script(format!("Invalid function: \"{shown}\""))
}

pub(crate) fn declaration(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Reason::InvalidHook, message)
}

pub(crate) fn code_crashed() -> Error {
    script("The Cloud Code of this app ended before it answered.")
}

pub(crate) fn code_paused() -> Error {
    Error::new(
        Reason::Overloaded,
        "The Cloud Code of this app keeps ending; it is started again in a while.",
    )
}

pub(crate) fn code_slow() -> Error {
    Error::new(Reason::Timeout, "The function did not answer in time.")
}

pub(crate) fn code_stopped() -> Error {
    Error::new(
        Reason::Timeout,
        "The function was stopped: it ran for too long without a pause.",
    )
}

pub(crate) fn code_memory() -> Error {
    script("The function ran out of memory.")
}
