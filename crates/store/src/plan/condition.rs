//! Conditions and how they combine.

const TRUE: &str = "TRUE";
const FALSE: &str = "FALSE";

/// A condition in SQL.
///
/// It may be NULL where it does not hold. `exact` says that it holds for just the objects that the
/// filter matches; otherwise it holds for these and perhaps for more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The SQL, which binds tighter than AND.
    pub text: String,
    /// Whether it holds for no other objects.
    pub exact: bool,
}

impl Condition {
    /// Holds for just the right objects. The text binds tighter than AND.
    pub fn exact(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            exact: true,
        }
    }

    /// Holds for at least the right objects. The text binds tighter than AND.
    pub fn superset(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            exact: false,
        }
    }

    /// Holds always or never.
    pub fn constant(holds: bool) -> Self {
        Self::exact(if holds { TRUE } else { FALSE })
    }

    /// Says nothing: everything has to be checked in Rust.
    pub fn unknown() -> Self {
        Self::superset(TRUE)
    }

    /// Whether it says that it holds always, or never.
    pub fn is_constant(&self, holds: bool) -> bool {
        self.text == if holds { TRUE } else { FALSE }
    }

    /// All of them hold.
    pub fn all(parts: Vec<Self>) -> Self {
        let exact = parts.iter().all(|p| p.exact);
        if let Some(never) = parts.iter().find(|p| p.exact && p.is_constant(false)) {
            return never.clone();
        }
        let texts = parts.into_iter().filter(|p| !p.is_constant(true));
        let text = join(texts.map(|p| p.text).collect(), " AND ");
        Self {
            text: text.unwrap_or_else(|| TRUE.to_owned()),
            exact,
        }
    }

    /// One of them holds.
    pub fn any(parts: Vec<Self>) -> Self {
        let exact = parts.iter().all(|p| p.exact);
        let always = parts.iter().any(|p| p.is_constant(true));
        if always {
            return Self {
                text: TRUE.to_owned(),
                exact: exact || parts.iter().any(|p| p.exact && p.is_constant(true)),
            };
        }
        let texts = parts.into_iter().filter(|p| !p.is_constant(false));
        let text = join(texts.map(|p| p.text).collect(), " OR ");
        Self {
            text: text.unwrap_or_else(|| FALSE.to_owned()),
            exact,
        }
    }

    /// It does not hold; unknown unless it is exact.
    pub fn negated(self) -> Self {
        if !self.exact {
            return Self::unknown();
        }
        match &*self.text {
            TRUE => Self::constant(false),
            FALSE => Self::constant(true),
            text => Self::exact(format!("(({text}) IS NOT TRUE)")),
        }
    }
}

/// Joined as a balanced tree, since SQLite limits the depth of expressions and chains are deep.
fn join(mut texts: Vec<String>, operator: &str) -> Option<String> {
    while texts.len() > 1 {
        let arity = if texts.len() > 64 { 2 } else { texts.len() };
        texts = texts
            .chunks(arity)
            .map(|chunk| match chunk {
                [one] => one.clone(),
                several => format!("({})", several.join(operator)),
            })
            .collect();
    }
    texts.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_fold_and_negation_needs_exactness() {
        let a = || Condition::exact("a");
        assert_eq!(Condition::all(vec![a(), Condition::constant(true)]), a());
        assert_eq!(
            Condition::all(vec![a(), Condition::constant(false)]),
            Condition::constant(false)
        );
        assert_eq!(
            Condition::any(vec![a(), Condition::unknown()]),
            Condition::unknown()
        );
        assert_eq!(Condition::superset("a").negated(), Condition::unknown());
        assert_eq!(a().negated().text, "((a) IS NOT TRUE)");
    }

    #[test]
    fn long_chains_become_balanced_trees() {
        let many = Condition::any(vec![Condition::exact("a"); 10_000]);
        let depth = many.text.chars().take_while(|c| *c == '(').count();
        assert!(depth < 20, "{depth}");
    }
}
