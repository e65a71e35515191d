//! Several steps: independent ones in one commit, or all of them or none.

use super::earlier::Earlier;
use super::step::{Step, is_guarded, missing_is_refused};
use super::{create, delete, finish, id_is_taken, promise, refused, update};
use crate::core::Core;
use crate::{BatchStep, BatchStepDone, Call, Create, DraftKind, EventKind};
use basalt_base::{Error, Reason, Result};
use basalt_store::{ReadCheck, WriteBatch, Written};

/// How often a transaction that meets concurrent changes is tried.
const ATTEMPTS_MAX: usize = 5;
/// The same of a single step whose after-hook is promised: each time one of those that meet at an
/// object gets through.
const ALONE_ATTEMPTS_MAX: usize = 200;

/// Independent steps that share one durable commit; each has its own result.
pub(crate) async fn batch(
    core: &Core,
    call: &Call,
    steps: Vec<BatchStep>,
) -> Result<Vec<Result<BatchStepDone>>> {
    check_count(core, &steps)?;
    let mut results: Vec<Option<Result<BatchStepDone>>> = Vec::new();
    results.resize_with(steps.len(), || None);
    let mut run = Run::default();
    for (at, step) in steps.into_iter().enumerate() {
        if stands_alone(core, &step) {
            run.flush(core, call, &mut results).await?;
            results[at] = Some(alone(core, call, step).await);
            continue;
        }
        // Hooks and guard look at the object as it stands, so what comes before has to be there.
        if looks_first(core, &step) && run.touches(&step) {
            run.flush(core, call, &mut results).await?;
        }
        let again = match &step {
            BatchStep::Create(create) if create.id.is_none() => Some(create.clone()),
            _ => None,
        };
        match prepare(core, call, step, &Earlier::default()).await {
            Ok(step) => run.pending.push(Pending { at, step, again }),
            Err(e) => results[at] = Some(Err(e)),
        }
    }
    run.flush(core, call, &mut results).await?;
    let unanswered = || Err(Error::internal("a step of a batch was not answered"));
    Ok(results
        .into_iter()
        .map(|result| result.unwrap_or_else(unanswered))
        .collect())
}

struct Pending {
    at: usize,
    step: Step,
    /// The create to try again when its generated id is taken.
    again: Option<Create>,
}

/// Prepared steps that wait for their commit.
#[derive(Default)]
struct Run {
    pending: Vec<Pending>,
}

impl Run {
    fn touches(&self, step: &BatchStep) -> bool {
        let (collection, id) = match step {
            BatchStep::Create(_) => return false,
            BatchStep::Update(update) => (&update.collection, &update.id),
            BatchStep::Delete(delete) => (&delete.collection, &delete.id),
        };
        self.pending
            .iter()
            .any(|p| p.step.collection == *collection && p.step.id == *id)
    }

    async fn flush(
        &mut self,
        core: &Core,
        call: &Call,
        results: &mut [Option<Result<BatchStepDone>>],
    ) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.pending);
        let batches = pending.iter_mut().map(|p| p.step.take_batch()).collect();
        let written = core.deps.store.write(batches).await?;
        for (pending, written) in pending.into_iter().zip(written) {
            let Pending { at, step, again } = pending;
            results[at] = Some(match (written, again) {
                (Ok(written), _) => finish::done(core, call, step, written).await,
                (Err(e), Some(create)) if id_is_taken(core, &step, &e).await => {
                    let created = super::create(core, call, create).await;
                    created.map(BatchStepDone::Created)
                }
                (Err(e), _) => Err(refused(core, call, &step, e)),
            });
        }
        Ok(())
    }
}

/// Whether preparing the step reads the object.
fn looks_first(core: &Core, step: &BatchStep) -> bool {
    let (collection, kind) = match step {
        BatchStep::Create(_) => return false,
        BatchStep::Update(update) => (&update.collection, EventKind::BeforeSave),
        BatchStep::Delete(delete) => (&delete.collection, EventKind::BeforeDelete),
    };
    is_guarded(collection) || core.deps.hooks.wants(kind, collection) || stands_alone(core, step)
}

/// Whether the step holds only if its object is as it was read: its after-hook is promised what
/// the write will make of it.
fn stands_alone(core: &Core, step: &BatchStep) -> bool {
    match step {
        BatchStep::Create(_) => false,
        BatchStep::Update(update) => {
            promise::is_wanted(core, DraftKind::Update, &update.collection)
        }
        BatchStep::Delete(delete) => {
            promise::is_wanted(core, DraftKind::Delete, &delete.collection)
        }
    }
}

/// One step that holds only if its object is as it was read, tried again when it is not.
pub(super) async fn alone(core: &Core, call: &Call, step: BatchStep) -> Result<BatchStepDone> {
    let (kind, collection) = match &step {
        BatchStep::Create(create) => (DraftKind::Create, create.collection.clone()),
        BatchStep::Update(update) => (DraftKind::Update, update.collection.clone()),
        BatchStep::Delete(delete) => (DraftKind::Delete, delete.collection.clone()),
    };
    let mut done = repeated(core, call, vec![step], ALONE_ATTEMPTS_MAX)
        .await
        .map_err(|e| missing_is_refused(core, call, kind, &collection, e))?;
    let unanswered = || Error::internal("a step was not answered");
    done.pop().ok_or_else(unanswered)
}

async fn prepare(core: &Core, call: &Call, step: BatchStep, earlier: &Earlier) -> Result<Step> {
    match step {
        BatchStep::Create(create) => create::prepare(core, call, create, earlier).await,
        BatchStep::Update(update) => update::prepare(core, call, update, earlier).await,
        BatchStep::Delete(delete) => delete::prepare(core, call, delete, earlier).await,
    }
}

fn check_count(core: &Core, steps: &[BatchStep]) -> Result<()> {
    let max = core.options.limits.batch_requests_max;
    if steps.len() <= max {
        return Ok(());
    }
    Err(Error::new(
        Reason::InvalidQuery,
        format!("A batch has {} steps; the maximum is {max}.", steps.len()),
    ))
}

/// All steps or none.
pub(crate) async fn transaction(
    core: &Core,
    call: &Call,
    steps: Vec<BatchStep>,
) -> Result<Vec<BatchStepDone>> {
    check_count(core, &steps)?;
    repeated(core, call, steps, ATTEMPTS_MAX).await
}

async fn repeated(
    core: &Core,
    call: &Call,
    steps: Vec<BatchStep>,
    attempts_max: usize,
) -> Result<Vec<BatchStepDone>> {
    for _ in 1..attempts_max {
        match attempt(core, call, steps.clone()).await {
            Err(e) if is_conflict(&e) => {}
            other => return other,
        }
    }
    attempt(core, call, steps).await.map_err(|e| {
        if is_conflict(&e) {
            let text = "The transaction met a concurrent change too often.";
            Error::new(Reason::TransactionConflict, text).with_source(e)
        } else {
            e
        }
    })
}

fn is_conflict(error: &Error) -> bool {
    matches!(
        error.reason(),
        Reason::TransactionConflict | Reason::PreconditionFailed
    )
}

async fn attempt(core: &Core, call: &Call, steps: Vec<BatchStep>) -> Result<Vec<BatchStepDone>> {
    let mut batch = WriteBatch::default();
    let mut prepared: Vec<Step> = Vec::with_capacity(steps.len());
    let mut counts = Vec::with_capacity(steps.len());
    let mut before = Earlier::of(&steps, |step| looks_first(core, step));
    for step in steps {
        let mut step = prepare(core, call, step, &before).await?;
        before.keep(&step.collection, &step.id, std::mem::take(&mut step.left));
        let earlier = prepared
            .iter()
            .any(|p| p.collection == step.collection && p.id == step.id);
        // What hooks and guard have seen must still hold, unless this transaction changed it.
        if let (Some(rev), false) = (step.seen, earlier) {
            batch.checks.push(ReadCheck {
                collection: step.collection.clone(),
                id: step.id.clone(),
                rev: Some(rev),
            });
        }
        batch.checks.append(&mut step.checks);
        counts.push(step.writes.len());
        batch.writes.append(&mut step.writes);
        prepared.push(step);
    }
    if batch.writes.is_empty() {
        return Ok(Vec::new());
    }
    let mut done = core.deps.store.write(vec![batch]).await?;
    let written = done
        .pop()
        .unwrap_or_else(|| Err(Error::internal("a store answered no batch")))
        .map_err(|e| match e.reason() {
            Reason::DuplicateValue => super::duplicate(core, &prepared, &e),
            _ => e,
        })?;
    let mut rest = written.into_iter();
    let mut results = Vec::with_capacity(prepared.len());
    for (step, count) in prepared.into_iter().zip(counts) {
        let own: Vec<Written> = rest.by_ref().take(count).collect();
        results.push(finish::done(core, call, step, own).await?);
    }
    Ok(results)
}
