//! How long files and functions may be.

use std::fmt;

use super::Problem;
use crate::functions;
use crate::tree::File;

const FILE_LINES_MAX: usize = 1000;
const FILE_LINES_MEDIAN_MAX: usize = 150;
const FILE_LINES_P90_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
/// The median and the 90th percentile count once there are more files than this.
const FILES_FOR_STATISTICS: usize = 60;

const SOURCES: &[&str] = &["rs", "js", "mjs", "cjs", "ts", "svelte", "css", "py", "sh"];

/// Lengths of all source files, sorted.
#[derive(Debug)]
pub struct Sizes(Vec<usize>);

impl Sizes {
    /// Measures the sources among `files`.
    pub fn of(files: &[File]) -> Self {
        let sources = files.iter().filter(|file| is_source(file));
        let mut lines: Vec<usize> = sources.map(|file| file.text.lines().count()).collect();
        lines.sort_unstable();
        Self(lines)
    }

    fn percentile(&self, percent: usize) -> usize {
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).copied().unwrap_or_default()
    }

    /// Checks the median and the 90th percentile of a grown code base.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.0.len() <= FILES_FOR_STATISTICS {
            return problems;
        }
        let limits = [(50, FILE_LINES_MEDIAN_MAX), (90, FILE_LINES_P90_MAX)];
        for (percent, limit) in limits {
            let lines = self.percentile(percent);
            if lines > limit {
                let message = format!(
                    "{percent} % of files should have at most {limit} lines, it is {lines}"
                );
                problems.push(Problem::of(".", message));
            }
        }
        problems
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "files: {}, lines: {}, median {}, 90 % {}, longest {}",
            self.0.len(),
            self.0.iter().sum::<usize>(),
            self.percentile(50),
            self.percentile(90),
            self.0.last().copied().unwrap_or_default()
        )
    }
}

fn is_source(file: &File) -> bool {
    SOURCES.contains(&file.extension()) || file.text.starts_with("#!")
}

/// Checks the length of one file and, in Rust, of its functions.
pub fn check_file(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !is_source(file) {
        return problems;
    }
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX {
        let message = format!("{lines} lines, at most {FILE_LINES_MAX}: split it by subject");
        problems.push(Problem::of(&file.path, message));
    }
    if file.extension() == "rs" {
        let long = functions::find(&file.text)
            .into_iter()
            .filter(|found| found.lines > FUNCTION_LINES_MAX && !found.dispatch);
        problems.extend(long.map(|found| {
            let message = format!(
                "`{}` has {} lines, at most {FUNCTION_LINES_MAX}",
                found.name, found.lines
            );
            Problem::at(&file.path, found.line, message)
        }));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_lines(count: usize) -> File {
        File::new("a.rs", &"//\n".repeat(count))
    }

    #[test]
    fn refuses_a_long_file() {
        assert_eq!(check_file(&of_lines(1000)), []);
        assert_eq!(check_file(&of_lines(1001)).len(), 1);
        assert_eq!(check_file(&File::new("a.json", &"\n".repeat(2000))), []);
        assert_eq!(
            check_file(&File::new("run", &format!("#!\n{}", "\n".repeat(1000)))).len(),
            1
        );
    }

    #[test]
    fn refuses_a_long_function() {
        let function = |lines| {
            let text = format!("fn a() {{\n{}}}\n", "    x();\n".repeat(lines));
            check_file(&File::new("a.rs", &text))
        };
        assert_eq!(function(68), []);
        assert_eq!(function(69)[0].message, "`a` has 71 lines, at most 70");
    }

    #[test]
    fn statistics_wait_for_enough_files() {
        let few = vec![of_lines(600); 60];
        assert_eq!(Sizes::of(&few).check(), []);
        let many = vec![of_lines(600); 61];
        assert_eq!(Sizes::of(&many).check().len(), 2);
        let mut mixed = vec![of_lines(100); 50];
        mixed.extend(vec![of_lines(600); 11]);
        assert_eq!(Sizes::of(&mixed).check().len(), 1);
    }

    #[test]
    fn figures_are_readable() {
        let text = Sizes::of(&[of_lines(10), of_lines(20)]).to_string();
        assert_eq!(text, "files: 2, lines: 30, median 20, 90 % 20, longest 20");
    }
}
