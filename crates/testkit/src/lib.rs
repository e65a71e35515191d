//! Means for tests: starting the real server, talking to it, killing it.
//!
//! (While the workspace is being laid out: this crate with its crash and power-cut commands is
//! written by a colleague of its own; the authors of server and listener need not.)
