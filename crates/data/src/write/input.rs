//! What a client or a hook may write: names, denied keys, shapes of values.

use crate::core::Core;
use crate::{Call, FieldChange, errors, names};
use basalt_base::{Error, Reason, Result, Value};
use basalt_store::{ACL_ENTRIES_MAX, Acl, AclEntry, FieldOp, FieldRef, FieldType, Op, Path};
use std::collections::HashSet;

/// How many changes a write can have for each field that a collection can have: several of a field
/// are changes of what is nested in it.
const CHANGES_PER_FIELD_MAX: usize = 10;

/// Refuses changes that no caller of this rank may send.
pub(super) fn check(
    core: &Core,
    call: &Call,
    collection: &str,
    changes: &[FieldChange],
) -> Result<()> {
    let mut size = Size {
        left: core.options.limits.object_bytes_max,
        depth_max: core.options.limits.json_depth_max,
    };
    check_count(core, changes)?;
    let mut points = 0;
    for change in changes {
        match change {
            FieldChange::Field(step) => {
                check_op(core, call, collection, step, &mut size)?;
                if let (Op::Set(Value::Geo(_)), true) = (&step.op, step.path.rest.is_empty()) {
                    points += 1;
                }
            }
            FieldChange::AddRelation(name, _)
            | FieldChange::RemoveRelation(name, _)
            | FieldChange::DeclareRelation(name, _) => {
                check_name(call, collection, name)?;
                core.keywords.check(name, &Value::Null)?;
            }
        }
    }
    if points > 1 {
        return Err(Error::new(
            Reason::IncorrectType,
            "there can only be one geopoint field in a class",
        ));
    }
    Ok(())
}

/// Refuses changes of more fields than there can be, before anything compares them with each other,
/// and far too many changes of any.
fn check_count(core: &Core, changes: &[FieldChange]) -> Result<()> {
    let max = core.options.limits.fields_max;
    if changes.len() > max.saturating_mul(CHANGES_PER_FIELD_MAX) {
        return Err(Error::new(
            Reason::QuotaExceeded,
            "The write changes too many places of the object; set whole maps instead.",
        ));
    }
    let names: HashSet<&str> = changes.iter().filter_map(field_of).map(|n| &**n).collect();
    if names.len() > max {
        return Err(Error::new(
            Reason::QuotaExceeded,
            format!("The write names more than {max} fields."),
        ));
    }
    Ok(())
}

/// Refuses long ACLs, and users in one whose ids are denied as keys: clients get them as keys of an
/// object.
pub(super) fn check_acl(core: &Core, acl: Option<&Acl>) -> Result<()> {
    let lists = acl.into_iter().flat_map(|acl| [&acl.read, &acl.write]);
    if lists
        .clone()
        .flatten()
        .any(|list| list.len() > ACL_ENTRIES_MAX)
    {
        return Err(Error::new(
            Reason::InvalidAcl,
            format!("An ACL names more than {ACL_ENTRIES_MAX} users and roles; use a role."),
        ));
    }
    for entry in lists.flatten().flatten() {
        if let AclEntry::User(id) = entry {
            core.keywords.check(id, &Value::Null)?;
        }
    }
    Ok(())
}

fn check_op(
    core: &Core,
    call: &Call,
    collection: &str,
    step: &FieldOp,
    size: &mut Size,
) -> Result<()> {
    let FieldRef::Named(root) = &step.path.root else {
        let name = names::dotted(&step.path);
        return Err(errors::invalid_field_name(&name));
    };
    check_name(call, collection, root)?;
    check_steps(core, &step.path)?;
    let key = step.path.rest.last().map_or(&**root, |last| last);
    let values: &[Value] = match &step.op {
        Op::Set(value) | Op::SetOnInsert(value) => std::slice::from_ref(value),
        Op::Increment(by) => {
            if by.as_f64().is_none() {
                return Err(Error::new(
                    Reason::InvalidJson,
                    "incrementing must provide a number",
                ));
            }
            std::slice::from_ref(by)
        }
        Op::Append(list) | Op::AddUnique(list) | Op::Remove(list) => list,
        Op::Unset => {
            return core.keywords.check(key, &Value::Null);
        }
    };
    for value in values {
        core.keywords.check(key, value)?;
        core.keywords.check_value(value)?;
        size.check(value, step.path.rest.len())?;
    }
    if values.is_empty() {
        core.keywords.check(key, &Value::Null)?;
    }
    Ok(())
}

/// Internal fields are for the maintenance key.
fn check_name(call: &Call, collection: &str, name: &str) -> Result<()> {
    let plain = match name.strip_prefix('_') {
        Some(rest) if call.principal.sees_internal_fields() => rest,
        _ => name,
    };
    if names::is_reserved(name) || !names::is_field(plain, collection) {
        return Err(errors::invalid_field_name(name));
    }
    Ok(())
}

fn check_steps(core: &Core, path: &Path) -> Result<()> {
    let depth_max = core.options.limits.json_depth_max;
    if path.rest.len() > depth_max {
        return Err(too_deep(depth_max));
    }
    for step in &path.rest {
        if step.is_empty() || step.starts_with('$') || step.contains('.') {
            return Err(errors::invalid_field_name(&names::dotted(path)));
        }
        core.keywords.check(step, &Value::Null)?;
    }
    // Sign-in data is written whole, so that providers can be checked.
    let is_auth = matches!(&path.root, FieldRef::Named(root) if **root == *"authData");
    if is_auth && !path.rest.is_empty() {
        let path = names::dotted(path);
        return Err(Error::new(
            Reason::InvalidFieldName,
            format!("Invalid field name for update: {path}"),
        ));
    }
    Ok(())
}

fn too_deep(depth_max: usize) -> Error {
    Error::new(
        Reason::InvalidJson,
        format!("A value is nested more than {depth_max} levels deep."),
    )
}

/// A budget of bytes and depth for the values of one write.
struct Size {
    left: usize,
    depth_max: usize,
}

impl Size {
    fn check(&mut self, value: &Value, depth: usize) -> Result<()> {
        if depth > self.depth_max {
            return Err(too_deep(self.depth_max));
        }
        match value {
            Value::String(text) => {
                if text.as_bytes().contains(&0) {
                    return Err(Error::new(
                        Reason::InvalidJson,
                        "A text holds the character U+0000, which can't be stored.",
                    ));
                }
                self.take(text.len() + 2)
            }
            Value::Bytes(bytes) => self.take(bytes.len()),
            Value::Array(items) => {
                self.take(2)?;
                items
                    .iter()
                    .try_for_each(|item| self.check(item, depth + 1))
            }
            Value::Map(map) => {
                for (key, value) in map {
                    if key.bytes().any(|b| matches!(b, b'$' | b'.')) {
                        return Err(Error::new(
                            Reason::InvalidNestedKey,
                            "Nested keys should not contain the '$' or '.' characters",
                        ));
                    }
                    self.take(key.len() + 3)?;
                    self.check(value, depth + 1)?;
                }
                Ok(())
            }
            Value::Polygon(corners) => self.take(corners.len() * 16),
            _ => self.take(8),
        }
    }

    fn take(&mut self, bytes: usize) -> Result<()> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Error::new(
                Reason::ObjectTooLarge,
                "The object is larger than the limit.",
            )),
        }
    }
}

/// The type that a change asks of its field; `None` when it asks for none.
pub(super) fn implied(change: &FieldChange) -> Result<Option<FieldType>> {
    Ok(match change {
        FieldChange::Field(FieldOp { path, op }) => {
            if let Some(first) = path.rest.first() {
                let index = first.bytes().all(|b| b.is_ascii_digit());
                return Ok(match op {
                    Op::Unset => None,
                    _ if index => Some(FieldType::Array),
                    _ => Some(FieldType::Object),
                });
            }
            match op {
                Op::Set(Value::Decimal(_)) | Op::SetOnInsert(Value::Decimal(_)) => {
                    return Err(Error::new(
                        Reason::IncorrectType,
                        format!(
                            "The field {} can't hold a decimal number.",
                            names::dotted(path)
                        ),
                    ));
                }
                Op::Set(value) | Op::SetOnInsert(value) => FieldType::of(value),
                Op::Unset => None,
                Op::Increment(_) => Some(FieldType::Number),
                Op::Append(_) | Op::AddUnique(_) | Op::Remove(_) => Some(FieldType::Array),
            }
        }
        FieldChange::AddRelation(_, list) | FieldChange::RemoveRelation(_, list) => list
            .first()
            .map(|r| FieldType::Relation(r.collection.as_str().into())),
        FieldChange::DeclareRelation(_, target) => Some(FieldType::Relation(target.clone())),
    })
}

/// The field that a change is about; `None` for parts that every object has.
pub(super) fn field_of(change: &FieldChange) -> Option<&std::sync::Arc<str>> {
    match change {
        FieldChange::Field(FieldOp { path, .. }) => match &path.root {
            FieldRef::Named(name) => Some(name),
            _ => None,
        },
        FieldChange::AddRelation(name, _)
        | FieldChange::RemoveRelation(name, _)
        | FieldChange::DeclareRelation(name, _) => Some(name),
    }
}
