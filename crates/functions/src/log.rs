//! What functions and hooks have logged: lines in files, bounded by size and age, one folder an app.

mod line;
mod search;
mod writer;

pub use line::Level;
pub use search::{LogQuery, Tail};

use basalt_base::{Clock, Error, Map, Reason, Result, Value};
use line::Line;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use writer::{Message, Writer};

/// How much is kept.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Most bytes of one app's logs.
    pub bytes_max: u64,
    /// How long a line is kept.
    pub age_max: Duration,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            bytes_max: 64 * 1024 * 1024,
            age_max: Duration::from_hours(30 * 24),
        }
    }
}

/// The logs of all apps. Cheap to clone; the thread that writes ends with the last clone.
#[derive(Clone)]
pub struct LogStore {
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    writer: Arc<Writer>,
}

impl LogStore {
    /// In a folder that is made at the first line. Errors: `Internal` when no thread can be made.
    pub fn open(dir: PathBuf, options: LogOptions, clock: Arc<dyn Clock>) -> Result<Self> {
        let writer = Writer::start(dir.clone(), options, Arc::clone(&clock))?;
        Ok(Self {
            dir,
            clock,
            writer: Arc::new(writer),
        })
    }

    /// The logs of one app; `folder` is a name that no other app has, and no user has chosen.
    pub fn app(&self, folder: &str) -> Logs {
        Logs {
            store: self.clone(),
            folder: folder.into(),
            changed: Arc::new(watch::channel(0).0),
        }
    }
}

/// The logs of one app. Cheap to clone.
#[derive(Clone)]
pub struct Logs {
    store: LogStore,
    folder: Arc<str>,
    changed: Arc<watch::Sender<u64>>,
}

impl Logs {
    /// Logs a line. It never waits: when lines come faster than the disk takes them, some are
    /// dropped, and a line says how many. `fields` join the line; secrets must not be in them.
    pub fn write(&self, level: Level, message: &str, fields: Map) {
        let line = Line {
            at: self.store.clock.now(),
            level,
            message,
            fields: &fields,
        };
        let message = Message::Line {
            folder: Arc::clone(&self.folder),
            text: line.text(),
            written: Arc::clone(&self.changed),
        };
        self.store.writer.send(message);
    }

    /// The lines that a query asks for, each a map with `timestamp`, `level`, `message` and more.
    pub async fn search(&self, query: LogQuery) -> Result<Vec<Value>> {
        self.store.writer.flush().await;
        let dir = self.store.dir.join(&*self.folder);
        blocking(move || search::search(&dir, &query)).await
    }

    /// The lines after a point, oldest first, and the point after them. Waits for lines up to
    /// `wait` when there are none. An empty point is now.
    pub async fn tail(&self, after: &str, wait: Duration) -> Result<Tail> {
        let mut changed = self.changed.subscribe();
        let waited = async {
            loop {
                self.store.writer.flush().await;
                changed.borrow_and_update();
                let dir = self.store.dir.join(&*self.folder);
                let after = after.to_owned();
                let point = after.clone();
                let tail = blocking(move || search::tail(&dir, &point)).await?;
                if !tail.lines.is_empty() || tail.next != after || after.is_empty() {
                    return Ok(tail);
                }
                if changed.changed().await.is_err() {
                    return Ok(tail);
                }
            }
        };
        let now = || Tail {
            lines: Vec::new(),
            next: after.to_owned(),
        };
        let done = tokio::time::timeout(wait, waited).await;
        done.unwrap_or_else(|_| Ok(now()))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(Error::internal)?;
    done.map_err(|error| {
        Error::new(Reason::StoreUnavailable, "The logs can't be read.").with_source(error)
    })
}

#[cfg(test)]
mod tests;
