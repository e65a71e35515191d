//! Reading the file into an app.

use crate::chunks::{ChunkReader, Step};
use crate::digest::Totals;
use crate::errors::{bad_file, refused};
use crate::format::{Definition, Line};
use crate::inspect::{Inspected, inspect};
use crate::target::{Target, portable_settings, write};
use crate::{Progress, Report, walk};
use basalt_base::{Error, Map, Reason, Result, Secret};
use basalt_store::{
    Action, AppStore, Precondition, Query, ReadOptions, Record, RecordWrite, SchemaChange, Store,
    Write,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Most objects in one batch.
const BATCH_OBJECTS_MAX: usize = 500;
/// Counting what a broken import left may take this long.
const COUNT: ReadOptions = ReadOptions {
    time_max: Duration::from_hours(1),
};

/// What to import.
pub struct Import<'a> {
    /// Where to.
    pub store: &'a dyn Store,
    /// The file.
    pub path: &'a Path,
    /// The app to fill; the file's if not given.
    pub app: Option<&'a str>,
    /// Whether to go on with an import that was broken off.
    pub resume: bool,
    /// Whether an app of this id may be filled, and the settings that it gets if it is made; the
    /// file's with `None`.
    pub admit: &'a (dyn Fn(&str) -> Result<Option<Map>> + Sync),
    /// Names in an app's settings that belong to the store it was exported from.
    pub own: &'a [&'a str],
    /// An account number for the app if the file's is taken.
    pub account: String,
}

/// What was imported.
pub struct Imported {
    /// The app's id.
    pub app: String,
    /// What it holds now, as read back from the store.
    pub totals: Totals,
    /// Whether the app was made; one that was there keeps its settings.
    pub is_new: bool,
    /// The keys in the file, if any. They are not in force.
    pub keys: Option<Vec<(String, Secret)>>,
}

/// Fills an app from a file that was looked through first, then reads it back and compares. One chunk
/// is in memory at a time. The app is marked in the registry from the first write to the last
/// comparison ([`crate::is_importing`]).
///
/// Errors: the file is not whole ([`inspect`]) or the app not empty, and nothing was written; a
/// write fails, or what the store gives back is something else, and the app stays marked.
pub async fn import(request: Import<'_>, report: &Report) -> Result<Imported> {
    let Inspected { header, totals } = inspect(request.path)?;
    let app = request.app.unwrap_or(&header.app).to_owned();
    let settings = (request.admit)(&app)?;
    let settings = settings.unwrap_or_else(|| portable_settings(&header.settings, request.own));
    let target = Target::claim(&request, &app, settings, &header, &totals.content).await?;
    let mut loader = Loader {
        data: &*target.data,
        totals: &totals,
        definition: None,
        skip: 0,
        batch: Vec::new(),
        done: 0,
        report,
    };
    if request.resume {
        report(Progress::Resumed(loader.present().await?));
    }
    let mut reader = ChunkReader::open(request.path)?;
    loop {
        match reader.next()? {
            Step::Chunk(lines) => loader.chunk(lines).await?,
            Step::End(end) if end.totals == totals => break,
            Step::End(_) | Step::Torn => return Err(bad_file("it changed while it was read")),
        }
    }
    loader.close().await?;
    report(Progress::Comparing);
    let found = walk::totals(&*target.data).await?;
    if found != totals {
        return Err(Error::new(
            Reason::StoreCorrupt,
            format!(
                "App {app} does not hold what the file does; these classes differ: {}. It stays marked as unfinished; empty it and import again: basalt app clear {app} --yes",
                found.differences(&totals).join(", ")
            ),
        ));
    }
    target.release(request.store).await?;
    Ok(Imported {
        app,
        totals: found,
        is_new: target.is_new,
        keys: header.keys,
    })
}

struct Loader<'a> {
    data: &'a dyn AppStore,
    totals: &'a Totals,
    /// The collection that is being filled.
    definition: Option<Box<Definition>>,
    /// Objects of it that are there already.
    skip: u64,
    batch: Vec<Write>,
    done: u64,
    report: &'a Report,
}

impl Loader<'_> {
    /// Objects that an earlier run wrote.
    async fn present(&self) -> Result<u64> {
        let mut present = 0;
        for name in self.data.catalogue().collections.keys() {
            present += self.data.count(&Query::all(name.clone()), COUNT).await?;
        }
        Ok(present)
    }

    async fn chunk(&mut self, lines: Vec<Line>) -> Result<()> {
        for line in lines {
            match line {
                Line::Collection(definition) => {
                    self.close().await?;
                    self.open(definition).await?;
                }
                Line::Object(record) => self.object(*record).await?,
                Line::Header(_) | Line::Chunk(_) | Line::End(_) => {}
            }
        }
        self.flush().await?;
        (self.report)(Progress::Objects {
            done: self.done,
            total: self.totals.objects(),
        });
        Ok(())
    }

    /// Makes a collection with its fields, or finds how far an earlier run came with it. Objects are
    /// written in order, one batch after the other, so that their number says which are there.
    async fn open(&mut self, definition: Box<Definition>) -> Result<()> {
        let name = &definition.name;
        self.skip = 0;
        if self.data.catalogue().collection(name).is_some() {
            self.skip = self.data.count(&Query::all(name.clone()), COUNT).await?;
            let mut sums = self.totals.collections.iter();
            let sum = sums.find(|sum| sum.name == *name);
            if sum.is_none_or(|sum| sum.objects < self.skip) {
                return Err(refused(format!(
                    "The class {name} has {} objects already, more than the file: something else wrote to the app, which stays marked as unfinished. Empty it and import again: basalt app clear ID --yes",
                    self.skip
                )));
            }
        }
        let made = SchemaChange::EnsureCollection {
            name: name.clone(),
            rules: definition.rules.clone(),
        };
        let fields = definition
            .fields
            .iter()
            .map(|field| SchemaChange::EnsureField {
                collection: name.clone(),
                field: field.clone(),
            });
        let steps = std::iter::once(made).chain(fields).map(Write::Schema);
        write(self.data, steps.collect())
            .await
            .map_err(|error| within(name, &error))?;
        self.definition = Some(definition);
        Ok(())
    }

    async fn object(&mut self, record: Record) -> Result<()> {
        let Some(definition) = &self.definition else {
            return Err(bad_file("an object belongs to no class"));
        };
        self.done += 1;
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        self.batch.push(Write::Record(RecordWrite {
            collection: definition.name.clone(),
            id: record.id,
            precondition: Precondition::Absent,
            action: Action::Restore {
                created_at: record.created_at,
                fields: record.fields,
                acl: record.acl,
            },
            at: record.updated_at,
        }));
        if self.batch.len() >= BATCH_OBJECTS_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        let Some(definition) = &self.definition else {
            return Ok(());
        };
        let written = write(self.data, batch).await;
        written
            .map_err(|error| within(&definition.name, &error))
            .map(|_| ())
    }

    /// Ends a collection with its indexes: they are made faster from all objects at once.
    async fn close(&mut self) -> Result<()> {
        self.flush().await?;
        let Some(definition) = self.definition.take() else {
            return Ok(());
        };
        for index in &definition.indexes {
            let step = Write::Schema(SchemaChange::CreateIndex {
                collection: Arc::clone(&definition.name),
                index: index.clone(),
            });
            let made = write(self.data, vec![step]).await;
            made.map_err(|error| within(&definition.name, &error))?;
        }
        Ok(())
    }
}

/// The same error, saying where.
fn within(collection: &str, error: &Error) -> Error {
    let message = format!(
        "Class {collection} after the objects that are there: {} The app stays marked as unfinished; --resume goes on.",
        error.message()
    );
    Error::new(error.reason(), message).with_source(format!("{error:?}"))
}
