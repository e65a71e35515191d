//! Every limit that can be set has its line in the settings page.

use basalt_base::Limits;

use super::Problem;
use crate::tree::File;

const PAGE: &str = "docs/settings.md";

/// Checks that the page names each limit.
pub fn check(files: &[File]) -> Vec<Problem> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else {
        return vec![Problem::of(PAGE, "missing")];
    };
    let missing = limits()
        .into_iter()
        .filter(|name| !page.text.contains(&format!("| `{name}` |")));
    missing
        .map(|name| Problem::of(PAGE, format!("limit `{name}` has no line")))
        .collect()
}

/// Names of the limits, read off the debug form so that a new one can't be forgotten.
pub fn limits() -> Vec<String> {
    let shown = format!("{:#?}", Limits::default());
    let fields = shown
        .lines()
        .filter(|line| line.starts_with("    ") && !line.starts_with("     "));
    fields
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_limits() {
        let limits = limits();
        assert!(
            limits.iter().any(|name| name == "body_bytes_max"),
            "{limits:?}"
        );
        assert!(limits.len() > 10);
    }

    #[test]
    fn wants_a_line_for_each() {
        let page = File::new(PAGE, "| `body_bytes_max` | … |\n");
        assert_eq!(check(&[page]).len(), limits().len() - 1);
        assert_eq!(check(&[]).len(), 1);
    }
}
