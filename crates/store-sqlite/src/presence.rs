//! Whether an app's file is in use, so that nobody opens it before its last writer has closed it.

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;

/// The gate of one app's file.
#[derive(Default)]
pub(crate) struct Gate {
    taken: Mutex<bool>,
    left: Condvar,
}

impl Gate {
    /// Waits until nobody is inside, and goes in. Blocks.
    pub(crate) fn enter(self: &Arc<Self>) -> Presence {
        let mut taken = self.taken.lock();
        while *taken {
            self.left.wait(&mut taken);
        }
        *taken = true;
        Presence(self.clone())
    }
}

/// Being inside; ends when it is dropped.
pub(crate) struct Presence(Arc<Gate>);

impl Drop for Presence {
    fn drop(&mut self) {
        *self.0.taken.lock() = false;
        self.0.left.notify_all();
    }
}
