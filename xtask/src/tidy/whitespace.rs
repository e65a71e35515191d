//! Tabs, blanks at the end of a line, and the last line.

use super::Problem;
use crate::tree::File;

/// Written by tools, or fixed by a standard.
const EXEMPT: &[&str] = &["Cargo.lock", "package-lock.json", ".snap", ".patch", ".svg"];

/// Checks that lines hold no tab and no blank at their end, and that the last one ends.
pub fn check(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    if EXEMPT.iter().any(|ending| file.path.ends_with(ending)) {
        return problems;
    }
    for (index, line) in file.text.split('\n').enumerate() {
        if line.contains('\t') {
            problems.push(Problem::at(
                &file.path,
                index + 1,
                "tab: indent with spaces, write \\t in strings",
            ));
        }
        if line.ends_with([' ', '\r', '\t']) {
            problems.push(Problem::at(
                &file.path,
                index + 1,
                "blank at the end of the line",
            ));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        problems.push(Problem::of(&file.path, "the last line does not end"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_tabs_and_trailing_blanks() {
        let found = check(&File::new("a.md", "fine\n\tone\ntwo \nthree\r\nlast"));
        let lines: Vec<usize> = found.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [2, 3, 4, 0]);
    }

    #[test]
    fn leaves_generated_files_alone() {
        assert_eq!(check(&File::new("compat/js/package-lock.json", "\t")), []);
        assert_eq!(check(&File::new("empty.rs", "")), []);
    }
}
