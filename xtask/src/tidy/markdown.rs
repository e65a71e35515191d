//! Titles and links of Markdown files.

use super::Problem;
use crate::tree::File;

/// Checks that a Markdown file has one title, first, and that its relative links lead somewhere.
///
/// `exists` tells whether a path from the root of the repository exists.
pub fn check(file: &File, exists: &dyn Fn(&str) -> bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    if file.extension() != "md" {
        return problems;
    }
    let prose = prose(&file.text);
    let titles: Vec<usize> = prose
        .iter()
        .filter(|(_, line)| line.starts_with("# "))
        .map(|row| row.0)
        .collect();
    if titles.len() != 1 {
        let message = format!("{} titles (`# …`), exactly one", titles.len());
        problems.push(Problem::of(&file.path, message));
    }
    for (line, text) in &prose {
        for target in links(text) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains(':') {
                continue;
            }
            if !resolve(&file.path, path).is_some_and(|path| exists(&path)) {
                problems.push(Problem::at(
                    &file.path,
                    *line,
                    format!("dead link to `{target}`"),
                ));
            }
        }
    }
    problems
}

/// Lines outside of fenced code, with their numbers.
pub fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut prose = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            prose.push((index + 1, line));
        }
    }
    prose
}

/// Targets of `[text](target)` outside of inline code.
fn links(line: &str) -> Vec<&str> {
    let outside = line.split('`').step_by(2);
    outside
        .flat_map(|part| part.split("](").skip(1))
        .filter_map(|rest| rest.split([')', ' ']).next())
        .collect()
}

/// A link's path from the root of the repository; none if it leads out of it.
fn resolve(from: &str, link: &str) -> Option<String> {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        let exists = |path: &str| path == "docs/a.md" || path == "README.md";
        let file = File::new("docs/index.md", text);
        check(&file, &exists)
            .into_iter()
            .map(|problem| problem.message)
            .collect()
    }

    #[test]
    fn wants_one_title() {
        assert_eq!(messages("# One\n\n```sh\n# a comment\n```\n"), [""; 0]);
        assert_eq!(messages("text\n"), ["0 titles (`# …`), exactly one"]);
        assert_eq!(
            messages("# One\n# Two\n"),
            ["2 titles (`# …`), exactly one"]
        );
    }

    #[test]
    fn follows_relative_links() {
        let fine =
            "# T\n[a](a.md) [b](../README.md#x) [c](https://example.com) [d](#t) `[e](no.md)`\n";
        assert_eq!(messages(fine), [""; 0]);
        assert_eq!(messages("# T\n[a](b.md#x)\n"), ["dead link to `b.md#x`"]);
        assert_eq!(
            messages("# T\n[a](../../x.md)\n"),
            ["dead link to `../../x.md`"]
        );
        assert_eq!(
            messages("# T\n`code`[a](`b`.md) [c](d.md \"title\")\n").len(),
            1
        );
    }
}
