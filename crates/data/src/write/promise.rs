//! After-hooks that must not be lost: what they will be told is written together with the object.
//!
//! What they are told has to be known before the commit. Of a create it is; of updates and deletes
//! the object is read first, and the write holds only if the object is still as it was read.

use super::step::{simulate, without_internals};
use crate::core::Core;
use crate::{Call, Draft, DraftKind, Event, EventKind};
use basalt_base::{Map, Result, Timestamp};
use basalt_store::{Collection, Write};
use std::sync::Arc;

/// The after-hook of a kind of write.
pub(super) fn event_kind(kind: DraftKind) -> EventKind {
    match kind {
        DraftKind::Create | DraftKind::Update => EventKind::AfterSave,
        DraftKind::Delete => EventKind::AfterDelete,
    }
}

/// Whether such a write promises its after-hook.
pub(super) fn is_wanted(core: &Core, kind: DraftKind, collection: &str) -> bool {
    let hooks = &core.deps.hooks;
    hooks.promises(event_kind(kind), collection)
}

/// What the after-hook of a draft needs to have written with it. The draft of an update or delete
/// holds the object before.
pub(super) async fn of_draft(
    core: &Core,
    call: &Call,
    draft: &Draft,
    schema: &Collection,
    (created_at, updated_at): (Timestamp, Timestamp),
    context: Option<&Map>,
) -> Result<Vec<Write>> {
    let before = draft.before.as_deref();
    let (object, original) = if let (DraftKind::Delete, Some(before)) = (draft.kind, before) {
        (without_internals(before), None)
    } else {
        let mut object = simulate(draft, schema, created_at)?;
        object.updated_at = updated_at.truncate_to_millis();
        (without_internals(&object), before.map(without_internals))
    };
    let event = Event {
        kind: event_kind(draft.kind),
        collection: draft.collection.clone(),
        schema: Some(Arc::new(schema.clone())),
        original,
        object,
        context: context.unwrap_or(&call.context).clone(),
    };
    core.deps.hooks.promise(call, event).await
}
