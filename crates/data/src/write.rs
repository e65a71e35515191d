//! Writing objects: a write is prepared with the caller's rights and the app's hooks, applied by
//! the store in one atomic batch, then told to the guard and the hooks.

mod batch;
mod create;
mod delete;
mod earlier;
mod finish;
mod infer;
mod input;
mod promise;
mod replace;
mod step;
mod update;

pub(crate) use batch::{batch, transaction};
pub(crate) use infer::{first_rules, new_collection};

use crate::core::Core;
use crate::{
    BatchStep, BatchStepDone, Call, Create, Created, Delete, DraftKind, Update, Updated, errors,
};
use basalt_base::{Error, Reason, Result};
use basalt_store::{DuplicateKey, Filter, Write, WriteBatch, Written};
use earlier::Earlier;
use std::sync::Arc;
use std::time::Duration;
use step::Step;

/// How often a create whose generated id is taken is tried.
const ID_ATTEMPTS_MAX: usize = 4;
/// How many objects a purge deletes at a time.
struct PurgeSlice(u64);

impl PurgeSlice {
    const FIRST: Self = Self(16);
    const MOST: u64 = 1_000;
    /// Large objects take long, and memory: a slice that took less than this is followed by a larger
    /// one, and one that took more than [`Self::LONG`] by a smaller one. Other writes wait as long.
    const SHORT: Duration = Duration::from_millis(100);
    const LONG: Duration = Duration::from_millis(300);

    /// The slice after one that took so long.
    fn next(&self, took: Duration) -> Self {
        Self(match took {
            took if took < Self::SHORT => (2 * self.0).min(Self::MOST),
            took if took > Self::LONG => (self.0 / 2).max(1),
            _ => self.0,
        })
    }
}

/// Makes an object.
pub(crate) async fn create(core: &Core, call: &Call, create: Create) -> Result<Created> {
    if create.id.is_some() {
        return create_once(core, call, create).await.map_err(|(e, _)| e);
    }
    for _ in 1..ID_ATTEMPTS_MAX {
        match create_once(core, call, create.clone()).await {
            Err((_, true)) => {}
            other => return other.map_err(|(e, _)| e),
        }
    }
    create_once(core, call, create).await.map_err(|(e, _)| e)
}

/// The flag of the error says that the object's generated id was taken.
async fn create_once(
    core: &Core,
    call: &Call,
    create: Create,
) -> std::result::Result<Created, (Error, bool)> {
    let own_id = create.id.is_some();
    let mut step = create::prepare(core, call, create, &Earlier::default())
        .await
        .map_err(|e| (e, false))?;
    match apply(core, &mut step).await {
        Ok(written) => finish::created(core, call, step, written)
            .await
            .map_err(|e| (e, false)),
        Err(e) => {
            let taken = !own_id && id_is_taken(core, &step, &e).await;
            Err((refused(core, call, &step, e), taken))
        }
    }
}

async fn id_is_taken(core: &Core, step: &Step, error: &Error) -> bool {
    error.reason() == Reason::DuplicateValue
        && DuplicateKey::of(error).is_none()
        && matches!(
            core.deps.store.get(&step.collection, &step.id).await,
            Ok(Some(_))
        )
}

/// Changes an object.
pub(crate) async fn update(core: &Core, call: &Call, update: Update) -> Result<Updated> {
    if promise::is_wanted(core, DraftKind::Update, &update.collection) {
        return match batch::alone(core, call, BatchStep::Update(update)).await? {
            BatchStepDone::Updated(updated) => Ok(updated),
            _ => Err(Error::internal("an update was answered as something else")),
        };
    }
    let mut step = update::prepare(core, call, update, &Earlier::default()).await?;
    match apply(core, &mut step).await {
        Ok(written) => finish::updated(core, call, step, written).await,
        Err(e) => Err(refused(core, call, &step, e)),
    }
}

/// Deletes an object.
pub(crate) async fn delete(core: &Core, call: &Call, delete: Delete) -> Result<()> {
    if promise::is_wanted(core, DraftKind::Delete, &delete.collection) {
        let done = batch::alone(core, call, BatchStep::Delete(delete)).await;
        return done.map(drop);
    }
    let mut step = delete::prepare(core, call, delete, &Earlier::default()).await?;
    match apply(core, &mut step).await {
        Ok(written) => {
            finish::deleted(core, call, step, written).await;
            Ok(())
        }
        Err(e) => Err(refused(core, call, &step, e)),
    }
}

/// Applies one step in a batch of its own.
async fn apply(core: &Core, step: &mut Step) -> Result<Vec<Written>> {
    let mut done = core.deps.store.write(vec![step.take_batch()]).await?;
    done.pop()
        .unwrap_or_else(|| Err(Error::internal("a store answered no batch")))
}

/// The caller's error for what the store refused of a step.
fn refused(core: &Core, call: &Call, step: &Step, error: Error) -> Error {
    if error.reason() == Reason::DuplicateValue {
        return duplicate(core, std::slice::from_ref(step), &error);
    }
    step.missing_is_refused(core, call, error)
}

/// The collection's own error for a value that is taken.
fn duplicate(core: &Core, steps: &[Step], error: &Error) -> Error {
    let guard = &core.deps.guard;
    let own = match DuplicateKey::of(error) {
        Some(key) => guard.duplicate(&key.collection, &key.index),
        // A store that does not attach the key ends its message with the index.
        None => error.message().rsplit(' ').next().and_then(|index| {
            let mut collections = steps.iter().flat_map(|s| &s.about).flatten();
            collections.find_map(|name| guard.duplicate(name, index))
        }),
    };
    own.unwrap_or_else(errors::duplicate)
}

/// Deletes every object of a collection, slice by slice, and what is about those objects only:
/// their places in relations, and the sessions of users. The last slice takes the rest of all of it
/// at once, so that nothing of an object made meanwhile is taken without it.
pub(crate) async fn purge(core: &Core, call: &Call, collection: &str) -> Result<()> {
    core.check_master_writes(&call.principal, "purge a schema")?;
    let catalogue = core.catalogue_with(collection).await?;
    let Some(collection) = catalogue.collection(collection) else {
        return Ok(());
    };
    let (own, others) = delete::joins(core, &catalogue, &collection.name);
    let guarded = core.deps.guard.goes_with(&collection.name).iter();
    let guarded = guarded
        .filter(|name| catalogue.collection(name).is_some())
        .map(|name| Arc::from(*name));
    let mut names = vec![collection.name.clone()];
    names.extend(own.into_iter().chain(others).chain(guarded));
    names.dedup();
    let mut limit = PurgeSlice::FIRST;
    loop {
        let started = core.deps.clock.monotonic();
        let write = |name: &Arc<str>| Write::DeleteMatching {
            collection: name.clone(),
            filter: Filter::Everything,
            limit: limit.0,
        };
        let slice = WriteBatch::of(names.iter().map(write).collect());
        let mut more = false;
        for written in core.deps.store.write(vec![slice]).await? {
            let full = |w: &Written| matches!(w, Written::Deleted(count) if *count >= limit.0);
            more |= written?.iter().any(full);
        }
        for name in names.iter().filter(|name| name.starts_with('_')) {
            core.deps.guard.committed(name, None, None);
        }
        if !more {
            core.deps.hooks.purged(&collection.name).await;
            return Ok(());
        }
        limit = limit.next(core.deps.clock.monotonic().since(started));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purges_take_less_at_a_time_of_what_takes_long() {
        let after = |slice: PurgeSlice, millis: &[u64]| {
            let took = millis.iter().map(|ms| Duration::from_millis(*ms));
            took.fold(slice, |slice, took| slice.next(took)).0
        };
        assert_eq!(after(PurgeSlice::FIRST, &[0; 10]), PurgeSlice::MOST);
        assert_eq!(after(PurgeSlice::FIRST, &[200; 10]), PurgeSlice::FIRST.0);
        assert_eq!(after(PurgeSlice(1_000), &[5_000, 2_500, 1_000, 50]), 250);
        assert_eq!(after(PurgeSlice::FIRST, &[9_999; 10]), 1);
    }
}
