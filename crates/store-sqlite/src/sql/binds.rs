//! The parameters and slots of a statement.

use crate::functions::Slots;
use basalt_store::{Pattern, Principals};
use rusqlite::types::Value as Param;
use std::sync::Arc;

/// What a statement's question marks stand for, in their order.
#[derive(Default)]
pub(crate) struct Binds {
    pub(crate) params: Vec<Param>,
    pub(crate) slots: Slots,
}

impl Binds {
    /// Adds a parameter.
    pub(crate) fn push(&mut self, param: impl Into<Param>) {
        self.params.push(param.into());
    }

    /// Adds the number of a slot that holds these principals.
    pub(crate) fn principals(&mut self, principals: &Arc<Principals>) {
        self.push(self.slots.principals.len() as i64);
        self.slots.principals.push(principals.clone());
    }

    /// Adds the number of a slot that holds this pattern.
    pub(crate) fn pattern(&mut self, pattern: &Arc<Pattern>) {
        self.push(self.slots.patterns.len() as i64);
        self.slots.patterns.push(pattern.clone());
    }

    /// Forgets everything after a mark taken with [`Binds::mark`].
    pub(crate) fn back_to(&mut self, mark: (usize, usize, usize)) {
        self.params.truncate(mark.0);
        self.slots.principals.truncate(mark.1);
        self.slots.patterns.truncate(mark.2);
    }

    /// Where it stands.
    pub(crate) fn mark(&self) -> (usize, usize, usize) {
        (
            self.params.len(),
            self.slots.principals.len(),
            self.slots.patterns.len(),
        )
    }
}
