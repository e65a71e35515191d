//! The parameters of a statement.

use crate::row::Param;

/// What a statement's `$1`, `$2` … stand for, in their order.
#[derive(Default)]
pub(crate) struct Binds {
    pub(crate) params: Vec<Param>,
}

impl Binds {
    /// Adds a parameter and returns its number, which goes behind a `$`.
    pub(super) fn push(&mut self, param: Param) -> usize {
        self.params.push(param);
        self.params.len()
    }
}
