//! Whether a schema change makes sense.

use crate::core::Core;
use crate::rules::Policy;
use crate::{IndexChange, Operation, Rules, SchemaChangeRequest, errors, names, system};
use basalt_base::{Error, Reason, Result};
use basalt_store::{Collection, FieldDef, FieldRef, FieldType};

/// A field of the collection as it will be.
struct Future<'a> {
    request: &'a SchemaChangeRequest,
    collection: Option<&'a Collection>,
}

/// Refuses a change that can't be made. `collection` is `None` for a new one.
pub(super) fn check(
    core: &Core,
    request: &SchemaChangeRequest,
    collection: Option<&Collection>,
) -> Result<()> {
    let future = Future {
        request,
        collection,
    };
    for name in &request.drop_fields {
        check_drop(request, collection, name)?;
    }
    for field in &request.add_fields {
        check_field(request, collection, field)?;
    }
    check_points(&future)?;
    let count = collection.map_or(0, |c| c.fields.len()) + request.add_fields.len();
    let max = core.options.limits.fields_max;
    if count > max {
        return Err(Error::new(
            Reason::QuotaExceeded,
            format!(
                "The class {} would have more than {max} fields.",
                request.name
            ),
        ));
    }
    if let Some(rules) = &request.rules {
        check_rules(core, &future, rules)?;
    }
    for index in &request.indexes {
        check_index(&future, index)?;
    }
    Ok(())
}

impl Future<'_> {
    fn field_type(&self, name: &str) -> Option<FieldType> {
        if let Some(field) = self.request.add_fields.iter().find(|f| *f.name == *name) {
            return Some(field.ty.clone());
        }
        if self.request.drop_fields.iter().any(|f| **f == *name) {
            return None;
        }
        let present = self.collection.and_then(|c| c.field(name));
        present
            .map(|f| f.def.ty.clone())
            .or_else(|| system::field_type(&self.request.name, name))
    }
}

fn refused(text: String) -> Error {
    Error::new(Reason::SchemaRefused, text)
}

fn invalid(text: String) -> Error {
    Error::new(Reason::InvalidJson, text)
}

fn fixed(name: &str, what: &str) -> Error {
    Error::new(
        Reason::ImmutableField,
        format!("field {name} cannot be {what}"),
    )
}

fn check_drop(
    request: &SchemaChangeRequest,
    collection: Option<&Collection>,
    name: &str,
) -> Result<()> {
    if names::is_reserved(name) || system::field_type(&request.name, name).is_some() {
        return Err(fixed(name, "changed"));
    }
    if names::is_internal(name) || collection.is_none_or(|c| c.field(name).is_none()) {
        return Err(refused(format!(
            "Field {name} does not exist, cannot delete."
        )));
    }
    Ok(())
}

/// Refuses a column that a new collection brings anyway.
pub(super) fn check_own(collection: &str, field: &str) -> Result<()> {
    match system::field_type(collection, field) {
        Some(_) => Err(fixed(field, "added")),
        None => Ok(()),
    }
}

fn check_field(
    request: &SchemaChangeRequest,
    collection: Option<&Collection>,
    field: &FieldDef,
) -> Result<()> {
    let (class, name) = (&request.name, &field.name);
    let dropped = request.drop_fields.contains(name);
    let present = collection.and_then(|c| c.field(name)).filter(|_| !dropped);
    match present {
        Some(present) if present.def.ty.word() != field.ty.word() => {
            return Err(refused(format!("Field {name} exists, cannot update.")));
        }
        Some(present) if present.def.ty != field.ty => {
            return Err(errors::mismatch(
                class,
                name,
                &present.def.ty.to_string(),
                &field.ty.to_string(),
            ));
        }
        Some(_) => {}
        None => {
            if names::is_reserved(name) {
                return Err(fixed(name, "added"));
            }
            if !names::is_field(name, class) {
                return Err(Error::new(
                    Reason::InvalidFieldName,
                    format!("invalid field name: {name}"),
                ));
            }
            match system::field_type(class, name) {
                Some(ty) if ty == field.ty => {}
                Some(_) => return Err(fixed(name, "added")),
                None => {}
            }
        }
    }
    if let Some(target) = field.ty.target()
        && !names::is_collection(target)
    {
        return Err(errors::invalid_collection_name(target));
    }
    check_options(class, field)
}

/// `required` and the default value.
fn check_options(class: &str, field: &FieldDef) -> Result<()> {
    let relation = matches!(field.ty, FieldType::Relation(_));
    let inapplicable = |option: &str| {
        Err(Error::new(
            Reason::IncorrectType,
            format!("The '{option}' option is not applicable for {}", field.ty),
        ))
    };
    match &field.default {
        Some(_) if relation => inapplicable("default value"),
        Some(value) if !field.ty.accepts(value) => {
            let got = FieldType::of(value).map_or_else(|| "Null".to_owned(), |ty| ty.to_string());
            Err(Error::new(
                Reason::SchemaMismatch,
                format!(
                    "schema mismatch for {class}.{} default value; expected {} but got {got}",
                    field.name, field.ty
                ),
            ))
        }
        None if relation && field.required => inapplicable("required"),
        _ => Ok(()),
    }
}

fn check_points(future: &Future<'_>) -> Result<()> {
    let is_point = |ty: &FieldType| *ty == FieldType::GeoPoint;
    let present = future.collection.into_iter().flat_map(|c| &c.fields);
    let mut points: Vec<&str> = present
        .filter(|f| is_point(&f.def.ty) && future.field_type(&f.def.name).is_some())
        .map(|f| &*f.def.name)
        .collect();
    for field in &future.request.add_fields {
        if is_point(&field.ty) && !points.contains(&&*field.name) {
            points.push(&field.name);
        }
    }
    match *points {
        [first, second, ..] => Err(Error::new(
            Reason::IncorrectType,
            format!(
                "currently, only one GeoPoint field may exist in an object. Adding {second} when \
                 {first} already exists."
            ),
        )),
        _ => Ok(()),
    }
}

fn check_rules(core: &Core, future: &Future<'_>, rules: &Rules) -> Result<()> {
    for operation in Operation::ALL {
        let set = rules.permissions(operation);
        for user in &set.users {
            check_user(core, user)?;
        }
        check_user_fields(future, &set.user_fields, operation.word())?;
    }
    check_user_fields(future, &rules.read_user_fields, "readUserFields")?;
    check_user_fields(future, &rules.write_user_fields, "writeUserFields")?;
    for rule in &rules.protected_fields {
        let group = &rule.group;
        let known = **group == *"*" || **group == *"authenticated";
        let prefixed = group.starts_with("role:") || group.starts_with("userField:");
        if !known && !prefixed {
            check_user(core, group)?;
        }
        for field in &rule.fields {
            if names::is_reserved(field) {
                return Err(invalid(format!(
                    "Default field '{field}' can not be protected"
                )));
            }
            if future.field_type(field).is_none() {
                return Err(invalid(format!(
                    "Field '{field}' in protectedFields:{group} does not exist"
                )));
            }
        }
    }
    Ok(())
}

/// Ids are letters and digits unless clients may choose them.
fn check_user(core: &Core, id: &str) -> Result<()> {
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric());
    if plain || (core.options.allow_custom_ids && names::is_id(id)) {
        return Ok(());
    }
    Err(invalid(format!(
        "'{id}' is not a valid key for class level permissions"
    )))
}

fn check_user_fields(future: &Future<'_>, fields: &[Box<str>], what: &str) -> Result<()> {
    for field in fields {
        let fine = match future.field_type(field) {
            Some(FieldType::Reference(target)) => *target == *system::USER,
            Some(FieldType::Array) => true,
            _ => false,
        };
        if !fine {
            return Err(invalid(format!(
                "'{field}' is not a valid column for class level pointer permissions {what}"
            )));
        }
    }
    Ok(())
}

fn check_index(future: &Future<'_>, change: &IndexChange) -> Result<()> {
    let bad = |text: String| Err(Error::new(Reason::InvalidQuery, text));
    let present = |name: &str| {
        let mut indexes = future.collection.into_iter().flat_map(|c| &c.indexes);
        indexes.any(|index| *index.name == *name)
    };
    match change {
        IndexChange::Add(index) => {
            let name = &index.name;
            if names::is_internal(name) {
                return bad(format!("Index {name} has a reserved name."));
            }
            let dropped = future
                .request
                .indexes
                .iter()
                .any(|change| matches!(change, IndexChange::Drop(dropped) if dropped == name));
            if present(name) && !dropped {
                return bad(format!("Index {name} exists, cannot update."));
            }
            if index.columns.is_empty() {
                return bad(format!("Index {name} has no field."));
            }
            for column in &index.columns {
                if let FieldRef::Named(field) = &column.field
                    && future.field_type(field).is_none()
                {
                    return bad(format!("Field {field} does not exist, cannot add index."));
                }
            }
            Ok(())
        }
        IndexChange::Drop(name) if names::is_internal(name) || !present(name) => {
            bad(format!("Index {name} does not exist, cannot delete."))
        }
        IndexChange::Drop(_) => Ok(()),
    }
}

/// The rules that a collection gets when the request names none.
pub(super) fn rules_or_default(request: &SchemaChangeRequest, policy: &Policy) -> Rules {
    request
        .rules
        .clone()
        .unwrap_or_else(|| Rules::clone(&policy.rules))
}
