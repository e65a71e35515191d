//! Bodies of the schema routes.

use super::permissions::rules;
use super::{Cx, class_name, fail, is_name, value};
use crate::json::{Json, Object};
use basalt_base::{Error, Reason, Result};
use basalt_data::{IndexChange, SchemaChangeRequest};
use basalt_store::{Collection, FieldDef, FieldRef, FieldType, IndexColumn, IndexDef, IndexKind};
use std::sync::Arc;

/// Which schema call a body belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaVerb {
    /// A new class.
    Create,
    /// A change of an existing one.
    Update,
}

/// Fields that every class has.
const DEFAULTS: &[(&str, &str)] = &[
    ("objectId", "String"),
    ("createdAt", "Date"),
    ("updatedAt", "Date"),
    ("ACL", "ACL"),
];

/// Decodes a schema body; `present` is the class as it stands.
pub fn schema(
    cx: &Cx<'_>,
    verb: SchemaVerb,
    class: &str,
    body: &Object<'_>,
    present: Option<&Collection>,
) -> Result<SchemaChangeRequest> {
    let mut request = SchemaChangeRequest {
        name: class_name(class)?.into(),
        add_fields: Vec::new(),
        drop_fields: Vec::new(),
        indexes: Vec::new(),
        rules: None,
        default_rules: false,
    };
    for (name, json) in part(body, "fields")?.iter().flat_map(|o| o.iter()) {
        field(cx, verb, name, json, &mut request)?;
    }
    for (name, json) in part(body, "indexes")?.iter().flat_map(|o| o.iter()) {
        request.indexes.push(index(name, json)?);
    }
    match body.get("classLevelPermissions") {
        Some(Json::Null) => request.default_rules = true,
        Some(permissions) if permissions.truthy() => {
            request.rules = Some(rules(cx, permissions, &request, present)?);
        }
        _ => {}
    }
    Ok(request)
}

fn part<'b, 'j>(body: &'b Object<'j>, key: &str) -> Result<Option<&'b Object<'j>>> {
    match body.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Object(object)) => Ok(Some(object)),
        Some(_) => Err(invalid_json()),
    }
}

fn invalid_json() -> Error {
    fail(Reason::InvalidJson, "invalid JSON")
}

fn is_delete(object: &Object<'_>) -> bool {
    object.text("__op") == Some("Delete")
}

fn field(
    cx: &Cx<'_>,
    verb: SchemaVerb,
    name: &str,
    json: &Json<'_>,
    request: &mut SchemaChangeRequest,
) -> Result<()> {
    let object = json.as_object().ok_or_else(invalid_json)?;
    if DEFAULTS.iter().any(|(known, _)| *known == name) {
        return default_field(verb, name, object);
    }
    if is_delete(object) {
        request.drop_fields.push(name.into());
        return Ok(());
    }
    if !is_name(name) || matches!(name, "length" | "className") {
        let mut shown = name.to_owned();
        crate::json::shorten(&mut shown);
        let message = format!("invalid field name: {shown}");
        return Err(fail(Reason::InvalidFieldName, message));
    }
    let ty = field_type(object)?;
    let required = object.get("required").is_some_and(Json::truthy);
    let default = match object.get("defaultValue") {
        None | Some(Json::Null) => None,
        Some(json) => Some(value(cx, json)?),
    };
    let relation = matches!(ty, FieldType::Relation(_));
    if relation && (required || default.is_some()) {
        let option = if default.is_some() {
            "default value"
        } else {
            "required"
        };
        let message = format!("The '{option}' option is not applicable for {ty}");
        return Err(fail(Reason::IncorrectType, message));
    }
    if let Some(default) = &default
        && !ty.accepts(default)
    {
        let got = FieldType::of(default).map_or_else(|| "Null".to_owned(), |t| t.to_string());
        let message = format!(
            "schema mismatch for {}.{name} default value; expected {ty} but got {got}",
            request.name
        );
        return Err(fail(Reason::SchemaMismatch, message));
    }
    request.add_fields.push(FieldDef {
        name: name.into(),
        ty,
        required,
        default,
    });
    Ok(())
}

/// A field that every class has: it can only be named as it is.
fn default_field(verb: SchemaVerb, name: &str, object: &Object<'_>) -> Result<()> {
    let same = DEFAULTS.contains(&(name, object.text("type").unwrap_or_default()));
    let (reason, message) = match verb {
        _ if is_delete(object) => (
            Reason::ImmutableField,
            format!("field {name} cannot be changed"),
        ),
        SchemaVerb::Create => (
            Reason::ImmutableField,
            format!("field {name} cannot be added"),
        ),
        SchemaVerb::Update if same => return Ok(()),
        SchemaVerb::Update => (
            Reason::SchemaRefused,
            format!("Field {name} exists, cannot update."),
        ),
    };
    Err(fail(reason, message))
}

fn field_type(object: &Object<'_>) -> Result<FieldType> {
    let Some(Json::String(ty)) = object.get("type") else {
        return Err(invalid_json());
    };
    let target = || -> Result<Arc<str>> {
        match object.get("targetClass") {
            Some(Json::String(class)) if !class.is_empty() => Ok(class_name(class)?.into()),
            Some(json) if json.truthy() => Err(invalid_json()),
            _ => {
                let message = format!("type {ty} needs a class name");
                Err(fail(Reason::MissingParameter, message))
            }
        }
    };
    Ok(match &**ty {
        "Number" => FieldType::Number,
        "String" => FieldType::String,
        "Boolean" => FieldType::Boolean,
        "Date" => FieldType::Date,
        "Object" => FieldType::Object,
        "Array" => FieldType::Array,
        "GeoPoint" => FieldType::GeoPoint,
        "File" => FieldType::File,
        "Bytes" => FieldType::Bytes,
        "Polygon" => FieldType::Polygon,
        "Pointer" => FieldType::Reference(target()?),
        "Relation" => FieldType::Relation(target()?),
        other => {
            let mut shown = other.to_owned();
            crate::json::shorten(&mut shown);
            let message = format!("invalid field type: {shown}");
            return Err(fail(Reason::IncorrectType, message));
        }
    })
}

fn index(name: &str, json: &Json<'_>) -> Result<IndexChange> {
    let object = json.as_object().ok_or_else(invalid_json)?;
    if is_delete(object) {
        return Ok(IndexChange::Drop(name.into()));
    }
    let bad = |message: String| fail(Reason::InvalidQuery, message);
    if name == "_id_" {
        return Err(bad("Index _id_ exists, cannot update.".to_owned()));
    }
    let mut columns = Vec::with_capacity(object.len());
    let mut kind = IndexKind::Ordered;
    for (field, spec) in object.iter() {
        let descending = match spec {
            Json::Int(1) => false,
            Json::Int(-1) => true,
            Json::String(word) if matches!(&**word, "2dsphere" | "2d") => {
                kind = IndexKind::Geo;
                false
            }
            other => {
                let message = format!("Indexes of kind {} are not supported.", other.shown());
                return Err(fail(Reason::UnsupportedQuery, message));
            }
        };
        let field = match field.strip_prefix("_p_").unwrap_or(field) {
            "_id" | "objectId" => FieldRef::Id,
            "createdAt" | "_created_at" => FieldRef::CreatedAt,
            "updatedAt" | "_updated_at" => FieldRef::UpdatedAt,
            named if is_name(named) => FieldRef::Named(named.into()),
            _ => {
                let mut shown = field.to_owned();
                crate::json::shorten(&mut shown);
                return Err(bad(format!(
                    "Field {shown} does not exist, cannot add index."
                )));
            }
        };
        columns.push(IndexColumn { field, descending });
    }
    if columns.is_empty() || (kind == IndexKind::Geo && columns.len() > 1) {
        return Err(bad(format!("Index {name} has the wrong fields.")));
    }
    Ok(IndexChange::Add(IndexDef {
        name: name.into(),
        kind,
        columns,
    }))
}
