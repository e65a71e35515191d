//! Showing schemas.

use crate::core::Core;
use crate::{Call, SchemaField, SchemaView, names, system};
use basalt_base::{Error, Reason, Result};
use basalt_store::{Collection, FieldDef};
use std::sync::Arc;

/// Collections that are shown before their first object is made.
const ALWAYS_SHOWN: [&str; 2] = [system::USER, system::ROLE];

/// All schemas, join collections and the server's own left out; by name.
pub(crate) fn list(core: &Core, call: &Call) -> Result<Vec<SchemaView>> {
    core.check_master(&call.principal)?;
    let catalogue = core.catalogue();
    let mut views = Vec::new();
    for collection in catalogue.collections.values() {
        if is_shown(&collection.name) {
            views.push(view(core, &collection.name, Some(collection))?);
        }
    }
    for name in ALWAYS_SHOWN {
        if catalogue.collection(name).is_none() {
            views.push(view(core, name, None)?);
        }
    }
    views.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(views)
}

fn is_shown(name: &str) -> bool {
    !name.starts_with('_') || system::is_for_clients(name) || name == "_Product"
}

/// One schema.
pub(crate) fn get(core: &Core, call: &Call, name: &str) -> Result<SchemaView> {
    core.check_master(&call.principal)?;
    let catalogue = core.catalogue();
    let collection = catalogue.collection(name).filter(|_| !names::is_join(name));
    let known = ALWAYS_SHOWN.contains(&name) || (system::is_system(name) && !is_shown(name));
    if collection.is_none() && !known {
        return Err(does_not_exist(name));
    }
    view(core, name, collection.map(|c| &**c))
}

pub(super) fn does_not_exist(name: &str) -> Error {
    Error::new(
        Reason::InvalidCollectionName,
        format!("Class {name} does not exist."),
    )
}

/// A collection with the columns that it comes with, internal fields and indexes left out.
pub(super) fn view(core: &Core, name: &str, collection: Option<&Collection>) -> Result<SchemaView> {
    let policy = core.policy(name, collection)?;
    let present = collection.map_or(&[][..], |c| &c.fields);
    let mut fields: Vec<SchemaField> = system::fields(name)
        .filter(|f| present.iter().all(|p| p.def.name != f.name))
        .map(shown)
        .collect();
    let own = present.iter().map(|f| f.def.clone());
    fields.extend(own.filter(|f| !names::is_internal(&f.name)).map(shown));
    let indexes = collection.map_or(&[][..], |c| &c.indexes);
    Ok(SchemaView {
        name: collection.map_or_else(|| Arc::from(name), |c| c.name.clone()),
        fields,
        indexes: indexes
            .iter()
            .filter(|index| !names::is_internal(&index.name))
            .cloned()
            .collect(),
        rules: policy.rules.clone(),
    })
}

fn shown(def: FieldDef) -> SchemaField {
    SchemaField {
        name: def.name,
        ty: def.ty,
        required: def.required,
        default: def.default,
    }
}
