//! The latest changes in memory, so that they are read from the log once and not by each follower.

use basalt_base::Value;
use basalt_store::{Change, Position, Record};
use std::collections::VecDeque;
use std::sync::Arc;

/// Most changes kept, and about how many bytes of them.
const CHANGES_MAX: usize = 1024;
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most changes handed out at once.
const PAGE: usize = 64;

/// What the ring knows after a position.
pub(crate) enum After {
    /// The next changes.
    Changes(Vec<Arc<Change>>),
    /// Nothing happened.
    UpToDate,
    /// It is too long ago: the log has to tell.
    TooOld,
}

#[derive(Default)]
pub(crate) struct Ring {
    /// Dense: from `floor + 1` to `at`.
    changes: VecDeque<(Arc<Change>, usize)>,
    bytes: usize,
    /// Up to where the log was read.
    at: Position,
}

impl Ring {
    pub(crate) fn at(&self) -> Position {
        self.at
    }

    /// Forgets everything and goes on from a position.
    pub(crate) fn restart(&mut self, at: Position) {
        self.changes.clear();
        self.bytes = 0;
        self.at = at;
    }

    pub(crate) fn push(&mut self, change: Change) {
        // Positions are dense; should one be missing, followers read the log.
        if change.position.0 != self.at.0 + 1 {
            self.restart(change.position);
            return;
        }
        self.at = change.position;
        let bytes = weight(&change);
        self.bytes += bytes;
        self.changes.push_back((Arc::new(change), bytes));
        while self.changes.len() > CHANGES_MAX || self.bytes > BYTES_MAX {
            let Some((_, bytes)) = self.changes.pop_front() else {
                break;
            };
            self.bytes -= bytes;
        }
    }

    pub(crate) fn after(&self, position: Position) -> After {
        if position >= self.at {
            return After::UpToDate;
        }
        let behind = self.at.0 - position.0;
        let kept = self.changes.len() as u64;
        if behind > kept {
            return After::TooOld;
        }
        // Fits: it is no more than the changes kept.
        let skip = (kept - behind) as usize;
        let page = self.changes.iter().skip(skip).take(PAGE);
        After::Changes(page.map(|(change, _)| change.clone()).collect())
    }
}

/// About how many bytes a change takes.
fn weight(change: &Change) -> usize {
    let record = |record: &Option<Arc<Record>>| -> usize {
        let fields = record.iter().flat_map(|record| &record.fields);
        fields.map(|(name, value)| name.len() + size(value)).sum()
    };
    256 + record(&change.before) + record(&change.after)
}

fn size(value: &Value) -> usize {
    32 + match value {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Polygon(corners) => corners.len() * 16,
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Map(map) => map.iter().map(|(key, value)| key.len() + size(value)).sum(),
        _ => 0,
    }
}
