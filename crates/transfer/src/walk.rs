//! Reading a whole app in order from one snapshot.

use crate::digest::{Hasher, Totals};
use crate::errors::refused;
use crate::format::Definition;
use basalt_base::{Error, Result};
use basalt_store::{AppStore, Query, ReadOptions, Record, Snapshot};
use parking_lot::Mutex;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// Reading a large collection may take this long.
const READ: ReadOptions = ReadOptions {
    time_max: Duration::from_hours(24),
};
/// How often a snapshot is taken again when the catalogue changes under it.
const ATTEMPTS: usize = 20;

/// What an app holds at one moment.
pub(crate) struct View {
    pub snapshot: Box<dyn Snapshot>,
    pub catalogue: u64,
    /// All collections, by name.
    pub definitions: Vec<Definition>,
}

impl View {
    /// The app as it is now. Errors: its catalogue changes all the time.
    pub(crate) async fn of(app: &dyn AppStore) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            app.refresh().await?;
            let catalogue = app.catalogue();
            let snapshot = app.snapshot().await?;
            app.refresh().await?;
            // The catalogue is no part of the snapshot; the same before and after, it fits.
            if app.catalogue().version == catalogue.version {
                let all = catalogue.collections.values();
                let mut definitions: Vec<_> = all.map(|c| Definition::of(c)).collect();
                definitions.sort_by(|a, b| a.name.cmp(&b.name));
                return Ok(Self {
                    snapshot,
                    catalogue: catalogue.version,
                    definitions,
                });
            }
        }
        Err(refused(
            "The app's classes change all the time; try again when they do not.",
        ))
    }

    /// How many objects each collection has.
    pub(crate) async fn counts(&self) -> Result<Vec<(String, u64)>> {
        let mut counts = Vec::new();
        for definition in &self.definitions {
            let query = Query::all(definition.name.clone());
            let objects = self.snapshot.count(&query, READ).await?;
            counts.push((definition.name.to_string(), objects));
        }
        Ok(counts)
    }

    /// Hands everything to a sink: collections by name, objects in order of creation. `from` names
    /// the collection to go on with and how many of its objects to leave out.
    pub(crate) async fn walk<S: Sink>(
        &self,
        from: Option<(&str, u64)>,
        sink: &Arc<Mutex<S>>,
    ) -> Result<()> {
        for definition in &self.definitions {
            let skip = match from {
                Some((name, _)) if *definition.name < *name => continue,
                Some((name, done)) if *definition.name == *name => done,
                _ => {
                    sink.lock().collection(definition)?;
                    0
                }
            };
            self.objects(definition, skip, sink).await?;
        }
        Ok(())
    }

    async fn objects<S: Sink>(
        &self,
        definition: &Definition,
        skip: u64,
        sink: &Arc<Mutex<S>>,
    ) -> Result<()> {
        let mut query = Query::all(definition.name.clone());
        query.skip = skip;
        let failure: Arc<Mutex<Option<Error>>> = Arc::default();
        let (own_sink, own_failure) = (Arc::clone(sink), Arc::clone(&failure));
        let each = move |record| {
            let taken = own_sink.lock().object(&record);
            match taken {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    *own_failure.lock() = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        self.snapshot.scan(query, READ, Box::new(each)).await?;
        let failed = failure.lock().take();
        failed.map_or(Ok(()), Err)
    }
}

/// Takes what a walk finds.
pub(crate) trait Sink: Send + 'static {
    fn collection(&mut self, definition: &Definition) -> Result<()>;
    fn object(&mut self, record: &Record) -> Result<()>;
}

impl Sink for Hasher {
    fn collection(&mut self, definition: &Definition) -> Result<()> {
        Self::collection(self, definition);
        Ok(())
    }

    fn object(&mut self, record: &Record) -> Result<()> {
        Self::object(self, record);
        Ok(())
    }
}

/// What the app hashes to.
pub(crate) async fn totals(app: &dyn AppStore) -> Result<Totals> {
    let view = View::of(app).await?;
    let hasher = Arc::new(Mutex::new(Hasher::default()));
    view.walk(None, &hasher).await?;
    let hasher = std::mem::take(&mut *hasher.lock());
    Ok(hasher.finish())
}
