//! Live queries: the protocol over WebSockets, on any path of the adapter's.
//!
//! A socket's task (`socket`) decodes what comes in (`request`), asks the engine, and writes what
//! waits in the client's outbox (`reply`). What subscribers are told alike is encoded once
//! (`encode`); the parts that are a client's own are put around it.

mod encode;
mod gate;
mod hooks;
mod position;
mod rate;
mod reply;
mod request;
mod rights;
mod session;
mod socket;

pub use encode::LiveEvents;
pub use gate::Sockets;
pub use rights::SessionRights;
pub use socket::{Opened, serve};

use crate::app::Keys;
use crate::decode::fail;
use basalt_base::{Reason, Result};
use basalt_store::{Pattern, PatternOptions};
use std::time::Duration;

/// Settings of one app's live queries, after Parse Server's options of the same names.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// Whether the app has live queries at all.
    pub enabled: bool,
    /// The classes that may be subscribed to; `None` for all.
    pub classes: Option<Vec<Pattern>>,
    /// Keys that clients present in place of the app's, if there are such.
    pub key_pairs: Option<Keys>,
    /// How often a client is asked for a sign of life; who gives none until the next time is cut.
    pub ping_every: Duration,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            classes: None,
            key_pairs: None,
            ping_every: Duration::from_secs(10),
        }
    }
}

impl LiveOptions {
    /// A class that may be subscribed to, by its name or as a regular expression of whole names.
    /// Errors: `InvalidQuery`, `QueryTooComplex`.
    pub fn class(name: &str) -> Result<Pattern> {
        const BYTES_MAX: usize = 1_000;
        Pattern::new(
            &format!("^(?:{name})$"),
            PatternOptions::default(),
            BYTES_MAX,
        )
    }

    fn check_class(&self, class: &str) -> Result<()> {
        let Some(classes) = &self.classes else {
            return Ok(());
        };
        for known in classes {
            if known.is_match(class)? {
                return Ok(());
            }
        }
        let message = format!("Live queries are not enabled for the class {class}.");
        Err(fail(Reason::OperationForbidden, message))
    }
}
