//! Putting code in force again when its files change, on a developer's machine.

use super::{bundle, put};
use basalt_api_parse::App;
use basalt_functions::Isolates;
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::{Duration, SystemTime};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The files of code as they are: name, size, time of the last change.
type Seen = Vec<(String, u64, Option<SystemTime>)>;

/// Follows the files until the app is closed.
pub(super) async fn follow(app: Weak<App>, isolates: Isolates, path: PathBuf) {
    let mut seen = seen(&path);
    let mut used = seen.clone();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = self::seen(&path);
        let Some(app) = app.upgrade() else {
            return;
        };
        if now == used || now != seen {
            // Whoever saves a file may be at it: what was seen twice is saved.
            seen = now;
            continue;
        }
        used.clone_from(&seen);
        match put(&app, &isolates, &path).await {
            Ok(()) => tracing::info!(app = %app.id, "the Cloud Code was read again"),
            Err(message) => {
                tracing::error!(app = %app.id, message, "the changed Cloud Code can't be used; the one before stays");
            }
        }
    }
}

fn seen(path: &Path) -> Seen {
    let folder = if path.is_dir() {
        path
    } else {
        path.parent().unwrap_or(path)
    };
    let files = bundle::list(folder).unwrap_or_default();
    let files = files.into_iter().map(|(name, path)| {
        let found = std::fs::metadata(path).ok();
        let size = found.as_ref().map_or(0, std::fs::Metadata::len);
        (name, size, found.and_then(|found| found.modified().ok()))
    });
    files.collect()
}
