//! Preparing a create.

use super::earlier::Earlier;
use super::step::{
    Outcome, Step, Target, add_fields_from, check_required, check_with_guard, draft, is_guarded,
    leaves, outcome, relation_steps, run_before_save, run_guard, take_store_ops, unknown_results,
    with_own_access,
};
use super::{infer::Inference, input, promise};
use crate::core::Core;
use crate::{
    Call, Create, Draft, DraftKind, EventKind, FieldChange, Operation, Options, errors, names,
    system,
};
use basalt_base::{Error, Reason, Result, Timestamp, Value, object_id};
use basalt_store::{
    Acl, AclEntry, Action, Collection, FieldOp, Filter, Op, Precondition, RecordWrite, Write,
};
use std::sync::Arc;

/// A create as the store can apply it.
pub(super) async fn prepare(
    core: &Core,
    call: &Call,
    create: Create,
    earlier: &Earlier,
) -> Result<Step> {
    let Create {
        collection: name,
        id,
        fields,
        acl,
        created_at,
        updated_at,
    } = create;
    let target = Target::open(core, call, &name, Operation::Create, earlier).await?;
    let id = choose_id(core, call, &name, id)?;
    let (created_at, updated_at) = times(core, call, created_at, updated_at)?;
    input::check(core, call, &name, &fields)?;
    input::check_acl(core, acl.as_ref())?;
    let mut draft = draft(DraftKind::Create, name.clone(), id, fields, acl);
    check_with_guard(core, call, &draft)?;
    let allowed = target.allowed(core, call, &name, Operation::Create)?;
    if !matches!(allowed, Filter::Everything) {
        return Err(denied(core, Operation::Create, &name));
    }
    let mut changed = unknown_results(&draft.changes);
    may_add(core, call, &target, &draft)?;
    let mut inference = target.infer(core, &name, &draft.changes)?;
    let mut context = None;
    if core.deps.hooks.wants(EventKind::BeforeSave, &name) {
        let future = inference.future();
        let told = &mut changed;
        context = run_before_save(core, call, &mut draft, &future, created_at, told).await?;
        may_add(core, call, &target, &draft)?;
        inference = target.infer(core, &name, &draft.changes)?;
    }
    let from = draft.changes.len();
    add_defaults(target.collection.as_deref(), &mut draft.changes);
    add_fields_from(&mut changed, &draft.changes, from);
    check_required(target.collection.as_deref(), &name, &draft.changes, true)?;
    default_acl(core, call, &target, &mut draft);
    run_guard(core, call, &mut draft, &mut changed).await?;
    if is_guarded(&name) {
        inference = Inference::new(core, &target.catalogue, &name, target.collection.as_deref());
        inference.take_in(&draft.changes)?;
    }
    let left = leaves(&draft, &inference.future(), created_at, earlier)?;
    let times = (created_at, updated_at);
    let promised = if promise::is_wanted(core, DraftKind::Create, &name) {
        let future = inference.future();
        Some(promise::of_draft(core, call, &draft, &future, times, context.as_ref()).await?)
    } else {
        None
    };
    let mut step = build(draft, &inference, times, changed);
    (step.context, step.left) = (context, left);
    step.promise(promised);
    Ok(step)
}

/// A new object refers to whom its maker chooses, so that gives no right to add fields.
fn may_add(core: &Core, call: &Call, target: &Target, draft: &Draft) -> Result<()> {
    let name = &draft.collection;
    match target.may_add(core, call, name, &draft.changes)? {
        Filter::Everything => Ok(()),
        _ => Err(denied(core, Operation::AddField, name)),
    }
}

fn denied(core: &Core, operation: Operation, collection: &str) -> Error {
    core.refusal(
        Reason::AccessDenied,
        format!(
            "Permission denied for action {} on class {collection}.",
            operation.word()
        ),
    )
}

fn choose_id(core: &Core, call: &Call, collection: &str, id: Option<String>) -> Result<Box<str>> {
    let generate = || object_id(&*core.deps.rng, core.options.id_length).into();
    let Some(id) = id else {
        return Ok(generate());
    };
    // The server's own collections have well-known ids.
    let internal = call.principal.writes_everything() && !system::is_for_clients(collection);
    if !core.options.allow_custom_ids && !internal {
        if id.is_empty() {
            return Ok(generate());
        }
        return Err(Error::new(
            Reason::InvalidFieldName,
            "objectId is an invalid field name.",
        ));
    }
    if id.is_empty() {
        return Err(Error::new(
            Reason::MissingObjectId,
            "objectId must not be empty, null or undefined",
        ));
    }
    if !names::is_id(&id) {
        return Err(Error::new(
            Reason::InvalidFieldName,
            "objectId is too long or holds a control character.",
        ));
    }
    Ok(id.into())
}

/// When the object counts as created and updated; only the maintenance key may choose.
fn times(
    core: &Core,
    call: &Call,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
) -> Result<(Timestamp, Timestamp)> {
    let now = core.deps.clock.now().truncate_to_millis();
    let Some(created_at) = created_at.filter(|_| call.principal.sees_internal_fields()) else {
        return Ok((now, now));
    };
    let updated_at = updated_at.unwrap_or(created_at);
    if updated_at < created_at {
        return Err(Error::new(
            Reason::ValidationFailed,
            "updatedAt cannot occur before createdAt",
        ));
    }
    Ok((created_at, updated_at))
}

/// Gives the fields without a value their defaults.
fn add_defaults(collection: Option<&Collection>, changes: &mut Vec<FieldChange>) {
    for field in collection.into_iter().flat_map(|c| &c.fields) {
        let Some(default) = &field.def.default else {
            continue;
        };
        let unset = |change: &FieldChange| {
            matches!(change, FieldChange::Field(FieldOp { op: Op::Unset, .. }))
        };
        let missing = match outcome(changes, &field.def.name) {
            Outcome::Untouched => true,
            Outcome::Value => false,
            // An explicit null is a value that the client chose.
            Outcome::Gone => changes
                .iter()
                .rfind(|c| input::field_of(c).is_some_and(|n| *n == field.def.name))
                .is_some_and(unset),
        };
        if missing {
            changes.push(FieldChange::set(&field.def.name, default.clone()));
        }
    }
}

/// Gives an object that brings no ACL that of its collection; users get their own.
fn default_acl(core: &Core, call: &Call, target: &Target, draft: &mut Draft) {
    let user = call.principal.user.as_deref();
    if draft.acl.is_none() {
        let rules = &target.policy.rules;
        draft.acl = rules
            .default_acl
            .as_deref()
            .and_then(|acl| class_acl(acl, user));
    }
    if *draft.collection == *system::USER {
        let acl = draft.acl.take().unwrap_or_else(|| user_acl(&core.options));
        draft.acl = Some(with_own_access(acl, &draft.id));
    }
}

fn user_acl(options: &Options) -> Acl {
    let everybody = (!options.private_users).then_some(AclEntry::Public);
    Acl {
        read: Some(everybody.into_iter().collect()),
        write: Some(Vec::new()),
    }
}

/// The ACL that the collection gives; `None` when that lets everybody in.
fn class_acl(entries: &[(Box<str>, bool, bool)], user: Option<&str>) -> Option<Acl> {
    if let [(name, true, true)] = entries
        && **name == *"*"
    {
        return None;
    }
    let mut acl = Acl {
        read: Some(Vec::new()),
        write: Some(Vec::new()),
    };
    for (name, read, write) in entries {
        let entry = match (&**name, name.strip_prefix("role:"), user) {
            ("*", _, _) => AclEntry::Public,
            ("currentUser", _, Some(user)) => AclEntry::User(user.into()),
            ("currentUser", _, None) => continue,
            (_, Some(role), _) => AclEntry::Role(role.into()),
            (id, None, _) => AclEntry::User(id.into()),
        };
        for (on, list) in [(read, &mut acl.read), (write, &mut acl.write)] {
            if let (true, Some(list)) = (*on, list) {
                list.push(entry.clone());
            }
        }
    }
    Some(acl)
}

/// The batch: schema steps, the guard's, the object, relations, the guard's.
fn build(
    mut draft: Draft,
    inference: &Inference<'_>,
    (created_at, updated_at): (Timestamp, Timestamp),
    changed: Vec<Arc<str>>,
) -> Step {
    let mut writes = inference.steps(&draft.writes_before);
    writes.append(&mut draft.writes_before);
    let future = inference.future();
    let mut ops = take_store_ops(&mut draft.changes, &future);
    start_lists(&mut ops);
    let acl = draft.acl.take().unwrap_or_default();
    let write = |action, precondition, at| {
        Write::Record(RecordWrite {
            collection: draft.collection.clone(),
            id: draft.id.clone(),
            precondition,
            action,
            at,
        })
    };
    let mut record_at = writes.len();
    writes.push(write(action(ops, acl), Precondition::Absent, created_at));
    if updated_at != created_at {
        let touch = Action::Update {
            ops: Vec::new(),
            acl: None,
            upsert: false,
        };
        record_at = writes.len();
        writes.push(write(touch, Precondition::Exists, updated_at));
    }
    let relations = relation_steps(&draft.collection, &draft.id, &draft.changes, created_at);
    writes.extend(relations);
    writes.append(&mut draft.writes_after);
    Step::new(draft, writes, record_at, changed)
}

/// What is removed from the list of an object that is not there yet leaves an empty list.
fn start_lists(ops: &mut [FieldOp]) {
    for at in 0..ops.len() {
        let (before, rest) = ops.split_at_mut(at);
        let Some(op) = rest.first_mut() else { return };
        let first = before.iter().all(|b| b.path.root != op.path.root);
        if first && op.path.rest.is_empty() && matches!(op.op, Op::Remove(_)) {
            op.op = Op::Set(Value::Array(Vec::new()));
        }
    }
}

/// Values as they are; anything else is applied by the writer to an object without any.
fn action(ops: Vec<FieldOp>, acl: Acl) -> Action {
    let plain = |op: &FieldOp| op.path.rest.is_empty() && matches!(op.op, Op::Set(_));
    if !ops.iter().all(plain) {
        return Action::Update {
            ops,
            acl: Some(acl),
            upsert: true,
        };
    }
    let fields = ops
        .into_iter()
        .filter_map(|op| match (op.path.root, op.op) {
            (basalt_store::FieldRef::Named(name), Op::Set(value)) => Some((name, value)),
            _ => None,
        });
    Action::Create {
        fields: fields.collect(),
        acl,
    }
}

/// What a missing collection means to updates and deletes.
pub(super) fn nothing_there(core: &Core, call: &Call, kind: DraftKind, collection: &str) -> Error {
    super::step::missing_is_refused(core, call, kind, collection, errors::not_found())
}
