//! Writing the file.

use crate::chunks::{ChunkReader, ChunkWriter, Link, Step};
use crate::digest::{Hasher, Totals};
use crate::errors::{io, refused};
use crate::format::{Definition, Header};
use crate::inspect::Follower;
use crate::walk::{Sink, View};
use crate::{Progress, Report};
use basalt_base::{Map, Result, Secret, Timestamp};
use basalt_store::{AppRow, AppStore, Record};
use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// Objects between two reports.
const REPORT_OBJECTS: u64 = 1_000;

/// What to export.
pub struct Export<'a> {
    /// The app's data.
    pub app: &'a dyn AppStore,
    /// Its row in the registry.
    pub row: &'a AppRow,
    /// The settings to write down.
    pub settings: Map,
    /// The keys to write down, if any.
    pub keys: Option<Vec<(String, Secret)>>,
    /// The file, readable by its owner only.
    pub path: &'a Path,
    /// Whether to go on with a file that was broken off.
    pub resume: bool,
    /// The version of this program.
    pub program: &'a str,
    /// The time.
    pub at: Timestamp,
}

/// Writes everything that the app holds at one moment to a new file; holds one chunk in memory.
///
/// Errors: the file is there already (without `resume`), it is complete or belongs to another state
/// of the app (with `resume`), the disk is full; and those of the store. A failed export leaves a
/// file that is not taken for a whole one.
pub async fn export(request: Export<'_>, report: &Report) -> Result<Totals> {
    let view = View::of(request.app).await?;
    let is_there = request.resume && request.path.exists();
    let found = is_there.then(|| Broken::read(request.path)).transpose()?;
    let started = found.and_then(|broken| Some((broken.header?, broken.hasher, broken.link)));
    let total;
    let (writer, hasher) = if let Some((header, hasher, link)) = started {
        same_state(&request, &view, &header)?;
        total = header.objects();
        report(Progress::Resumed(hasher.objects()));
        let file = open(request.path)?;
        (ChunkWriter::new(request.path, file, link)?, hasher)
    } else {
        let header = header(&request, &view).await?;
        total = header.objects();
        // A file with not even a header holds nothing to go on with.
        let file = if request.resume {
            open(request.path)?
        } else {
            create(request.path)?
        };
        let mut writer = ChunkWriter::new(request.path, file, Link::default())?;
        writer.line(&header.line())?;
        writer.cut()?;
        (writer, Hasher::default())
    };
    let from = hasher
        .current()
        .map(|(name, done)| (name.to_string(), done));
    let sink = Arc::new(Mutex::new(Some(Output {
        writer,
        hasher,
        total,
        report: Arc::clone(report),
    })));
    let from = from.as_ref().map(|(name, done)| (name.as_str(), *done));
    view.walk(from, &sink).await?;
    let output = sink.lock().take();
    let Some(output) = output else {
        return Err(basalt_base::Error::internal("the export's output is gone"));
    };
    let totals = output.hasher.finish();
    output.writer.finish(totals.clone())?;
    Ok(totals)
}

async fn header(request: &Export<'_>, view: &View) -> Result<Header> {
    Ok(Header {
        app: request.row.app_id.as_str().to_owned(),
        account: request.row.account.clone(),
        created_at: request.row.created_at,
        exported_at: request.at,
        program: request.program.to_owned(),
        position: view.snapshot.position().0,
        catalogue: view.catalogue,
        settings: request.settings.clone(),
        collections: view.counts().await?,
        keys: request.keys.clone(),
    })
}

/// Refuses to go on with a file that shows another state: it would be a mixture of both.
fn same_state(request: &Export<'_>, view: &View, header: &Header) -> Result<()> {
    let path = request.path.display();
    if header.app != request.row.app_id.as_str() {
        return Err(refused(format!(
            "{path} is an export of app {}.",
            header.app
        )));
    }
    if header.keys.is_some() != request.keys.is_some() {
        return Err(refused(format!(
            "{path} was begun {} keys; go on the same way.",
            if header.keys.is_some() {
                "with"
            } else {
                "without"
            }
        )));
    }
    let position = view.snapshot.position().0;
    if (header.position, header.catalogue) != (position, view.catalogue) {
        return Err(refused(format!(
            "The app was written to since {path} was begun (position {} then, {position} now), so that the two halves would not fit. Remove the file and export again.",
            header.position
        )));
    }
    Ok(())
}

fn create(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => refused(format!(
            "{} is there already. Go on with a broken export by --resume, or remove the file.",
            path.display()
        )),
        _ => io(path, error),
    })
}

fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600);
    options.open(path).map_err(|error| io(path, error))
}

/// What a file that was broken off holds up to its last whole chunk.
struct Broken {
    header: Option<Header>,
    hasher: Hasher,
    link: Link,
}

impl Broken {
    fn read(path: &Path) -> Result<Self> {
        let mut reader = ChunkReader::open(path)?;
        let mut follower = Follower::default();
        loop {
            match reader.next() {
                Ok(Step::Chunk(lines)) => lines.iter().try_for_each(|l| follower.take(l))?,
                Ok(Step::End(_)) => {
                    return Err(refused(format!("{} is complete.", path.display())));
                }
                // A file that is no export at all must not be written over.
                Err(error) if reader.link().number == 0 => return Err(error),
                Ok(Step::Torn) | Err(_) => break,
            }
        }
        Ok(Self {
            header: follower.header,
            hasher: follower.hasher,
            link: reader.link().clone(),
        })
    }
}

struct Output {
    writer: ChunkWriter,
    hasher: Hasher,
    total: u64,
    report: Report,
}

impl Sink for Option<Output> {
    fn collection(&mut self, definition: &Definition) -> Result<()> {
        let Some(output) = self else { return Ok(()) };
        output.hasher.collection(definition);
        output.writer.line(&definition.line())
    }

    fn object(&mut self, record: &Record) -> Result<()> {
        let Some(output) = self else { return Ok(()) };
        output.hasher.object(record);
        let done = output.hasher.objects();
        if done.is_multiple_of(REPORT_OBJECTS) || done == output.total {
            (output.report)(Progress::Objects {
                done,
                total: output.total,
            });
        }
        let line = basalt_store::codec::encode_portable(record);
        output.writer.line(&line)
    }
}
