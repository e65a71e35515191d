//! Checks beside the rounds, each on its own: what it found, and what was broken.

pub mod drain;
pub mod full_disk;
pub mod second_server;
pub mod short_log;

/// What a check found, in a few words, and each broken promise.
pub type Finding = (String, Vec<String>);
