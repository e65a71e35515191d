//! What cargo knows about the workspace: its crates and what they pull in.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A crate of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Package name, as in `basalt-data`.
    pub name: String,
    /// Names of the packages that its code uses, outside of tests and build scripts.
    pub normal: Vec<String>,
    /// Names of the packages that only its tests use.
    pub dev: Vec<String>,
    /// Names of the packages that only its build script uses.
    pub build: Vec<String>,
}

impl Package {
    /// The name of its folder: `data` for `basalt-data`; `basalt` and `xtask` stay as they are.
    pub fn short(&self) -> &str {
        short(&self.name)
    }
}

/// The folder name of a package of the workspace.
pub fn short(package: &str) -> &str {
    package.strip_prefix("basalt-").unwrap_or(package)
}

/// The crates of the workspace, from `cargo metadata`; needs no network.
pub fn packages(root: &Path) -> Result<Vec<Package>> {
    parse_metadata(&run(
        root,
        &["metadata", "--no-deps", "--format-version", "1"],
    )?)
}

/// `name version` of every package that `package` needs to run on this platform, itself included.
pub fn normal_tree(root: &Path, package: &str) -> Result<BTreeSet<String>> {
    let text = run(
        root,
        &["tree", "-e", "normal", "--prefix", "none", "-p", package],
    )?;
    Ok(parse_tree(&text))
}

fn run(root: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(root)
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        let problem = String::from_utf8_lossy(&output.stderr);
        bail!("cargo {}: {}", arguments.join(" "), problem.trim());
    }
    String::from_utf8(output.stdout).context("cargo wrote something that is not UTF-8")
}

fn parse_metadata(text: &str) -> Result<Vec<Package>> {
    let metadata: Value = serde_json::from_str(text).context("cargo metadata wrote no JSON")?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    packages.iter().map(parse_package).collect()
}

fn parse_package(value: &Value) -> Result<Package> {
    let name = value["name"]
        .as_str()
        .context("a package has no name")?
        .to_owned();
    let dependencies = value["dependencies"]
        .as_array()
        .context("a package has no dependencies")?;
    let of_kind = |kind: Option<&str>| -> Vec<String> {
        let wanted = dependencies
            .iter()
            .filter(|dependency| dependency["kind"].as_str() == kind);
        wanted
            .filter_map(|dependency| dependency["name"].as_str())
            .map(str::to_owned)
            .collect()
    };
    Ok(Package {
        normal: of_kind(None),
        dev: of_kind(Some("dev")),
        build: of_kind(Some("build")),
        name,
    })
}

fn parse_tree(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            let version = words.next()?;
            Some(format!("{name} {version}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_metadata() {
        let text = r#"{"packages":[{"name":"basalt-data","dependencies":[
            {"name":"basalt-base","kind":null},
            {"name":"basalt-testkit","kind":"dev"},
            {"name":"cc","kind":"build"}]}]}"#;
        let packages = parse_metadata(text).unwrap();
        assert_eq!(packages[0].short(), "data");
        assert_eq!(packages[0].normal, ["basalt-base"]);
        assert_eq!(packages[0].dev, ["basalt-testkit"]);
        assert_eq!(packages[0].build, ["cc"]);
        assert!(parse_metadata("{}").is_err());
    }

    #[test]
    fn counts_a_package_once() {
        let text = "basalt v0.1.0 (/x)\nserde v1.0.0\nserde v1.0.0 (*)\nserde_core v1.0.0\n\n";
        let tree = parse_tree(text);
        assert_eq!(tree.len(), 3);
        assert!(tree.contains("serde v1.0.0"));
    }
}
