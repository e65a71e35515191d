//! What the binary may pull in, and what may be committed.

use std::collections::BTreeSet;

use super::Problem;

/// Packages that the binary may need to run on this platform. A decision record raises it.
pub const PACKAGES_MAX: usize = 450;

/// Packages that may not be linked, each with what to use instead. A `*` stands for any ending.
const BANNED: &[(&str, &str)] = &[
    (
        "ring",
        "TLS and signatures use aws-lc-rs, one provider only",
    ),
    ("openssl", "TLS uses rustls with aws-lc-rs"),
    ("openssl-sys", "TLS uses rustls with aws-lc-rs"),
    ("native-tls", "TLS uses rustls with aws-lc-rs"),
    ("rsa", "open timing advisory; aws-lc-rs verifies RSA"),
    (
        "sqlx",
        "links a second SQLite, and checks SQL at compile time",
    ),
    (
        "sqlx-core",
        "links a second SQLite, and checks SQL at compile time",
    ),
    (
        "aws-sdk-*",
        "real SDKs belong in compat/, not in the server",
    ),
];

/// Checks the packages of the binary, `name version` each, against the bans and the budget.
pub fn packages(tree: &BTreeSet<String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if tree.len() > PACKAGES_MAX {
        let message = format!("{} packages, at most {PACKAGES_MAX}", tree.len());
        problems.push(Problem::of("Cargo.lock", message));
    }
    for package in tree {
        let name = package.split(' ').next().unwrap_or_default();
        if let Some((_, instead)) = BANNED.iter().find(|(banned, _)| matches(banned, name)) {
            problems.push(Problem::of(
                "Cargo.lock",
                format!("`{name}` is banned: {instead}"),
            ));
        }
    }
    problems
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

/// Checks that no build output or installed package is committed.
pub fn committed(paths: &[String]) -> Vec<Problem> {
    const OUTPUTS: &[&str] = &["dist", "target", "node_modules"];
    let output = |path: &&String| {
        let mut folders = path.split('/').rev().skip(1);
        folders.any(|folder| OUTPUTS.contains(&folder))
    };
    let problem = |path: &String| Problem::of(path, "build output is committed");
    paths.iter().filter(output).map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| format!("{name} v1.0.0")).collect()
    }

    #[test]
    fn refuses_banned_packages() {
        let found = packages(&tree(&[
            "ring",
            "ringbuf",
            "aws-sdk-s3",
            "aws-lc-rs",
            "rsa",
        ]));
        let names: Vec<&str> = found
            .iter()
            .filter_map(|p| p.message.split('`').nth(1))
            .collect();
        assert_eq!(names, ["aws-sdk-s3", "ring", "rsa"]);
    }

    #[test]
    fn refuses_too_many_packages() {
        let names = |count: usize| (0..count).map(|at| format!("p{at} v1")).collect();
        assert_eq!(packages(&names(PACKAGES_MAX)), []);
        assert_eq!(packages(&names(PACKAGES_MAX + 1)).len(), 1);
    }

    #[test]
    fn refuses_committed_output() {
        let paths = [
            "console/dist/app.js",
            "docs/dist",
            "src/dist.rs",
            "a/node_modules/b/c.js",
        ];
        let found = committed(&paths.map(str::to_owned));
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
