//! The house rules. [`run`] names every check.

pub mod architecture;
pub mod bans;
pub mod budget;
pub mod edges;
pub mod generated;
pub mod layers;
pub mod markdown;
pub mod settings;
pub mod sizes;
pub mod whitespace;

use std::fmt;
use std::path::Path;

use anyhow::Result;

use crate::{cargo, tree};

/// A broken rule and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, from the root of the repository.
    pub path: String,
    /// The line, from 1; 0 where no line is to blame.
    pub line: usize,
    /// What is wrong and what to do instead.
    pub message: String,
}

impl Problem {
    /// A problem at a line of a file.
    pub fn at(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }

    /// A problem of a whole file.
    pub fn of(path: &str, message: impl Into<String>) -> Self {
        Self::at(path, 0, message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// What [`run`] found.
#[derive(Debug, Default)]
pub struct Report {
    /// Sizes worth knowing, one a line.
    pub figures: Vec<String>,
    /// Broken rules, sorted by path.
    pub problems: Vec<Problem>,
}

/// Checks everything; fails only if it can't look (no git, no cargo).
pub fn run(root: &Path) -> Result<Report> {
    let paths = tree::paths(root)?;
    let files = tree::read(root, &paths)?;
    let packages = cargo::packages(root)?;
    let mut report = Report::default();
    let problems = &mut report.problems;

    problems.extend(edges::check(&packages));
    problems.extend(budget::committed(&tree::tracked(root)?));
    let engines = packages
        .iter()
        .map(cargo::Package::short)
        .filter(|name| layers::is_engine(name));
    for engine in engines {
        let tree = cargo::normal_tree(root, &format!("basalt-{engine}"))?;
        problems.extend(layers::engine_packages(engine, &tree));
    }
    let tree = cargo::normal_tree(root, "basalt")?;
    report.figures.push(format!(
        "packages: {} (limit {})",
        tree.len(),
        budget::PACKAGES_MAX
    ));
    problems.extend(budget::packages(&tree));

    let sizes = sizes::Sizes::of(&files);
    report.figures.push(sizes.to_string());
    problems.extend(sizes.check());
    for file in &files {
        problems.extend(whitespace::check(file));
        problems.extend(sizes::check_file(file));
        problems.extend(bans::check(file));
        problems.extend(layers::check(file));
        problems.extend(markdown::check(file, &|path| root.join(path).exists()));
    }
    problems.extend(architecture::check(&files, &paths, &packages));
    problems.extend(settings::check(&files));
    problems.extend(generated::check(&files));
    report.problems.sort();
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_place() {
        assert_eq!(
            Problem::at("a.rs", 3, "is bad").to_string(),
            "a.rs:3: is bad"
        );
        assert_eq!(Problem::of("a.rs", "is bad").to_string(), "a.rs: is bad");
    }
}
