//! Repeatable choices: the same seed gives the same ones.

use basalt_base::{OsRng, Rng, SeededRng};

/// A source of choices.
#[derive(Debug)]
pub struct Draw(SeededRng);

impl Draw {
    /// Choices that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(SeededRng::new(seed))
    }

    /// Any number.
    pub fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number from 0 to `end - 1`; 0 if `end` is 0.
    pub fn below(&self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A place in a list of `len` entries.
    pub fn place(&self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// One of `choices`, if there are any.
    pub fn pick<'a, T>(&self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.place(choices.len()))
    }

    /// `len` characters, some of them longer than a byte.
    pub fn text(&self, len: u64) -> String {
        const LETTERS: &[char] = &[
            'a', 'b', 'z', 'Q', '0', '9', ' ', '"', '\\', 'é', '中', '🙂',
        ];
        (0..len)
            .filter_map(|_| self.pick(LETTERS))
            .copied()
            .collect()
    }
}

/// A seed that nobody chose.
pub fn any_seed() -> u64 {
    let mut bytes = [0; 8];
    OsRng.fill(&mut bytes);
    // Short enough to be typed again.
    u64::from_le_bytes(bytes) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_choices() {
        let choices = |seed| {
            let draw = Draw::new(seed);
            (draw.number(), draw.between(50, 600), draw.text(20))
        };
        assert_eq!(choices(7), choices(7));
        assert_ne!(choices(7), choices(8));
    }

    #[test]
    fn ranges_are_kept() {
        let draw = Draw::new(1);
        for _ in 0..1000 {
            assert!((50..=60).contains(&draw.between(50, 60)));
            assert_eq!(draw.below(0), 0);
        }
        assert_eq!(draw.pick::<u8>(&[]), None);
    }
}
