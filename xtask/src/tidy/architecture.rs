//! `ARCHITECTURE.md` names what exists, and every crate.

use super::{Problem, edges, markdown};
use crate::cargo::Package;
use crate::tree::File;

const PAGE: &str = "ARCHITECTURE.md";
const LINES_MAX: usize = 400;
/// Endings that make a word in code style a file name.
const FILES: &[&str] = &[".rs", ".md", ".toml", ".sh", ".js", ".mjs", ".ts", ".json"];

/// Checks the page against the files and crates of the repository.
pub fn check(files: &[File], paths: &[String], packages: &[Package]) -> Vec<Problem> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else {
        return vec![Problem::of(PAGE, "missing")];
    };
    let mut problems = Vec::new();
    let lines = page.text.lines().count();
    if lines > LINES_MAX {
        problems.push(Problem::of(
            PAGE,
            format!("{lines} lines, at most {LINES_MAX}"),
        ));
    }
    for (line, text) in markdown::prose(&page.text) {
        for name in text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| is_file_name(name))
        {
            if !exists(name, paths) {
                problems.push(Problem::at(PAGE, line, format!("`{name}` does not exist")));
            }
        }
    }
    let ours = packages.iter().map(Package::short);
    for name in ours.chain(edges::ALLOWED.iter().map(|row| row.0)) {
        if !page.text.contains(&format!("`{name}`")) {
            problems.push(Problem::of(
                PAGE,
                format!("crate `{name}` is not mentioned"),
            ));
        }
    }
    problems.dedup();
    problems
}

/// Whether a word in code style names a file or folder of the repository, not a URL or a type.
fn is_file_name(name: &str) -> bool {
    let plain = name
        .chars()
        .all(|c| c.is_alphanumeric() || "./_-".contains(c));
    let ending = FILES
        .iter()
        .any(|ending| name.ends_with(ending) && name.len() > ending.len());
    let folder = name.ends_with('/')
        || ["crates/", "docs/", "script/", "xtask/"]
            .iter()
            .any(|start| name.starts_with(start));
    plain && !name.starts_with('/') && (ending || folder)
}

/// Whether a file or folder has this path, or a path that ends in it.
fn exists(name: &str, paths: &[String]) -> bool {
    let folder = format!("{}/", name.trim_end_matches('/'));
    let ending = format!("/{name}");
    let inner = format!("/{folder}");
    paths.iter().any(|path| {
        path == name
            || path.starts_with(&folder)
            || path.ends_with(&ending)
            || path.contains(&inner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        let all: Vec<String> = edges::ALLOWED
            .iter()
            .map(|row| format!("`{}`", row.0))
            .collect();
        let page = File::new(PAGE, &format!("{text}\n{}\n", all.join(" ")));
        let paths = ["crates/data/src/lib.rs", "docs/index.md"].map(str::to_owned);
        check(&[page], &paths, &[])
            .into_iter()
            .map(|problem| problem.message)
            .collect()
    }

    #[test]
    fn names_must_exist() {
        assert_eq!(
            messages("`lib.rs` `data/src/lib.rs` `docs/` `crates/data` `src/`"),
            [""; 0]
        );
        assert_eq!(
            messages("`Data::create` `/parse/x.json` `a b.rs` `.rs`"),
            [""; 0]
        );
        assert_eq!(messages("`gone.rs`"), ["`gone.rs` does not exist"]);
        assert_eq!(messages("`crates/gone`"), ["`crates/gone` does not exist"]);
    }

    #[test]
    fn crates_must_be_mentioned() {
        let page = File::new(PAGE, "nothing\n");
        assert_eq!(check(&[page], &[], &[]).len(), edges::ALLOWED.len());
    }

    #[test]
    fn the_page_is_there_and_short() {
        assert_eq!(check(&[], &[], &[])[0].message, "missing");
        assert!(messages(&"\n".repeat(400))[0].contains("at most 400"));
    }
}
