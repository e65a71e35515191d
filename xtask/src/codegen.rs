//! Documentation generated from code. To add a page, add a module and a line in [`pages`].

mod errors;

use std::path::Path;

use anyhow::{Context, Result};

use crate::tree::File;

/// Every generated page, as it should be.
pub fn pages() -> Vec<File> {
    vec![File::new("docs/errors.md", &errors::page())]
}

/// Writes the pages that differ from what is on disk and returns their paths.
pub fn write(root: &Path) -> Result<Vec<String>> {
    let mut written = Vec::new();
    for page in pages() {
        let path = root.join(&page.path);
        if std::fs::read_to_string(&path).is_ok_and(|text| text == page.text) {
            continue;
        }
        std::fs::write(&path, &page.text).with_context(|| format!("cannot write {}", page.path))?;
        written.push(page.path);
    }
    Ok(written)
}
