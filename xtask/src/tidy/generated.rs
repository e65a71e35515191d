//! Generated pages match the code that they are generated from.

use super::Problem;
use crate::codegen;
use crate::tree::File;

/// Compares each generated page with what `cargo xtask codegen` would write.
pub fn check(files: &[File]) -> Vec<Problem> {
    let stale = codegen::pages().into_iter().filter(|page| {
        let committed = files.iter().find(|file| file.path == page.path);
        committed.is_none_or(|committed| committed.text != page.text)
    });
    stale
        .map(|page| Problem::of(&page.path, "out of date: run `cargo xtask codegen`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_a_stale_page() {
        let mut pages = codegen::pages();
        assert_eq!(check(&pages), []);
        pages[0].text.push_str("edited by hand\n");
        assert_eq!(check(&pages).len(), 1);
        assert_eq!(check(&[]).len(), codegen::pages().len());
    }
}
