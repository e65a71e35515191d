//! Preparing a delete.

use super::create::nothing_there;
use super::earlier::{Earlier, Left};
use super::promise;
use super::step::{Step, Target, check_with_guard, draft, is_guarded, of_guard, without_internals};
use super::update::{original, precondition, write_access};
use crate::core::Core;
use crate::relations::{self, OWNING, RELATED};
use crate::{Call, Delete, DraftKind, Event, EventKind, Operation, names};
use basalt_base::Result;
use basalt_store::{Action, Catalogue, FieldType, RecordWrite, Write};
use std::sync::Arc;

/// A delete as the store can apply it.
pub(super) async fn prepare(
    core: &Core,
    call: &Call,
    delete: Delete,
    earlier: &Earlier,
) -> Result<Step> {
    let Delete {
        collection: name,
        id,
    } = delete;
    let at = core.deps.clock.now().truncate_to_millis();
    let target = Target::open(core, call, &name, Operation::Delete, earlier).await?;
    let mut draft = draft(DraftKind::Delete, name.clone(), id, Vec::new(), None);
    check_with_guard(core, call, &draft)?;
    let permitted = target.allowed(core, call, &name, Operation::Delete)?;
    let permitted = permitted.and(write_access(call));
    let missing = || nothing_there(core, call, DraftKind::Delete, &name);
    if target.collection.is_none() {
        return Err(missing());
    }
    let hooks = &core.deps.hooks;
    let mut context = None;
    let promises = promise::is_wanted(core, DraftKind::Delete, &name);
    if hooks.wants(EventKind::BeforeDelete, &name) || promises || is_guarded(&name) {
        let before = original(core, &draft, &permitted, earlier)
            .await?
            .ok_or_else(missing)?;
        if hooks.wants(EventKind::BeforeDelete, &name) {
            let event = Event {
                kind: EventKind::BeforeDelete,
                collection: name.clone(),
                schema: target.collection.clone(),
                original: None,
                object: without_internals(&before),
                context: call.context.clone(),
            };
            context = hooks.before(call, event).await?.context;
        }
        draft.before = Some(before);
    }
    if is_guarded(&name) {
        let prepared = core.deps.guard.prepare(call, &mut draft).await;
        prepared.map_err(|error| of_guard(core, error))?;
    }
    let mut writes = std::mem::take(&mut draft.writes_before);
    let record_at = writes.len();
    writes.push(Write::Record(RecordWrite {
        collection: name.clone(),
        id: draft.id.clone(),
        precondition: precondition(permitted),
        action: Action::Delete,
        at,
    }));
    writes.extend(pairs(core, &target, &name, &draft.id));
    writes.append(&mut draft.writes_after);
    let promised = match target.collection.as_deref() {
        Some(schema) if promises => {
            Some(promise::of_draft(core, call, &draft, schema, (at, at), context.as_ref()).await?)
        }
        _ => None,
    };
    let mut step = Step::new(draft, writes, record_at, Vec::new());
    (step.context, step.left) = (context, Left::Gone);
    step.promise(promised);
    Ok(step)
}

/// Removes the object from every relation, so that a later object with its id inherits nothing.
fn pairs(core: &Core, target: &Target, name: &str, id: &str) -> Vec<Write> {
    let (own, others) = joins(core, &target.catalogue, name);
    let own = own
        .iter()
        .map(|join| relations::remove_all(join, OWNING, id));
    let others = others
        .iter()
        .map(|join| relations::remove_all(join, RELATED, id));
    own.chain(others).collect()
}

/// The collections of the pairs that a collection's objects are in: of its own relations, and of
/// those that lead to it.
pub(super) fn joins(
    core: &Core,
    catalogue: &Catalogue,
    name: &str,
) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
    let own = catalogue.collection(name).into_iter();
    let own = own
        .flat_map(|c| &c.fields)
        .filter(|f| matches!(f.def.ty, FieldType::Relation(_)))
        .map(|f| Arc::<str>::from(names::join(name, &f.def.name)))
        .filter(|join| catalogue.collection(join).is_some());
    let others = core.relations.pointing_to(name, catalogue);
    (own.collect(), others)
}
