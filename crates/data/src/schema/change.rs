//! Making, changing and dropping collections.

use super::check;
use super::view::{does_not_exist, view};
use crate::core::Core;
use crate::write::{first_rules, new_collection};
use crate::{Call, IndexChange, SchemaChangeRequest, SchemaView, errors, names, rules, system};
use basalt_base::{Error, Reason, Result};
use basalt_store::{Collection, DuplicateKey, FieldType, Query, SchemaChange, Write, WriteBatch};
use std::sync::Arc;

/// Makes a collection.
pub(crate) async fn create(
    core: &Core,
    call: &Call,
    request: SchemaChangeRequest,
) -> Result<SchemaView> {
    core.check_master_writes(&call.principal, "create a schema")?;
    let name = request.name.clone();
    let catalogue = core.catalogue();
    let virtually = matches!(&*name, system::USER | system::ROLE);
    if virtually || catalogue.collection(&name).is_some() {
        return Err(already_exists(&name));
    }
    if !has_schema(&name) {
        return Err(errors::invalid_collection_name(&name));
    }
    if catalogue.collections.len() >= core.options.limits.collections_max {
        return Err(Error::new(
            Reason::QuotaExceeded,
            format!(
                "The app would have more than {} classes.",
                core.options.limits.collections_max
            ),
        ));
    }
    for field in &request.add_fields {
        check::check_own(&name, &field.name)?;
    }
    check::check(core, &request, None)?;
    let policy = core.policy(&name, None)?;
    let stored = rules::encode(&check::rules_or_default(&request, &policy));
    let mut steps = vec![SchemaChange::CreateCollection {
        name: name.clone(),
        rules: stored,
    }];
    for field in system::fields(&name) {
        if request.add_fields.iter().all(|f| f.name != field.name) {
            steps.push(SchemaChange::EnsureField {
                collection: name.clone(),
                field,
            });
        }
    }
    steps.extend(fields_and_indexes(&request, None));
    apply(core, steps).await.map_err(|e| match e.reason() {
        Reason::SchemaRefused => already_exists(&name),
        _ => e,
    })?;
    shown(core, &name)
}

/// Whether a collection of this name can be made and dropped: not the pairs of relations, and not
/// what the server keeps for itself.
fn has_schema(name: &str) -> bool {
    names::is_collection(name) && !names::is_join(name) && !system::is_settings(name)
}

fn already_exists(name: &str) -> Error {
    Error::new(
        Reason::InvalidCollectionName,
        format!("Class {name} already exists."),
    )
}

/// Changes a collection's schema.
pub(crate) async fn update(
    core: &Core,
    call: &Call,
    request: SchemaChangeRequest,
) -> Result<SchemaView> {
    core.check_master_writes(&call.principal, "update a schema")?;
    let name = request.name.clone();
    let catalogue = core.catalogue();
    let collection = catalogue
        .collection(&name)
        .filter(|_| !names::is_join(&name));
    if collection.is_none() && !system::is_system(&name) {
        return Err(does_not_exist(&name));
    }
    let collection = collection.map(|c| &**c);
    check::check(core, &request, collection)?;
    let mut writes = match collection {
        None => new_collection(core, &name),
        Some(_) => Vec::new(),
    };
    let mut steps = Vec::new();
    for field in &request.drop_fields {
        steps.extend(drop_field(core, &name, collection, field));
    }
    steps.extend(fields_and_indexes(&request, collection));
    if let Some(new) = &request.rules {
        steps.push(SchemaChange::SetRules {
            collection: name.clone(),
            rules: rules::encode(new),
        });
    } else if request.default_rules {
        steps.push(SchemaChange::SetRules {
            collection: name.clone(),
            rules: first_rules(core, &name),
        });
    }
    writes.extend(steps.into_iter().map(Write::Schema));
    if !writes.is_empty() {
        apply_writes(core, writes).await?;
    }
    let mut view = shown(core, &name)?;
    // A change is answered with the rules as they work, so with the fields that options hide too.
    let policy = core.policy(&name, core.catalogue().collection(&name).map(|c| &**c))?;
    if policy.hidden != view.rules.protected_fields {
        Arc::make_mut(&mut view.rules)
            .protected_fields
            .clone_from(&policy.hidden);
    }
    Ok(view)
}

/// Drops a field, and the pairs of a relation.
fn drop_field(
    core: &Core,
    name: &Arc<str>,
    collection: Option<&Collection>,
    field: &Arc<str>,
) -> Vec<SchemaChange> {
    let mut steps = vec![SchemaChange::DropField {
        collection: name.clone(),
        name: field.clone(),
    }];
    let relation = collection
        .and_then(|c| c.field(field))
        .is_some_and(|f| matches!(f.def.ty, FieldType::Relation(_)));
    let join = names::join(name, field);
    if relation && core.catalogue().collection(&join).is_some() {
        steps.push(SchemaChange::DropCollection {
            name: join.into(),
            only_if_empty: false,
        });
    }
    steps
}

/// New and altered fields, then indexes.
fn fields_and_indexes(
    request: &SchemaChangeRequest,
    collection: Option<&Collection>,
) -> Vec<SchemaChange> {
    let mut steps = Vec::new();
    for field in &request.add_fields {
        let kept = !request.drop_fields.contains(&field.name);
        let present = collection
            .and_then(|c| c.field(&field.name))
            .filter(|_| kept);
        match present {
            Some(present) if present.def == *field => {}
            Some(_) => steps.push(SchemaChange::AlterField {
                collection: request.name.clone(),
                field: field.clone(),
            }),
            None => steps.push(SchemaChange::EnsureField {
                collection: request.name.clone(),
                field: field.clone(),
            }),
        }
    }
    let drops = request.indexes.iter().filter_map(|change| match change {
        IndexChange::Drop(name) => Some(SchemaChange::DropIndex {
            collection: request.name.clone(),
            name: name.clone(),
        }),
        IndexChange::Add(_) => None,
    });
    let adds = request.indexes.iter().filter_map(|change| match change {
        IndexChange::Add(index) => Some(SchemaChange::CreateIndex {
            collection: request.name.clone(),
            index: index.clone(),
        }),
        IndexChange::Drop(_) => None,
    });
    steps.extend(drops.chain(adds));
    steps
}

/// Drops an empty collection and its relations; one that does not exist is gone already.
pub(crate) async fn delete(core: &Core, call: &Call, name: &str) -> Result<()> {
    core.check_master_writes(&call.principal, "delete a schema")?;
    if !has_schema(name) {
        return Err(errors::invalid_collection_name(name));
    }
    let catalogue = core.catalogue();
    let Some(collection) = catalogue.collection(name) else {
        return Ok(());
    };
    let count = count(core, &collection.name).await?;
    if count > 0 {
        return Err(not_empty(name, count));
    }
    let mut steps = vec![SchemaChange::DropCollection {
        name: collection.name.clone(),
        only_if_empty: true,
    }];
    for field in &collection.fields {
        let join = names::join(name, &field.def.name);
        let relation = matches!(field.def.ty, FieldType::Relation(_));
        if relation && let Some(join) = catalogue.collection(&join) {
            steps.push(SchemaChange::DropCollection {
                name: join.name.clone(),
                only_if_empty: false,
            });
        }
    }
    match apply(core, steps).await {
        Err(e) if e.reason() == Reason::SchemaRefused => {
            Err(not_empty(name, self::count(core, &collection.name).await?))
        }
        Err(e) if e.reason() == Reason::CollectionNotFound => Ok(()),
        other => other,
    }?;
    if name.starts_with('_') {
        core.deps.guard.committed(name, None, None);
    }
    Ok(())
}

async fn count(core: &Core, name: &Arc<str>) -> Result<u64> {
    let query = Query::all(name.clone());
    core.deps.store.count(&query, core.read_options()).await
}

fn not_empty(name: &str, count: u64) -> Error {
    Error::new(
        Reason::SchemaRefused,
        format!("Class {name} is not empty, contains {count} objects, cannot drop schema."),
    )
}

async fn apply(core: &Core, steps: Vec<SchemaChange>) -> Result<()> {
    apply_writes(core, steps.into_iter().map(Write::Schema).collect()).await
}

async fn apply_writes(core: &Core, writes: Vec<Write>) -> Result<()> {
    for done in core.deps.store.write(vec![WriteBatch::of(writes)]).await? {
        done.map_err(|e| match DuplicateKey::of(&e) {
            Some(_) => errors::duplicate(),
            None => e,
        })?;
    }
    Ok(())
}

fn shown(core: &Core, name: &str) -> Result<SchemaView> {
    let catalogue = core.catalogue();
    view(core, name, catalogue.collection(name).map(|c| &**c))
}
