//! One write on its way: what it may touch, what the store is asked to do, what the answer needs.

use super::earlier::{Earlier, Left};
use super::infer::{self, Inference};
use super::input::{self, field_of};
use crate::core::Core;
use crate::rules::Policy;
use crate::{
    Call, Draft, DraftKind, Event, EventKind, FieldChange, Operation, errors, names, relations,
    system,
};
use basalt_base::{Error, Map, Reason, Result, Timestamp, Value};
use basalt_store::{
    AclEntry, Catalogue, Collection, FieldOp, Filter, Op, ReadCheck, Record, Write, WriteBatch,
    apply,
};
use std::sync::Arc;

/// A write that the store can apply.
pub(super) struct Step {
    pub(super) kind: DraftKind,
    pub(super) collection: Arc<str>,
    pub(super) id: Box<str>,
    pub(super) writes: Vec<Write>,
    /// What must hold for them to be applied.
    pub(super) checks: Vec<ReadCheck>,
    /// What each write is about, to tell the guard: the collection and whether it is one object.
    pub(super) about: Vec<Option<Arc<str>>>,
    /// Which of the writes has the object's last state.
    pub(super) record_at: usize,
    /// Fields whose results the client does not know.
    pub(super) changed: Vec<Arc<str>>,
    pub(super) answer: Vec<(Arc<str>, Value)>,
    /// The revision on which hooks and guard have decided, if they saw the object.
    pub(super) seen: Option<u64>,
    /// What the before-hook handed on to the after-hook.
    pub(super) context: Option<Map>,
    /// What later steps of the transaction find.
    pub(super) left: Left,
    /// Whether what the after-hook will be told is among the writes.
    pub(super) promised: bool,
}

impl Step {
    pub(super) fn new(
        draft: Draft,
        writes: Vec<Write>,
        record_at: usize,
        changed: Vec<Arc<str>>,
    ) -> Self {
        let about = writes
            .iter()
            .map(|write| match write {
                Write::Record(record) => Some(record.collection.clone()),
                Write::DeleteMatching { collection, .. } => Some(collection.clone()),
                _ => None,
            })
            .collect();
        Self {
            kind: draft.kind,
            collection: draft.collection,
            id: draft.id,
            writes,
            checks: draft.checks,
            about,
            record_at,
            changed,
            answer: draft.answer,
            seen: draft.before.map(|r| r.rev),
            context: None,
            left: Left::Unknown,
            promised: false,
        }
    }

    /// Its writes, to be applied on their own.
    pub(super) fn take_batch(&mut self) -> WriteBatch {
        WriteBatch {
            checks: std::mem::take(&mut self.checks),
            ..WriteBatch::of(std::mem::take(&mut self.writes))
        }
    }

    /// Takes in what the after-hook needs to have written, if it is promised.
    pub(super) fn promise(&mut self, writes: Option<Vec<Write>>) {
        self.promised = writes.is_some();
        // After all others: those have their places already.
        self.writes.extend(writes.into_iter().flatten());
    }

    /// Users are told that they lack rights where others are told that nothing is there.
    pub(super) fn missing_is_refused(&self, core: &Core, call: &Call, error: Error) -> Error {
        missing_is_refused(core, call, self.kind, &self.collection, error)
    }
}

/// See [`Step::missing_is_refused`].
pub(super) fn missing_is_refused(
    core: &Core,
    call: &Call,
    kind: DraftKind,
    collection: &str,
    error: Error,
) -> Error {
    let on_user = collection == system::USER && kind != DraftKind::Create;
    if on_user && error.reason() == Reason::ObjectNotFound && !call.principal.writes_everything() {
        return core.refusal(Reason::SessionMissing, "Insufficient auth.".to_owned());
    }
    error
}

/// The collection of a write and the rules that hold for it.
pub(super) struct Target {
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) collection: Option<Arc<Collection>>,
    pub(super) policy: Arc<Policy>,
}

impl Target {
    /// Refuses what no write of this caller can address.
    pub(super) async fn open(
        core: &Core,
        call: &Call,
        name: &str,
        operation: Operation,
        earlier: &Earlier,
    ) -> Result<Self> {
        core.check_depth(call)?;
        if call.principal.reads_everything() && !call.principal.writes_everything() {
            let policy = core.policy(name, None)?;
            core.allowed(&call.principal, name, &policy, operation)?;
        }
        if !names::is_collection(name) {
            return Err(errors::invalid_collection_name(name));
        }
        let catalogue = core.catalogue_with(name).await?;
        let collection = earlier.collection(name);
        let collection = collection.or_else(|| catalogue.collection(name).cloned());
        core.check_exists_for(&call.principal, name, &catalogue)?;
        let policy = core.policy(name, collection.as_deref())?;
        Ok(Self {
            catalogue,
            collection,
            policy,
        })
    }

    /// The objects that the caller may do this to, by the rules.
    pub(super) fn allowed(
        &self,
        core: &Core,
        call: &Call,
        name: &str,
        operation: Operation,
    ) -> Result<Filter> {
        core.allowed(&call.principal, name, &self.policy, operation)
    }

    /// The objects to which the caller may do what of the changes adds fields.
    pub(super) fn may_add(
        &self,
        core: &Core,
        call: &Call,
        name: &str,
        changes: &[FieldChange],
    ) -> Result<Filter> {
        // Who may make a collection may give it fields; system collections are everybody's to make.
        let adds = match self.collection.as_deref() {
            None if !is_guarded(name) => false,
            collection => infer::adds_fields(collection, name, changes)?,
        };
        if adds {
            self.allowed(core, call, name, Operation::AddField)
        } else {
            Ok(Filter::Everything)
        }
    }

    /// What the changes need of the schema. Comes after [`Target::may_add`]: who may not add
    /// fields learns nothing of the types of those that are there.
    pub(super) fn infer<'a>(
        &'a self,
        core: &'a Core,
        name: &'a Arc<str>,
        changes: &[FieldChange],
    ) -> Result<Inference<'a>> {
        let mut inference = Inference::new(core, &self.catalogue, name, self.collection.as_deref());
        inference.take_in(changes)?;
        Ok(inference)
    }
}

/// A draft with nothing in it but what was asked.
pub(super) fn draft(
    kind: DraftKind,
    collection: Arc<str>,
    id: Box<str>,
    changes: Vec<FieldChange>,
    acl: Option<basalt_store::Acl>,
) -> Draft {
    Draft {
        kind,
        collection,
        id,
        before: None,
        changes,
        acl,
        writes_before: Vec::new(),
        writes_after: Vec::new(),
        checks: Vec::new(),
        answer: Vec::new(),
    }
}

/// Whether the guard looks after the collection.
pub(super) fn is_guarded(collection: &str) -> bool {
    collection.starts_with('_')
}

/// Has the guard refuse what the caller may not send.
pub(super) fn check_with_guard(core: &Core, call: &Call, draft: &Draft) -> Result<()> {
    if !is_guarded(&draft.collection) {
        return Ok(());
    }
    let checked = core.deps.guard.check_input(call, draft);
    checked.map_err(|error| of_guard(core, error))
}

/// The guard's refusals hide their details where the engine's own do.
pub(super) fn of_guard(core: &Core, error: Error) -> Error {
    match error.reason() {
        Reason::OperationForbidden | Reason::AccessDenied | Reason::SessionMissing => {
            core.sanitise(error)
        }
        _ => error,
    }
}

/// Runs the before-save hook on the object as the draft would make it; what it wants instead
/// takes its place. The names of fields that it changed are added to `changed`; what is handed to
/// the after-hook is returned.
pub(super) async fn run_before_save(
    core: &Core,
    call: &Call,
    draft: &mut Draft,
    future: &Collection,
    at: Timestamp,
    changed: &mut Vec<Arc<str>>,
) -> Result<Option<Map>> {
    let object = simulate(draft, future, at)?;
    let event = Event {
        kind: EventKind::BeforeSave,
        collection: draft.collection.clone(),
        schema: Some(Arc::new(future.clone())),
        original: draft.before.as_deref().map(without_internals),
        object: without_internals(&object),
        context: call.context.clone(),
    };
    let verdict = core.deps.hooks.before(call, event).await?;
    if let Some(new) = verdict.object {
        let differing = super::replace::replace(draft, &object, new);
        input::check(core, call, &draft.collection, &draft.changes)?;
        input::check_acl(core, draft.acl.as_ref())?;
        for name in differing {
            push_name(changed, &name);
        }
    }
    Ok(verdict.context)
}

/// What the step leaves for later ones of its transaction, if they ask.
pub(super) fn leaves(
    draft: &Draft,
    future: &Collection,
    at: Timestamp,
    earlier: &Earlier,
) -> Result<Left> {
    if !earlier.wants(&draft.collection, &draft.id) {
        return Ok(Left::Unknown);
    }
    let record = simulate(draft, future, at)?;
    Ok(Left::Object(Arc::new(record), Arc::new(future.clone())))
}

/// The object as the draft would leave it.
pub(super) fn simulate(draft: &Draft, future: &Collection, at: Timestamp) -> Result<Record> {
    let mut record = match &draft.before {
        Some(before) => Record::clone(before),
        None => Record {
            id: draft.id.clone(),
            created_at: at.truncate_to_millis(),
            updated_at: at.truncate_to_millis(),
            rev: 0,
            acl: basalt_store::Acl::default(),
            fields: Vec::new(),
        },
    };
    if let Some(acl) = &draft.acl {
        record.acl = acl.clone();
    }
    let ops: Vec<FieldOp> = store_ops(&draft.changes, future).cloned().collect();
    apply::apply_ops(future, &mut record, &ops, draft.before.is_none())?;
    Ok(record)
}

/// A copy for hooks: they are trusted with the object, not with what the server keeps in it.
pub(super) fn without_internals(record: &Record) -> Arc<Record> {
    let mut record = record.clone();
    record.fields.retain(|(name, _)| !names::is_internal(name));
    Arc::new(record)
}

/// The operations for the store. Null for a field that does not exist makes no field, but is kept;
/// what is done to a relation goes to its pairs.
pub(super) fn store_ops<'a>(
    changes: &'a [FieldChange],
    collection: &'a Collection,
) -> impl Iterator<Item = &'a FieldOp> {
    changes.iter().filter_map(|change| match change {
        FieldChange::Field(op) if is_stored(change, op, collection) => Some(op),
        _ => None,
    })
}

/// The same, taken out of the changes; those of relations stay.
pub(super) fn take_store_ops(
    changes: &mut Vec<FieldChange>,
    collection: &Collection,
) -> Vec<FieldOp> {
    let mut ops = Vec::with_capacity(changes.len());
    for change in std::mem::take(changes) {
        let stored = match &change {
            FieldChange::Field(op) => is_stored(&change, op, collection),
            _ => false,
        };
        match change {
            FieldChange::Field(op) if stored => ops.push(op),
            FieldChange::Field(_) => {}
            other => changes.push(other),
        }
    }
    ops
}

fn is_stored(change: &FieldChange, op: &FieldOp, collection: &Collection) -> bool {
    match field_of(change).map(|name| collection.field(name)) {
        Some(Some(field)) => !matches!(field.def.ty, basalt_store::FieldType::Relation(_)),
        Some(None) => op.needs_no_field(),
        None => false,
    }
}

/// The steps on the pairs of relations.
pub(super) fn relation_steps(
    collection: &str,
    owner: &str,
    changes: &[FieldChange],
    at: Timestamp,
) -> Vec<Write> {
    let mut steps = Vec::new();
    for change in changes {
        let (FieldChange::AddRelation(field, list) | FieldChange::RemoveRelation(field, list)) =
            change
        else {
            continue;
        };
        let join: Arc<str> = names::join(collection, field).into();
        steps.extend(list.iter().map(|reference| match change {
            FieldChange::AddRelation(..) => relations::add(&join, owner, &reference.id, at),
            _ => relations::remove(&join, owner, &reference.id),
        }));
    }
    steps
}

/// The fields of the client's own changes whose results it can't know.
pub(super) fn unknown_results(changes: &[FieldChange]) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    for change in changes {
        if let FieldChange::Field(op) = change
            && !matches!(op.op, Op::Set(_) | Op::Unset)
        {
            push_field(&mut names, change);
        }
    }
    names
}

/// Adds the fields of the changes from `from` on, internal ones left out.
pub(super) fn add_fields_from(names: &mut Vec<Arc<str>>, changes: &[FieldChange], from: usize) {
    for change in changes.iter().skip(from) {
        push_field(names, change);
    }
}

fn push_field(names: &mut Vec<Arc<str>>, change: &FieldChange) {
    if let (FieldChange::Field(_), Some(name)) = (change, field_of(change)) {
        push_name(names, name);
    }
}

fn push_name(names: &mut Vec<Arc<str>>, name: &Arc<str>) {
    if !names::is_internal(name) && !names.contains(name) {
        names.push(name.clone());
    }
}

/// Has the guard complete the draft; adds the fields that it changed to `changed`.
pub(super) async fn run_guard(
    core: &Core,
    call: &Call,
    draft: &mut Draft,
    changed: &mut Vec<Arc<str>>,
) -> Result<()> {
    if !is_guarded(&draft.collection) {
        return Ok(());
    }
    let asked: Vec<FieldOp> = ops(&draft.changes).cloned().collect();
    let prepared = core.deps.guard.prepare(call, draft).await;
    prepared.map_err(|error| of_guard(core, error))?;
    let own: Vec<FieldChange> = ops(&draft.changes)
        .filter(|op| !asked.contains(op))
        .cloned()
        .map(FieldChange::Field)
        .collect();
    add_fields_from(changed, &own, 0);
    changed.retain(|name| ops(&draft.changes).any(|op| is_on(op, name)));
    Ok(())
}

fn ops(changes: &[FieldChange]) -> impl Iterator<Item = &FieldOp> {
    changes.iter().filter_map(|change| match change {
        FieldChange::Field(op) => Some(op),
        _ => None,
    })
}

fn is_on(op: &FieldOp, name: &str) -> bool {
    matches!(&op.path.root, basalt_store::FieldRef::Named(root) if **root == *name)
}

/// Required fields keep a value. `is_create` also looks at fields that the changes don't touch.
pub(super) fn check_required(
    collection: Option<&Collection>,
    name: &str,
    changes: &[FieldChange],
    is_create: bool,
) -> Result<()> {
    let missing = |field: &str| match outcome(changes, field) {
        Outcome::Untouched => is_create,
        Outcome::Gone => true,
        Outcome::Value => false,
    };
    for field in collection.into_iter().flat_map(|c| &c.fields) {
        if field.def.required && missing(&field.def.name) {
            return Err(Error::new(
                Reason::ValidationFailed,
                format!("{} is required", field.def.name),
            ));
        }
    }
    for field in system::required(name) {
        if missing(field) {
            return Err(Error::new(
                Reason::IncorrectType,
                format!("{field} is required."),
            ));
        }
    }
    Ok(())
}

/// What changes make of a whole field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// They don't touch it.
    Untouched,
    /// It has no value, null, or an empty text.
    Gone,
    /// It has a value.
    Value,
}

pub(super) fn outcome(changes: &[FieldChange], field: &str) -> Outcome {
    let mut outcome = Outcome::Untouched;
    for change in changes {
        if field_of(change).is_none_or(|name| **name != *field) {
            continue;
        }
        outcome = match change {
            FieldChange::Field(FieldOp { path, op }) if path.rest.is_empty() => match op {
                Op::Unset | Op::Set(Value::Null) => Outcome::Gone,
                Op::Set(Value::String(text)) if text.is_empty() => Outcome::Gone,
                _ => Outcome::Value,
            },
            FieldChange::Field(FieldOp { op: Op::Unset, .. }) if outcome == Outcome::Untouched => {
                Outcome::Untouched
            }
            _ => Outcome::Value,
        };
    }
    outcome
}

/// The ACL with the user itself in both lists, so that nobody locks itself out.
pub(super) fn with_own_access(mut acl: basalt_store::Acl, user: &str) -> basalt_store::Acl {
    let own = AclEntry::User(user.into());
    for list in [&mut acl.read, &mut acl.write].into_iter().flatten() {
        if !list.contains(&own) && !list.contains(&AclEntry::Public) {
            list.push(own.clone());
        }
    }
    acl
}
