//! What happens to files while no server runs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Copies a folder with everything in it to `to`, which must not exist.
pub fn folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    fs::set_permissions(to, fs::metadata(from)?.permissions())
}

/// All files below `folder` whose names end with `suffix`.
pub fn files(folder: &Path, suffix: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path(), suffix)?);
        } else if entry.file_name().to_string_lossy().ends_with(suffix) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Removes all files below `folder` whose names end with `suffix`; says how many there were.
pub fn remove(folder: &Path, suffix: &str) -> io::Result<usize> {
    let found = files(folder, suffix)?;
    for file in &found {
        fs::remove_file(file)?;
    }
    Ok(found.len())
}

/// Cuts a file after `bytes`.
pub fn cut(file: &Path, bytes: u64) -> io::Result<()> {
    File::options().write(true).open(file)?.set_len(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_copied_and_files_found() {
        let scratch = tempfile::tempdir().unwrap();
        let (from, to) = (scratch.path().join("a"), scratch.path().join("b"));
        fs::create_dir_all(from.join("apps/1")).unwrap();
        fs::write(from.join("apps/1/data.db-wal"), [1; 100]).unwrap();
        folder(&from, &to).unwrap();
        let copied = files(&to, "-wal").unwrap();
        assert_eq!(copied, [to.join("apps/1/data.db-wal")]);
        cut(&copied[0], 70).unwrap();
        assert_eq!(fs::metadata(&copied[0]).unwrap().len(), 70);
        assert_eq!(remove(&from, "-wal").unwrap(), 1);
        assert!(files(&from, "").unwrap().is_empty());
    }
}
