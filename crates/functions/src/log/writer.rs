//! The thread that appends lines and removes old files.

use super::LogOptions;
use basalt_base::{Clock, Error, Result, Timestamp};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{oneshot, watch};

/// Lines that wait for the disk.
const QUEUE_MAX: usize = 8_192;
/// Lines that are written at once.
const BATCH_MAX: usize = 512;
/// How many files an app's logs are spread over.
const SEGMENTS: u64 = 16;

/// What the thread is told.
pub(super) enum Message {
    Line {
        folder: Arc<str>,
        text: String,
        written: Arc<watch::Sender<u64>>,
    },
    Flush(oneshot::Sender<()>),
}

pub(super) struct Writer {
    queue: Sender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Writer {
    pub fn start(dir: PathBuf, options: LogOptions, clock: Arc<dyn Clock>) -> Result<Self> {
        let (queue, messages) = bounded(QUEUE_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let work = Work {
            dir,
            options,
            clock,
            dropped: Arc::clone(&dropped),
        };
        std::thread::Builder::new()
            .name("logs".to_owned())
            .spawn(move || work.run(&messages))
            .map_err(Error::internal)?;
        Ok(Self { queue, dropped })
    }

    pub fn send(&self, message: Message) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(message) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what was sent is in the files.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        let mut message = Message::Flush(done);
        loop {
            match self.queue.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) => message = back,
                Err(TrySendError::Disconnected(_)) => return,
            }
            tokio::task::yield_now().await;
        }
        // The thread is gone when this fails, and nothing more gets into the files.
        let _ = wait.await;
    }
}

struct Work {
    dir: PathBuf,
    options: LogOptions,
    clock: Arc<dyn Clock>,
    dropped: Arc<AtomicU64>,
}

/// Lines of one app that are written together.
#[derive(Default)]
struct Batch {
    text: String,
    written: Option<Arc<watch::Sender<u64>>>,
}

impl Work {
    fn run(&self, messages: &Receiver<Message>) {
        while let Ok(first) = messages.recv() {
            let mut batches: HashMap<Arc<str>, Batch> = HashMap::new();
            let mut flushed = Vec::new();
            let more = std::iter::from_fn(|| messages.try_recv().ok());
            for message in std::iter::once(first).chain(more).take(BATCH_MAX) {
                match message {
                    Message::Flush(done) => flushed.push(done),
                    Message::Line {
                        folder,
                        text,
                        written,
                    } => {
                        let batch = batches.entry(folder).or_default();
                        batch.text.push_str(&text);
                        batch.written = Some(written);
                    }
                }
            }
            for (folder, batch) in batches {
                self.write(&folder, batch);
            }
            for done in flushed {
                // Whoever asked may have left.
                let _ = done.send(());
            }
        }
    }

    fn write(&self, folder: &str, batch: Batch) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(dropped, "lines of functions' logs were dropped");
        }
        let dir = self.dir.join(folder);
        if let Err(error) = self.append(&dir, batch.text.as_bytes()) {
            tracing::warn!(folder, %error, "a line of functions' logs can't be written");
        }
        if let Some(written) = batch.written {
            written.send_modify(|n| *n += 1);
        }
    }

    fn append(&self, dir: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        let segments = segments(dir)?;
        let segment_max = (self.options.bytes_max / SEGMENTS).max(4_096);
        let last = segments.last().copied();
        let full = |number| -> io::Result<bool> {
            Ok(fs::metadata(path(dir, number))?.len() >= segment_max)
        };
        let number = match last {
            Some(number) if !full(number)? => number,
            last => {
                self.remove_old(dir, &segments)?;
                last.map_or(1, |number| number + 1)
            }
        };
        let mut file = open(&path(dir, number))?;
        file.write_all(bytes)
    }

    /// Makes room for a new file: the oldest ones go while there are too many or they are too old.
    fn remove_old(&self, dir: &Path, segments: &[u64]) -> io::Result<()> {
        let many = segments.len().saturating_sub(SEGMENTS as usize - 1);
        let oldest = self.clock.now().seconds() - self.options.age_max.as_secs().cast_signed();
        for (at, number) in segments.iter().enumerate() {
            let path = path(dir, *number);
            let modified = fs::metadata(&path)?.modified()?;
            let since = modified.duration_since(std::time::UNIX_EPOCH);
            let written = since.map_or(0, |d| {
                Timestamp::new(d.as_secs().cast_signed(), 0).seconds()
            });
            if at < many || written < oldest {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// Lines hold what users sent: the file is for the server alone.
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600);
    options.open(path)
}

/// The file of a number.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.jsonl"))
}

/// The numbers of the files that there are, in order.
pub(super) fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
