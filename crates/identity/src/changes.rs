//! Small helpers over the changes of a draft.

use basalt_base::Value;
use basalt_data::{Draft, FieldChange};
use basalt_store::{FieldOp, FieldRef, Op};

fn names_field(change: &FieldChange, name: &str) -> bool {
    match change {
        FieldChange::Field(FieldOp { path, .. }) => {
            matches!(&path.root, FieldRef::Named(n) if &**n == name)
        }
        FieldChange::AddRelation(n, _)
        | FieldChange::RemoveRelation(n, _)
        | FieldChange::DeclareRelation(n, _) => &**n == name,
    }
}

/// Whether the draft touches the field or something nested within it.
pub fn touches(draft: &Draft, name: &str) -> bool {
    draft.changes.iter().any(|change| names_field(change, name))
}

/// Takes every change of the field out of the draft.
pub fn take(draft: &mut Draft, name: &str) -> Vec<FieldChange> {
    let (taken, kept) = std::mem::take(&mut draft.changes)
        .into_iter()
        .partition(|c| names_field(c, name));
    draft.changes = kept;
    taken
}

/// What the draft makes of a whole field.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish<'a> {
    /// Nothing.
    Keep,
    /// It is set.
    Set(&'a Value),
    /// It is removed.
    Unset,
    /// Something else: an operation on a list or number, or on a nested value.
    Other,
}

/// What the draft makes of a whole field.
pub fn wish<'a>(draft: &'a Draft, name: &str) -> Wish<'a> {
    let mut found = Wish::Keep;
    for change in draft.changes.iter().filter(|c| names_field(c, name)) {
        found = match change {
            FieldChange::Field(FieldOp { path, op }) if path.rest.is_empty() => match op {
                Op::Set(value) => Wish::Set(value),
                Op::Unset => Wish::Unset,
                _ => Wish::Other,
            },
            _ => Wish::Other,
        };
    }
    found
}

/// Sets a whole field, replacing what the draft made of it.
pub fn set(draft: &mut Draft, name: &str, value: Value) {
    take(draft, name);
    draft.changes.push(FieldChange::set(name, value));
}

/// Removes a whole field.
pub fn unset(draft: &mut Draft, name: &str) {
    take(draft, name);
    let path = basalt_store::Path::field(name);
    draft.changes.push(FieldChange::Field(FieldOp {
        path,
        op: Op::Unset,
    }));
}
