//! Bodies of creates and updates: fields and operations.

use super::value::{items, pointer};
use super::{Cx, acl, fail, is_internal_name, is_name, value};
use crate::json::{Json, Object};
use crate::time;
use basalt_base::{Reason, Reference, Result, Timestamp, Value};
use basalt_data::{Create, FieldChange, Rank, Update};
use basalt_store::{FieldOp, FieldRef, Op, Path};
use std::sync::Arc;

/// Decodes the body of a create.
pub fn create(cx: &Cx<'_>, class: &str, body: &Object<'_>) -> Result<Create> {
    let mut create = Create {
        collection: class.into(),
        id: None,
        fields: Vec::with_capacity(body.len()),
        acl: None,
        created_at: None,
        updated_at: None,
    };
    for (key, json) in body.iter() {
        match key {
            "objectId" => create.id = custom_id(cx, class, json)?,
            "id" if !cx.custom_ids => {
                if json.truthy() {
                    let message = "id is an invalid field name.";
                    return Err(fail(Reason::InvalidFieldName, message));
                }
            }
            "createdAt" => create.created_at = custom_time(cx, json)?,
            "updatedAt" => create.updated_at = custom_time(cx, json)?,
            "ACL" => create.acl = acl::acl(json)?,
            _ => field(cx, key, json, &mut create.fields)?,
        }
    }
    if create.created_at.is_none() {
        create.updated_at = None;
    }
    if create
        .created_at
        .is_some_and(|at| create.updated_at.is_some_and(|u| u < at))
    {
        let message = "updatedAt cannot occur before createdAt";
        return Err(fail(Reason::ValidationFailed, message));
    }
    Ok(create)
}

/// Decodes the body of an update.
pub fn update(cx: &Cx<'_>, class: &str, id: &str, body: &Object<'_>) -> Result<Update> {
    let mut update = Update {
        collection: class.into(),
        id: id.into(),
        fields: Vec::with_capacity(body.len()),
        acl: None,
        filter: None,
    };
    for (key, json) in body.iter() {
        match key {
            // Clients send back what they read; none of this can change.
            "objectId" | "createdAt" | "updatedAt" => {}
            "ACL" => update.acl = acl::acl(json)?,
            _ => field(cx, key, json, &mut update.fields)?,
        }
    }
    Ok(update)
}

fn custom_id(cx: &Cx<'_>, class: &str, json: &Json<'_>) -> Result<Option<String>> {
    if class == "_User" && json.as_str().is_some_and(|id| id.starts_with("role:")) {
        return Err(fail(Reason::OperationForbidden, "Invalid object ID."));
    }
    if !cx.custom_ids {
        if !json.truthy() {
            return Ok(None);
        }
        let message = "objectId is an invalid field name.";
        return Err(fail(Reason::InvalidFieldName, message));
    }
    match json {
        Json::String(id) if !id.is_empty() => Ok(Some(id.to_string())),
        _ if !json.truthy() => {
            let message = "objectId must not be empty, null or undefined";
            Err(fail(Reason::MissingObjectId, message))
        }
        _ => Err(fail(Reason::InvalidJson, "objectId must be a string.")),
    }
}

/// A time chosen by the maintenance key; other callers' are ignored.
fn custom_time(cx: &Cx<'_>, json: &Json<'_>) -> Result<Option<Timestamp>> {
    if cx.rank != Rank::Maintenance {
        return Ok(None);
    }
    match json {
        Json::String(text) => time::parse(text)
            .map(Some)
            .ok_or_else(|| fail(Reason::IncorrectType, "This is not a valid Date")),
        Json::Null => Ok(None),
        _ => match value(cx, json)? {
            Value::Timestamp(at) => Ok(Some(at)),
            _ => Err(fail(Reason::IncorrectType, "This is not a valid Date")),
        },
    }
}

/// The path that a key names: a field, or `field.key` for what is nested in it. Errors:
/// `InvalidFieldName`, `InvalidJson` for one of more steps than values may nest.
fn path(cx: &Cx<'_>, key: &str) -> Result<Path> {
    let (root, rest) = match key.split_once('.') {
        Some((root, rest)) => (root, Some(rest)),
        None => (key, None),
    };
    if super::is_deep(cx, rest.unwrap_or_default()) {
        let max = cx.limits.json_depth_max;
        let message = format!("A value is nested more than {max} levels deep.");
        return Err(fail(Reason::InvalidJson, message));
    }
    let known = if cx.rank == Rank::Maintenance {
        is_internal_name(root)
    } else {
        is_name(root)
    };
    let nested_ok = rest.is_none_or(|rest| {
        rest.split('.')
            .all(|part| !part.is_empty() && !part.contains('$'))
    });
    if !known || !nested_ok || matches!(root, "className" | "length") {
        let mut shown = key.to_owned();
        crate::json::shorten(&mut shown);
        let message = format!("Invalid field name: {shown}.");
        return Err(fail(Reason::InvalidFieldName, message));
    }
    Ok(Path {
        root: FieldRef::Named(root.into()),
        rest: rest.map_or_else(Vec::new, |rest| rest.split('.').map(Into::into).collect()),
    })
}

fn field(cx: &Cx<'_>, key: &str, json: &Json<'_>, out: &mut Vec<FieldChange>) -> Result<()> {
    let path = path(cx, key)?;
    let op = match json.as_object() {
        Some(object) => match (object.get("__op"), object.text("__type")) {
            (Some(Json::String(op)), _) if is_relation_op(op) => {
                return relation(&top_level(&path)?, op, object, out);
            }
            (Some(Json::String(op)), _) => operation(cx, op, object)?,
            (Some(_), _) => return Err(fail(Reason::InvalidJson, "__op must be a string.")),
            (None, Some("Relation")) => {
                let class = object.text("className").map(super::class_name);
                let class = class.unwrap_or_else(|| {
                    Err(fail(Reason::IncorrectType, "This is not a valid Relation"))
                })?;
                let name = top_level(&path)?;
                out.push(FieldChange::DeclareRelation(name, class.into()));
                return Ok(());
            }
            (None, _) => Op::Set(value(cx, json)?),
        },
        None => Op::Set(value(cx, json)?),
    };
    out.push(FieldChange::Field(FieldOp { path, op }));
    Ok(())
}

fn top_level(path: &Path) -> Result<Arc<str>> {
    match &path.root {
        FieldRef::Named(name) if path.rest.is_empty() => Ok(name.clone()),
        _ => Err(fail(
            Reason::InvalidFieldName,
            "A relation can't be nested in another value.",
        )),
    }
}

fn is_relation_op(op: &str) -> bool {
    matches!(op, "AddRelation" | "RemoveRelation" | "Batch")
}

const ADD: &str = "objects to add must be an array";

/// Decodes an operation that is not about a relation.
pub fn operation(cx: &Cx<'_>, op: &str, object: &Object<'_>) -> Result<Op> {
    let objects = |message: &'static str| match object.get("objects").and_then(Json::as_array) {
        Some(list) => items(cx, list),
        None => Err(fail(Reason::InvalidJson, message)),
    };
    match op {
        "Delete" => Ok(Op::Unset),
        "Increment" => match object.get("amount") {
            Some(Json::Int(by)) => Ok(Op::Increment(Value::Int(*by))),
            Some(Json::Double(by)) => Ok(Op::Increment(Value::Double(*by))),
            _ => {
                let message = "incrementing must provide a number";
                Err(fail(Reason::InvalidJson, message))
            }
        },
        "SetOnInsert" => {
            let amount = object.get("amount").unwrap_or(&Json::Null);
            Ok(Op::SetOnInsert(value(cx, amount)?))
        }
        "Add" => Ok(Op::Append(objects(ADD)?)),
        "AddUnique" => Ok(Op::AddUnique(objects(ADD)?)),
        "Remove" => Ok(Op::Remove(objects("objects to remove must be an array")?)),
        _ => {
            let mut shown = op.to_owned();
            crate::json::shorten(&mut shown);
            let message = format!("The {shown} operator is not supported yet.");
            Err(fail(Reason::CommandUnavailable, message))
        }
    }
}

fn relation(
    name: &Arc<str>,
    op: &str,
    object: &Object<'_>,
    out: &mut Vec<FieldChange>,
) -> Result<()> {
    if op == "Batch" {
        let ops = object.get("ops").and_then(Json::as_array).unwrap_or(&[]);
        for item in ops {
            let inner = item.as_object().and_then(|o| Some((o, o.text("__op")?)));
            let Some((inner, op @ ("AddRelation" | "RemoveRelation"))) = inner else {
                let message = "A Batch operation holds AddRelation and RemoveRelation only.";
                return Err(fail(Reason::InvalidJson, message));
            };
            relation(name, op, inner, out)?;
        }
        return Ok(());
    }
    let objects = object.get("objects").and_then(Json::as_array);
    let objects = objects.ok_or_else(|| {
        fail(
            Reason::InvalidJson,
            "objects of a relation must be an array",
        )
    })?;
    let references: Result<Vec<Reference>> = objects.iter().map(pointer).collect();
    let references = references?;
    if references.is_empty() {
        return Ok(());
    }
    out.push(match op {
        "AddRelation" => FieldChange::AddRelation(name.clone(), references),
        _ => FieldChange::RemoveRelation(name.clone(), references),
    });
    Ok(())
}
