//! Preparing an update.

use super::create::nothing_there;
use super::earlier::Earlier;
use super::infer::Inference;
use super::step::{
    Step, Target, check_required, check_with_guard, draft, is_guarded, leaves, relation_steps,
    run_before_save, run_guard, store_ops, unknown_results, with_own_access,
};
use super::{input, promise};
use crate::core::Core;
use crate::{Call, Draft, DraftKind, EventKind, Operation, Update, read, system};
use basalt_base::{Result, Timestamp};
use basalt_store::{
    Access, Action, FieldOp, Filter, Precondition, Record, RecordWrite, Write, eval,
};
use std::sync::Arc;

/// An update as the store can apply it.
pub(super) async fn prepare(
    core: &Core,
    call: &Call,
    update: Update,
    earlier: &Earlier,
) -> Result<Step> {
    let Update {
        collection: name,
        id,
        fields,
        acl,
        filter,
    } = update;
    let at = core.deps.clock.now().truncate_to_millis();
    let target = Target::open(core, call, &name, Operation::Update, earlier).await?;
    input::check(core, call, &name, &fields)?;
    input::check_acl(core, acl.as_ref())?;
    let mut draft = draft(DraftKind::Update, name.clone(), id, fields, acl);
    check_with_guard(core, call, &draft)?;
    let mut permitted = target.allowed(core, call, &name, Operation::Update)?;
    permitted = permitted.and(write_access(call));
    let missing = || nothing_there(core, call, DraftKind::Update, &name);
    if target.collection.is_none() {
        return Err(missing());
    }
    if let Some(filter) = filter {
        permitted = permitted.and(read::condition(core, call, &name, filter).await?);
    }
    let hooked = core.deps.hooks.wants(EventKind::BeforeSave, &name);
    let promises = promise::is_wanted(core, DraftKind::Update, &name);
    if hooked || promises || is_guarded(&name) || earlier.wants(&name, &draft.id) {
        draft.before = Some(
            original(core, &draft, &permitted, earlier)
                .await?
                .ok_or_else(missing)?,
        );
    }
    let mut changed = unknown_results(&draft.changes);
    let mut may_add = target.may_add(core, call, &name, &draft.changes)?;
    let mut inference = target.infer(core, &name, &draft.changes)?;
    let mut context = None;
    if hooked {
        let future = inference.future();
        let told = &mut changed;
        context = run_before_save(core, call, &mut draft, &future, at, told).await?;
        may_add = target.may_add(core, call, &name, &draft.changes)?;
        inference = target.infer(core, &name, &draft.changes)?;
    }
    permitted = permitted.and(may_add);
    check_required(target.collection.as_deref(), &name, &draft.changes, false)?;
    if *name == *system::USER && !call.principal.writes_everything() {
        draft.acl = draft.acl.take().map(|acl| with_own_access(acl, &draft.id));
    }
    run_guard(core, call, &mut draft, &mut changed).await?;
    if is_guarded(&name) {
        inference = Inference::new(core, &target.catalogue, &name, target.collection.as_deref());
        inference.take_in(&draft.changes)?;
    }
    let left = leaves(&draft, &inference.future(), at, earlier)?;
    let promised = if promises {
        let future = inference.future();
        Some(promise::of_draft(core, call, &draft, &future, (at, at), context.as_ref()).await?)
    } else {
        None
    };
    let mut step = build(draft, &inference, permitted, at, changed);
    (step.context, step.left) = (context, left);
    step.promise(promised);
    Ok(step)
}

/// The objects whose ACL lets the caller write.
pub(super) fn write_access(call: &Call) -> Filter {
    if call.principal.writes_everything() {
        Filter::Everything
    } else {
        Filter::Allows(Access::Write, call.principal.principals.clone())
    }
}

/// What must hold of the object for a write of those that are permitted.
pub(super) fn precondition(permitted: Filter) -> Precondition {
    match permitted {
        Filter::Everything => Precondition::Exists,
        filter => Precondition::Matches(filter),
    }
}

/// The object before the write, if the caller may write it.
pub(super) async fn original(
    core: &Core,
    draft: &Draft,
    permitted: &Filter,
    earlier: &Earlier,
) -> Result<Option<Arc<Record>>> {
    let found = if let Some(left) = earlier.object(&draft.collection, &draft.id) {
        left
    } else {
        let found = core.deps.store.get(&draft.collection, &draft.id).await?;
        found.map(Arc::new)
    };
    match found {
        Some(record) if eval::matches(permitted, &record)? => Ok(Some(record)),
        _ => Ok(None),
    }
}

fn build(
    mut draft: Draft,
    inference: &Inference<'_>,
    permitted: Filter,
    at: Timestamp,
    changed: Vec<Arc<str>>,
) -> Step {
    let mut writes = inference.steps(&draft.writes_before);
    writes.append(&mut draft.writes_before);
    let future = inference.future();
    let ops: Vec<FieldOp> = store_ops(&draft.changes, &future).cloned().collect();
    let record_at = writes.len();
    writes.push(Write::Record(RecordWrite {
        collection: draft.collection.clone(),
        id: draft.id.clone(),
        precondition: precondition(permitted),
        action: Action::Update {
            ops,
            acl: draft.acl.take(),
            upsert: false,
        },
        at,
    }));
    writes.extend(relation_steps(
        &draft.collection,
        &draft.id,
        &draft.changes,
        at,
    ));
    writes.append(&mut draft.writes_after);
    Step::new(draft, writes, record_at, changed)
}
