//! Asking a list again and again whether something is in it.

use std::collections::HashSet;
use std::hash::Hash;

/// From this many members, or questions, on hashing is worth its while.
const LINEAR_MAX: usize = 32;

/// The members of a list, as a set once both the list and the number of questions are long: what
/// clients send as two lists never costs the product of their lengths.
#[derive(Debug)]
pub struct Members<'a, T> {
    list: &'a [T],
    asked: usize,
    set: HashSet<&'a T>,
}

impl<'a, T: Eq + Hash> Members<'a, T> {
    /// The members of a list.
    pub fn of(list: &'a [T]) -> Self {
        Self {
            list,
            asked: 0,
            set: HashSet::new(),
        }
    }

    /// The list.
    pub fn list(&self) -> &'a [T] {
        self.list
    }

    /// Whether the item equals one of the list.
    pub fn contains(&mut self, item: &T) -> bool {
        match self.set() {
            Some(set) => set.contains(item),
            None => self.list.contains(item),
        }
    }

    /// Counts a question, and gives the set once it is there.
    pub fn set(&mut self) -> Option<&HashSet<&'a T>> {
        if self.list.len() <= LINEAR_MAX || self.asked < LINEAR_MAX {
            self.asked += 1;
            return None;
        }
        if self.set.is_empty() {
            self.set.extend(self.list);
        }
        Some(&self.set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_become_a_set_when_they_are_asked_often() {
        let list: Vec<usize> = (0..100).map(|n| n * 2).collect();
        let mut members = Members::of(&list);
        for n in 0..200 {
            assert_eq!(members.contains(&n), n % 2 == 0, "{n}");
        }
        assert_eq!(members.set.len(), list.len());
        let mut few = Members::of(&list[..LINEAR_MAX]);
        assert!((0..200).all(|n| few.contains(&n) == (n < 64 && n % 2 == 0)));
        assert!(few.set.is_empty());
    }
}
