//! Words and attributes that may not stand in the sources.

use super::Problem;
use crate::rust::{self, Source};
use crate::tree::File;

/// Crates in which `unsafe` may be used, with a reason at each use.
const UNSAFE_CRATES: &[&str] = &["sandbox", "js"];
/// Crates that talk to a person at a terminal; the others log.
const PRINTING_CRATES: &[&str] = &["basalt"];
/// Notes to oneself. In two parts, so that this file may be checked like any other.
const NOTES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];

const SCRIPTS: &[&str] = &["js", "mjs", "cjs", "ts", "svelte"];
/// Tests that do not run, and tests that keep others from running.
const SKIPPED: &[&str] = &[
    "it.skip(",
    "it.only(",
    "it.todo(",
    "test.skip(",
    "test.only(",
    "test.todo(",
    "describe.skip(",
    "describe.only(",
    "xit(",
    "xdescribe(",
    "skip: true",
    "only: true",
];

/// Checks one file.
pub fn check(file: &File) -> Vec<Problem> {
    match file.extension() {
        "rs" => check_rust(file),
        extension if SCRIPTS.contains(&extension) => check_script(file),
        "" | "sh" | "toml" => notes(file),
        _ => Vec::new(),
    }
}

fn check_rust(file: &File) -> Vec<Problem> {
    let source = rust::scan(&file.text);
    let mut problems = notes(file);
    problems.extend(words(file, &source));
    let ignored = source.code.lines().enumerate().filter(|(_, line)| {
        let line: String = line.split_whitespace().collect();
        line.contains("#[ignore") || line.contains(",ignore)") || line.contains(",ignore=")
    });
    problems.extend(ignored.map(|(index, _)| {
        let message = "ignored test: assert what happens today, with a note";
        Problem::at(&file.path, index + 1, message)
    }));
    problems
}

fn words(file: &File, source: &Source) -> Vec<Problem> {
    let in_crates = |names: &[&str]| file.crate_name().is_some_and(|name| names.contains(&name));
    let mut banned = vec![
        (
            "todo!",
            "unfinished code: return a typed error that names what is missing",
        ),
        (
            "unimplemented!",
            "unfinished code: return a typed error that names what is missing",
        ),
    ];
    if !in_crates(UNSAFE_CRATES) {
        banned.push((
            "unsafe",
            "`unsafe` belongs in the crates sandbox and js only",
        ));
    }
    if file.path.contains("/src/") && file.crate_name().is_some() && !in_crates(PRINTING_CRATES) {
        let instead = "only the command line prints: use `tracing`";
        banned.extend(["println!", "eprintln!", "print!", "eprint!"].map(|word| (word, instead)));
    }
    let mut problems = Vec::new();
    for (word, message) in banned {
        let lines = rust::lines_with_word(&source.code, word);
        problems.extend(
            lines
                .into_iter()
                .map(|line| Problem::at(&file.path, line, message)),
        );
    }
    problems
}

fn check_script(file: &File) -> Vec<Problem> {
    let mut problems = notes(file);
    for (index, line) in file.text.lines().enumerate() {
        if SKIPPED.iter().any(|call| rust::has_word(line, call)) {
            let message = "skipped or exclusive test: assert what happens today, with a note";
            problems.push(Problem::at(&file.path, index + 1, message));
        }
    }
    problems
}

fn notes(file: &File) -> Vec<Problem> {
    let noted = |line: &str| NOTES.iter().any(|note| rust::has_word(line, note));
    let lines = file
        .text
        .lines()
        .enumerate()
        .filter(|(_, line)| noted(line));
    let message = "note to oneself: do it, or write down where users look that it is missing";
    lines
        .map(|(index, _)| Problem::at(&file.path, index + 1, message))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&File::new(path, text))
            .into_iter()
            .map(|problem| problem.line)
            .collect()
    }

    #[test]
    fn unsafe_stays_in_its_crates() {
        let text = "// unsafe is fine here\nunsafe { x() }\nconst S: &str = \"unsafe\";\n#![forbid(unsafe_code)]\n";
        assert_eq!(lines("crates/data/src/a.rs", text), [2]);
        assert_eq!(lines("crates/js/src/a.rs", text), [0_usize; 0]);
    }

    #[test]
    fn unfinished_code_is_refused() {
        assert_eq!(
            lines(
                "crates/data/src/a.rs",
                "todo!()\nunimplemented!()\n\"todo!\"\n"
            ),
            [1, 2]
        );
        let note = format!("fn a() {{}} // {} later\n", NOTES[0]);
        assert_eq!(lines("crates/data/src/a.rs", &note), [1]);
        assert_eq!(lines("script/test", &format!("# {}\n", NOTES[1])), [1]);
    }

    #[test]
    fn ignored_tests_are_refused() {
        let text =
            "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n#[cfg_attr(x, ignore)]\n#[should_panic]\n";
        assert_eq!(lines("crates/data/tests/it/main.rs", text), [2, 4]);
        let script =
            "it('a')\nit.skip('b')\ntest('c', { skip: true })\nexit(1)\ndescribe.only('d')\n";
        assert_eq!(lines("compat/js/a.test.mjs", script), [2, 3, 5]);
    }

    #[test]
    fn only_the_command_line_prints() {
        assert_eq!(
            lines("crates/server/src/a.rs", "println!();\neprintln!();\n"),
            [1, 2]
        );
        assert_eq!(
            lines("crates/basalt/src/main.rs", "println!();\n"),
            [0_usize; 0]
        );
        assert_eq!(
            lines("crates/server/tests/it/a.rs", "eprintln!();\n"),
            [0_usize; 0]
        );
    }
}
