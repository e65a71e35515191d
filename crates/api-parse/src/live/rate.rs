//! How fast one client may send.

use basalt_base::Monotonic;

/// A bucket of messages that fills with time.
pub struct Rate {
    per_second: f64,
    burst: f64,
    left: f64,
    at: Monotonic,
}

impl Rate {
    /// `burst` messages at once, then so many a second.
    pub fn new(per_second: usize, burst: usize, now: Monotonic) -> Self {
        let (per_second, burst) = (per_second as f64, burst as f64);
        Self {
            per_second,
            burst,
            left: burst,
            at: now,
        }
    }

    /// Counts a message; whether it is within the limit.
    pub fn take(&mut self, now: Monotonic) -> bool {
        let filled = now.since(self.at).as_secs_f64() * self.per_second;
        self.at = now;
        self.left = (self.left + filled).min(self.burst) - 1.0;
        if self.left < 0.0 {
            self.left = 0.0;
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_base::{Clock, ManualClock};
    use std::time::Duration;

    #[test]
    fn a_burst_is_fine_and_a_flood_is_not() {
        let clock = ManualClock::at(0);
        let mut rate = Rate::new(10, 3, clock.monotonic());
        let take = |rate: &mut Rate| rate.take(clock.monotonic());
        assert_eq!([(); 4].map(|()| take(&mut rate)), [true, true, true, false]);
        clock.advance(Duration::from_millis(200));
        let now = clock.monotonic();
        assert_eq!([(); 3].map(|()| rate.take(now)), [true, true, false]);
    }
}
