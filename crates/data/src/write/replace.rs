//! An object as a hook wants it, in the place of the one that was asked for.

use super::input::field_of;
use crate::{Draft, FieldChange, NewObject};
use basalt_store::{FieldOp, Op, Record};
use std::sync::Arc;

/// Has the draft make `new` of the object instead of `object`, which it makes as it is. The names
/// of the fields that come out differently are returned.
///
/// Where both agree on a field, what was asked for stays as it is, so that an Increment is still
/// one that no concurrent writer loses.
pub(super) fn replace(draft: &mut Draft, object: &Record, new: NewObject) -> Vec<Arc<str>> {
    if let Some(acl) = new.acl
        && acl != object.acl
    {
        draft.acl = Some(acl);
    }
    let mut named: Vec<Arc<str>> = Vec::new();
    for change in &new.changes {
        if let Some(name) = field_of(change)
            && !named.contains(name)
        {
            named.push(name.clone());
        }
    }
    let is_on = |change: &FieldChange, name: &str| field_of(change).is_some_and(|n| **n == *name);
    let (same, mut differing): (Vec<_>, Vec<_>) = named.iter().cloned().partition(|name| {
        let mut own = new.changes.iter().filter(|change| is_on(change, name));
        own.all(|change| agrees(change, name, object))
    });
    let mut dropped: Vec<Arc<str>> = Vec::new();
    draft.changes.retain(|change| {
        let Some(name) = field_of(change) else {
            return true;
        };
        // What the hook has left out is not written; what was not there to be left out stays.
        let left_out = !named.contains(name) && object.get(name).is_some();
        if left_out && !dropped.contains(name) {
            dropped.push(name.clone());
        }
        !left_out && (same.contains(name) || !named.contains(name))
    });
    let added = new.changes.into_iter();
    let added = added.filter(|c| field_of(c).is_none_or(|name| !same.contains(name)));
    draft.changes.extend(added);
    differing.append(&mut dropped);
    differing
}

/// Whether the change leaves the field as it is in the object.
fn agrees(change: &FieldChange, name: &str, object: &Record) -> bool {
    match change {
        FieldChange::Field(FieldOp {
            path,
            op: Op::Set(value),
        }) => path.rest.is_empty() && object.get(name) == Some(value),
        FieldChange::DeclareRelation(..) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DraftKind;
    use basalt_base::{Timestamp, Value};
    use basalt_store::{Acl, Path};

    fn op(name: &str, op: Op) -> FieldChange {
        FieldChange::Field(FieldOp {
            path: Path::field(name),
            op,
        })
    }

    fn set(name: &str, n: i64) -> FieldChange {
        FieldChange::set(name, Value::Int(n))
    }

    #[test]
    fn what_agrees_stays_and_the_rest_is_replaced() {
        let changes = vec![
            op("hits", Op::Increment(Value::Int(1))),
            set("a", 1),
            set("b", 1),
            op("gone", Op::Unset),
        ];
        let mut draft = super::super::step::draft(
            DraftKind::Update,
            "Post".into(),
            "x".into(),
            changes.clone(),
            None,
        );
        let mut object = Record {
            id: "x".into(),
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
            rev: 1,
            acl: Acl::default(),
            fields: Vec::new(),
        };
        for (name, n) in [("hits", 5), ("a", 1), ("b", 1), ("old", 7)] {
            object.set(&name.into(), Value::Int(n));
        }
        let new = NewObject {
            changes: vec![set("hits", 5), set("a", 2), set("old", 7), set("c", 3)],
            acl: None,
        };
        let differing = replace(&mut draft, &object, new);
        assert_eq!(differing, ["a".into(), "c".into(), "b".into()]);
        let shown = format!("{:?}", draft.changes);
        let expected = vec![
            changes[0].clone(),
            changes[3].clone(),
            set("a", 2),
            set("c", 3),
        ];
        assert_eq!(shown, format!("{expected:?}"));
    }
}
