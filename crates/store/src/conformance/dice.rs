//! Repeatable chance.

use basalt_base::{Rng, SeededRng};

/// A source of random choices; the same seed gives the same ones.
pub struct Dice(SeededRng);

impl Dice {
    /// Dice of that seed.
    pub fn new(seed: u64) -> Self {
        Self(SeededRng::new(seed))
    }

    /// A number below `n`; 0 when `n` is 0.
    pub fn below(&self, n: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        let n = n.max(1) as u64;
        (u64::from_le_bytes(bytes) % n) as usize
    }

    /// True once in `n` times.
    pub fn once_in(&self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    pub fn pick<'a, T>(&self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Up to `most` of what `make` gives.
    pub fn some<T>(&self, most: usize, mut make: impl FnMut() -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make()).collect()
    }
}
