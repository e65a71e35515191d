//! The files of an app's code, read from disk.

use basalt_sandbox::frame::{Bundle, File};
use std::path::{Path, PathBuf};

/// Most files of one app's code, and most bytes of all of them.
const FILES_MAX: usize = 5_000;
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// What counts as code.
const KINDS: &[&str] = &["js", "mjs", "cjs", "json"];
/// What runs first in a folder.
const ENTRIES: &[&str] = &["main.js", "index.js", "main.mjs", "index.mjs"];

/// Reads the code at a path: a file, with the folder that it is in, or a folder. Links are not
/// followed, and names that begin with a dot are left out. Errors: in words.
pub(crate) fn read(path: &Path) -> Result<Bundle, String> {
    let shown = path.display();
    let found = std::fs::metadata(path).map_err(|error| format!("{shown}: {error}"))?;
    let (folder, entry) = if found.is_dir() {
        let is_file = |name: &&&str| path.join(name).is_file();
        let entry = ENTRIES.iter().find(is_file);
        let entry = entry.ok_or_else(|| format!("{shown}: there is no main.js or index.js"))?;
        (path.to_owned(), (*entry).to_owned())
    } else {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        (folder, name.unwrap_or_default())
    };
    let mut files = Vec::new();
    let mut bytes = 0;
    for (name, path) in list(&folder)? {
        let content = std::fs::read(&path).map_err(|error| format!("{name}: {error}"))?;
        bytes += content.len();
        if bytes > BYTES_MAX {
            return Err(format!(
                "{}: more than {} MiB of code; give it a folder of its own",
                folder.display(),
                BYTES_MAX >> 20
            ));
        }
        files.push(File {
            path: name,
            content,
        });
    }
    // An entry of any name is code.
    if !files.iter().any(|file| file.path == entry) {
        let content = std::fs::read(folder.join(&entry));
        files.push(File {
            path: entry.clone(),
            content: content.map_err(|error| format!("{shown}: {error}"))?,
        });
    }
    Ok(Bundle {
        entry,
        files,
        ..Bundle::default()
    })
}

/// The files of code below a folder, by their names within it, sorted.
pub(crate) fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let mut found = Vec::new();
    let mut open = vec![(String::new(), folder.to_owned())];
    while let Some((prefix, folder)) = open.pop() {
        let shown = folder.display().to_string();
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{shown}: {error}"))?;
        for entry in entries {
            let entry = entry.map_err(|error| format!("{shown}: {error}"))?;
            let kind = entry
                .file_type()
                .map_err(|error| format!("{shown}: {error}"))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
                continue;
            };
            let path = entry.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if kind.is_dir() {
                open.push((format!("{prefix}{name}/"), path));
            } else if kind.is_file() && extension.is_some_and(|kind| KINDS.contains(&kind)) {
                found.push((format!("{prefix}{name}"), path));
            }
            if found.len() + open.len() > FILES_MAX {
                return Err(format!(
                    "{shown}: more than {FILES_MAX} files; give the code a folder of its own"
                ));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_hidden_files_stay_out() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("main.js"), "1").unwrap();
        std::fs::write(at(".env.js"), "secret").unwrap();
        std::fs::write(at("notes.txt"), "x").unwrap();
        std::fs::create_dir(at("lib")).unwrap();
        std::fs::write(at("lib/a.js"), "2").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", at("passwd.js")).unwrap();
        std::os::unix::fs::symlink("/etc", at("etc")).unwrap();
        for path in [folder.path().to_owned(), at("main.js")] {
            let bundle = read(&path).unwrap();
            assert_eq!(bundle.entry, "main.js");
            let names: Vec<_> = bundle.files.iter().map(|file| &*file.path).collect();
            assert_eq!(names, ["lib/a.js", "main.js"]);
        }
        assert!(read(&at("none.js")).unwrap_err().contains("none.js"));
        assert!(read(&at("lib")).unwrap_err().contains("main.js"));
    }
}
