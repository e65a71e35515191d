//! How many webhooks of an app run at once.

use crate::errors;
use basalt_base::Result;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Turns of one app. Whoever finds none waits, in order.
#[derive(Debug)]
pub(crate) struct Admission {
    turns: Semaphore,
    waiting: Semaphore,
}

/// How many calls may wait for each that may run.
const WAITING_PER_TURN: usize = 16;

impl Admission {
    pub fn new(calls_max: usize) -> Self {
        let turns = calls_max.max(1);
        Self {
            turns: Semaphore::new(turns),
            waiting: Semaphore::new(turns.saturating_mul(WAITING_PER_TURN)),
        }
    }

    /// Waits for a turn. Errors: `Overloaded` when too many wait already.
    pub async fn enter(&self) -> Result<SemaphorePermit<'_>> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let _place = self.waiting.try_acquire().map_err(|_| errors::busy())?;
        self.turns.acquire().await.map_err(|_| errors::busy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_base::Reason;

    #[tokio::test]
    async fn turns_and_waiting_places_are_bounded() {
        let admission = Admission::new(1);
        let turn = admission.enter().await.unwrap();
        let places: Vec<_> = (0..WAITING_PER_TURN)
            .map(|_| admission.waiting.try_acquire().unwrap())
            .collect();
        let refused = admission.enter().await.unwrap_err();
        assert_eq!(refused.reason(), Reason::Overloaded);
        drop((turn, places));
        let _turn = admission.enter().await.unwrap();
    }
}
