//! The files of the repository, read once and handed to the checks.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// One text file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path from the root of the repository, with `/` between its parts.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

impl File {
    /// Makes a file in memory; what the tests of the checks use.
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// The part after the last dot of the file name, or an empty string.
    pub fn extension(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// The crate folder that the file lies in: `data` for `crates/data/src/lib.rs`.
    pub fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }
}

/// The root of the repository, found from where this crate was compiled.
pub fn root() -> Result<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = own.parent().context("xtask lies in no folder")?;
    Ok(root.to_owned())
}

/// Paths that git tracks or would track (neither ignored nor deleted), sorted.
///
/// Fails if git is absent or `root` is no checkout: a check that silently sees no file would pass.
pub fn paths(root: &Path) -> Result<Vec<String>> {
    let mut paths = git_paths(root, &["--cached", "--others", "--exclude-standard"])?;
    paths.retain(|path| root.join(path).is_file());
    paths.sort();
    paths.dedup();
    if paths.is_empty() {
        bail!("git lists no file in {}", root.display());
    }
    Ok(paths)
}

/// Paths that are committed or staged, ignored ones too.
pub fn tracked(root: &Path) -> Result<Vec<String>> {
    git_paths(root, &["--cached"])
}

fn git_paths(root: &Path, options: &[&str]) -> Result<Vec<String>> {
    let output = Command::new("git")
        // The checkout may belong to another user, as in a container.
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .args(options)
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!(
            "git ls-files: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect())
}

/// Reads the text files among `paths`; what is not UTF-8 or holds a NUL is left out.
pub fn read(root: &Path, paths: &[String]) -> Result<Vec<File>> {
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let bytes = match std::fs::read(root.join(path)) {
            Ok(bytes) => bytes,
            // Somebody may move a file while we look.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
        };
        if bytes.contains(&0) {
            continue;
        }
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File {
                path: path.clone(),
                text,
            });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_extension_and_crate() {
        let file = File::new("crates/data/src/lib.rs", "");
        assert_eq!(file.extension(), "rs");
        assert_eq!(file.crate_name(), Some("data"));
        let script = File::new("script/test", "");
        assert_eq!(script.extension(), "");
        assert_eq!(script.crate_name(), None);
    }

    #[test]
    fn lists_this_file() {
        let root = root().unwrap();
        let paths = paths(&root).unwrap();
        assert!(paths.iter().any(|path| path == "xtask/src/tree.rs"));
        assert!(!paths.iter().any(|path| path.starts_with("target/")));
    }
}
