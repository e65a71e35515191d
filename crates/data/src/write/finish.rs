//! After the commit: the guard and the hooks hear of it, and the answer is made.

use super::step::{Step, is_guarded, without_internals};
use crate::core::Core;
use crate::rules::Viewer;
use crate::{BatchStepDone, Call, Created, DraftKind, Event, EventKind, Updated};
use basalt_base::{Error, Map, Result, Value};
use basalt_store::{Collection, Record, Written};
use std::sync::Arc;

/// The answer of a step of any kind.
pub(super) async fn done(
    core: &Core,
    call: &Call,
    step: Step,
    written: Vec<Written>,
) -> Result<BatchStepDone> {
    Ok(match step.kind {
        DraftKind::Create => BatchStepDone::Created(created(core, call, step, written).await?),
        DraftKind::Update => BatchStepDone::Updated(updated(core, call, step, written).await?),
        DraftKind::Delete => {
            deleted(core, call, step, written).await;
            BatchStepDone::Deleted
        }
    })
}

/// The answer of a create.
pub(super) async fn created(
    core: &Core,
    call: &Call,
    step: Step,
    written: Vec<Written>,
) -> Result<Created> {
    let (collection, record, changed) = saved(core, call, &step, written).await?;
    Ok(Created {
        collection,
        record,
        changed,
        answer: step.answer,
    })
}

/// The answer of an update.
pub(super) async fn updated(
    core: &Core,
    call: &Call,
    step: Step,
    written: Vec<Written>,
) -> Result<Updated> {
    let (collection, record, changed) = saved(core, call, &step, written).await?;
    Ok(Updated {
        collection,
        record,
        changed,
        answer: step.answer,
    })
}

/// What follows a delete.
pub(super) async fn deleted(core: &Core, call: &Call, step: Step, written: Vec<Written>) {
    tell_guard(core, &step, &written);
    let hooks = &core.deps.hooks;
    if step.promised || !hooks.wants(EventKind::AfterDelete, &step.collection) {
        return;
    }
    if let Some(Written::Record {
        before: Some(before),
        ..
    }) = written.get(step.record_at)
    {
        let event = Event {
            kind: EventKind::AfterDelete,
            collection: step.collection.clone(),
            schema: core.catalogue().collection(&step.collection).cloned(),
            original: None,
            object: without_internals(before),
            context: context(call, &step),
        };
        hooks.after(call, event).await;
    }
}

/// What the before-hook handed on, or the client sent.
fn context(call: &Call, step: &Step) -> Map {
    let handed = step.context.as_ref();
    handed.unwrap_or(&call.context).clone()
}

/// The collection, the object as the caller sees it, and which of its fields the caller is told.
async fn saved(
    core: &Core,
    call: &Call,
    step: &Step,
    mut written: Vec<Written>,
) -> Result<(Arc<Collection>, Record, Vec<Arc<str>>)> {
    tell_guard(core, step, &written);
    let unknown = || Error::internal("a store did not say what it wrote");
    if step.record_at >= written.len() {
        return Err(unknown());
    }
    let Written::Record {
        before,
        after: Some(after),
    } = written.swap_remove(step.record_at)
    else {
        return Err(unknown());
    };
    let catalogue = core.catalogue();
    let collection = catalogue
        .collection(&step.collection)
        .ok_or_else(|| Error::internal("a collection went away during a write"))?;
    let hooks = &core.deps.hooks;
    if !step.promised && hooks.wants(EventKind::AfterSave, &step.collection) {
        let event = Event {
            kind: EventKind::AfterSave,
            collection: step.collection.clone(),
            schema: Some(collection.clone()),
            original: match step.kind {
                DraftKind::Create => None,
                _ => before.as_deref().map(without_internals),
            },
            object: without_internals(&after),
            context: context(call, step),
        };
        hooks.after(call, event).await;
    }
    let mut record = Arc::unwrap_or_clone(after);
    let has_value = |record: &Record, name: &Arc<str>| record.get(name).is_some();
    let (mut changed, mut removed): (Vec<_>, Vec<_>) = step
        .changed
        .iter()
        .cloned()
        .partition(|name| has_value(&record, name));
    // So that what hides fields sees these, too.
    for name in &removed {
        record.set(name, Value::Null);
    }
    let policy = core.policy(&collection.name, Some(collection))?;
    Viewer::new(&call.principal, &collection.name, &policy, &core.options).hide(&mut record);
    if is_guarded(&collection.name) {
        core.deps.guard.conceal(call, &collection.name, &mut record);
    }
    // A field that the caller does not see is not even said to have changed.
    changed.retain(|name| has_value(&record, name));
    removed.retain(|name| has_value(&record, name));
    for name in &removed {
        record.remove(name);
    }
    changed.extend(removed);
    Ok((collection.clone(), record, changed))
}

/// The guard hears of every write to a system collection, whichever object's step it came with.
fn tell_guard(core: &Core, step: &Step, written: &[Written]) {
    let guard = &core.deps.guard;
    for (about, written) in step.about.iter().zip(written) {
        let Some(collection) = about.as_deref().filter(|name| is_guarded(name)) else {
            continue;
        };
        match written {
            Written::Record { before, after } => {
                guard.committed(collection, before.as_deref(), after.as_deref());
            }
            Written::Deleted(0) | Written::Schema | Written::Task(_) => {}
            Written::Deleted(_) => guard.committed(collection, None, None),
        }
    }
}
