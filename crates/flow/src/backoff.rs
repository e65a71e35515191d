//! Pauses between attempts.

use basalt_base::Rng;
use std::time::Duration;

/// Pauses that double, each drawn evenly from nothing to its bound, so that what failed together
/// does not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound after the first attempt.
    pub first: Duration,
    /// The largest bound.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            max: Duration::from_mins(5),
        }
    }
}

impl Backoff {
    /// The pause after that many attempts.
    pub fn pause(&self, attempts: u32, rng: &dyn Rng) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let bound = self.first.saturating_mul(1 << doublings).min(self.max);
        let bound_ms = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        let mut bytes = [0; 8];
        rng.fill(&mut bytes);
        let drawn = u64::from_le_bytes(bytes) % bound_ms.saturating_add(1).max(1);
        Duration::from_millis(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_base::SeededRng;

    #[test]
    fn pauses_stay_below_their_bounds() {
        let backoff = Backoff::default();
        let rng = SeededRng::new(3);
        for (attempts, bound) in [(0, 1), (1, 1), (2, 2), (5, 16), (9, 256), (40, 300)] {
            let most = (0..200).map(|_| backoff.pause(attempts, &rng)).max();
            let most = most.unwrap();
            assert!(most <= Duration::from_secs(bound), "{attempts}: {most:?}");
            assert!(
                most > Duration::from_secs(bound) / 2,
                "{attempts}: {most:?}"
            );
        }
    }
}
