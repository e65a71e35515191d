//! Which crate may depend on which. A new edge is a change of the architecture: edit [`ALLOWED`]
//! and the table in `ARCHITECTURE.md` in one commit that says why.

use std::collections::BTreeMap;

use super::Problem;
use crate::cargo::{Package, short};

/// Crates by their short name, lowest first, each with the crates that it may use.
pub const ALLOWED: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("store", &["base"]),
    ("store-sqlite", &["base", "store"]),
    ("store-postgres", &["base", "store"]),
    ("bus", &["base"]),
    ("feed", &["base", "store"]),
    ("transfer", &["base", "store"]),
    ("flow", &["base", "store"]),
    ("data", &["base", "store"]),
    ("identity", &["base", "data", "feed", "store"]),
    ("sandbox", &["base"]),
    ("js", &["base", "sandbox"]),
    ("functions", &["base", "store", "data", "flow", "sandbox"]),
    ("live", &["base", "data", "feed", "store"]),
    ("listener", &["base"]),
    // Of `store` the adapters use the query and value types only.
    (
        "api-parse",
        &[
            "base",
            "store",
            "data",
            "flow",
            "identity",
            "functions",
            "listener",
            "live",
        ],
    ),
    (
        "api-admin",
        &[
            "base",
            "data",
            "flow",
            "identity",
            "functions",
            "listener",
            "store",
        ],
    ),
    (
        "testkit",
        &[
            "base",
            "store",
            "store-sqlite",
            "store-postgres",
            "bus",
            "feed",
            "flow",
            "data",
            "identity",
            "functions",
            "listener",
            "live",
            "api-parse",
            "api-admin",
        ],
    ),
    (
        "server",
        &[
            "base",
            "store",
            "store-sqlite",
            "store-postgres",
            "bus",
            "feed",
            "flow",
            "data",
            "identity",
            "functions",
            "listener",
            "live",
            "api-parse",
            "api-admin",
            "transfer",
            "sandbox",
            "js",
        ],
    ),
    ("basalt", &["base", "server"]),
    ("xtask", &["base"]),
];

/// Crates that any crate's tests may use: the test helpers, and the stores to run against.
const FOR_TESTS: &[&str] = &["testkit", "store-sqlite", "store-postgres"];

/// Crates on the longest way down from the binary.
const CHAIN_MAX: usize = 8;

/// Checks the workspace's own edges against [`ALLOWED`] and the length of the longest chain.
pub fn check(packages: &[Package]) -> Vec<Problem> {
    let members: Vec<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut problems = Vec::new();
    for package in packages {
        let manifest = manifest(package.short());
        let Some(allowed) = allowed(package.short()) else {
            let message = "crate is not in the table of xtask/src/tidy/edges.rs";
            problems.push(Problem::of(&manifest, message));
            continue;
        };
        let ours = |names: &[String]| -> Vec<String> {
            let ours = names.iter().filter(|name| members.contains(&name.as_str()));
            ours.map(|name| short(name).to_owned()).collect()
        };
        for name in ours(&package.normal)
            .into_iter()
            .chain(ours(&package.build))
        {
            if !allowed.contains(&name.as_str()) {
                let message = format!("`{}` may not depend on `{name}`", package.short());
                problems.push(Problem::of(&manifest, message));
            }
        }
        for name in ours(&package.dev) {
            if !allowed.contains(&name.as_str()) && !FOR_TESTS.contains(&name.as_str()) {
                let message = format!("tests of `{}` may not depend on `{name}`", package.short());
                problems.push(Problem::of(&manifest, message));
            }
        }
    }
    let chain = longest_chain(packages);
    if chain.len() > CHAIN_MAX {
        let message = format!(
            "{} crates in one chain, at most {CHAIN_MAX}: {}",
            chain.len(),
            chain.join(" → ")
        );
        problems.push(Problem::of("Cargo.toml", message));
    }
    problems
}

fn allowed(short: &str) -> Option<&'static [&'static str]> {
    ALLOWED.iter().find(|row| row.0 == short).map(|row| row.1)
}

fn manifest(short: &str) -> String {
    match short {
        "xtask" => "xtask/Cargo.toml".to_owned(),
        _ => format!("crates/{short}/Cargo.toml"),
    }
}

/// The longest way down through normal dependencies. Cargo refuses cycles, so it ends.
fn longest_chain(packages: &[Package]) -> Vec<&str> {
    let by_name: BTreeMap<&str, &Package> = packages
        .iter()
        .map(|package| (package.name.as_str(), package))
        .collect();
    let chains = packages.iter().map(|package| chain_from(package, &by_name));
    chains.max_by_key(Vec::len).unwrap_or_default()
}

fn chain_from<'a>(package: &'a Package, by_name: &BTreeMap<&str, &'a Package>) -> Vec<&'a str> {
    let below = package
        .normal
        .iter()
        .filter_map(|name| by_name.get(name.as_str()));
    let longest = below
        .map(|below| chain_from(below, by_name))
        .max_by_key(Vec::len);
    let mut chain = vec![package.short()];
    chain.extend(longest.unwrap_or_default());
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, normal: &[&str], dev: &[&str]) -> Package {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Package {
            name: name.to_owned(),
            normal: owned(normal),
            dev: owned(dev),
            build: Vec::new(),
        }
    }

    fn messages(packages: &[Package]) -> Vec<String> {
        check(packages)
            .into_iter()
            .map(|problem| problem.message)
            .collect()
    }

    #[test]
    fn the_table_points_downward_only() {
        for (at, (name, allowed)) in ALLOWED.iter().enumerate() {
            for below in *allowed {
                let place = ALLOWED.iter().position(|row| row.0 == *below);
                assert!(place.is_some_and(|place| place < at), "{name} → {below}");
            }
        }
    }

    #[test]
    fn in_the_table_no_adapter_uses_another() {
        for (name, allowed) in ALLOWED.iter().filter(|row| row.0.starts_with("api-")) {
            assert!(
                !allowed.iter().any(|below| below.starts_with("api-")),
                "{name}"
            );
        }
    }

    #[test]
    fn refuses_an_upward_edge() {
        let packages = [
            package("basalt-base", &["basalt-store", "serde"], &[]),
            package("basalt-store", &["basalt-base"], &[]),
        ];
        // Cargo would refuse the cycle itself; only the edges are looked at here.
        let problems: Vec<String> = packages
            .iter()
            .flat_map(|one| {
                let other = package("basalt-store", &[], &[]);
                messages(&[one.clone(), other])
            })
            .collect();
        assert_eq!(problems, ["`base` may not depend on `store`"]);
    }

    #[test]
    fn tests_may_use_the_testkit_but_not_the_server() {
        let packages = [
            package("basalt-data", &[], &["basalt-testkit", "basalt-server"]),
            package("basalt-testkit", &[], &[]),
            package("basalt-server", &[], &[]),
        ];
        assert_eq!(
            messages(&packages),
            ["tests of `data` may not depend on `server`"]
        );
    }

    #[test]
    fn refuses_an_unknown_crate() {
        let problems = messages(&[package("basalt-utils", &[], &[])]);
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn refuses_a_long_chain() {
        let names: Vec<String> = (0..9).map(|index| format!("c{index}")).collect();
        let packages: Vec<Package> = (0..9)
            .map(|index| {
                let below: Vec<&str> = names
                    .get(index + 1)
                    .map(String::as_str)
                    .into_iter()
                    .collect();
                package(&names[index], &below, &[])
            })
            .collect();
        assert_eq!(longest_chain(&packages).len(), 9);
        assert!(
            messages(&packages)
                .iter()
                .any(|message| message.contains("9 crates in one chain"))
        );
    }
}
