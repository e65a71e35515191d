//! Fields that a write makes, and whether its values fit those that are there.

use super::input::{field_of, implied};
use crate::core::Core;
use crate::rules;
use crate::{FieldChange, errors, names, relations, system};
use basalt_base::{Error, Map, Reason, Result, Value};
use basalt_store::{
    Catalogue, Collection, FieldDef, FieldRef, FieldType, IndexColumn, IndexDef, IndexKind, Op,
    SchemaChange, Write,
};
use std::borrow::Cow;
use std::sync::Arc;

/// The fields that a write needs and the collection lacks.
pub(super) struct Inference<'a> {
    core: &'a Core,
    catalogue: &'a Catalogue,
    name: &'a Arc<str>,
    collection: Option<&'a Collection>,
    new: Vec<FieldDef>,
    /// Names that are given null and nothing else: they become no fields.
    nulls: Vec<Arc<str>>,
    joins: Vec<Arc<str>>,
}

impl<'a> Inference<'a> {
    pub(super) fn new(
        core: &'a Core,
        catalogue: &'a Catalogue,
        name: &'a Arc<str>,
        collection: Option<&'a Collection>,
    ) -> Self {
        Self {
            core,
            catalogue,
            name,
            collection,
            new: Vec::new(),
            nulls: Vec::new(),
            joins: Vec::new(),
        }
    }

    /// Takes in what the changes need. Errors: `SchemaMismatch`, limits.
    pub(super) fn take_in(&mut self, changes: &[FieldChange]) -> Result<()> {
        for change in changes {
            match (field_of(change), implied(change)?) {
                (Some(field), Some(ty)) => self.want(field, ty, change)?,
                (Some(field), None) if is_null(change) => self.want_null(field)?,
                _ => {}
            }
            self.check_targets(change)?;
        }
        self.check_count()
    }

    fn known(&self, field: &str) -> Option<FieldType> {
        let there = self.collection.and_then(|c| c.field(field));
        there
            .map(|f| f.def.ty.clone())
            .or_else(|| system::field_type(self.name, field))
            .or_else(|| {
                let new = self.new.iter().find(|f| *f.name == *field);
                new.map(|f| f.ty.clone())
            })
    }

    fn want(&mut self, field: &Arc<str>, ty: FieldType, change: &FieldChange) -> Result<()> {
        if let Some(target) = ty.target()
            && !names::is_collection(target)
        {
            return Err(errors::invalid_collection_name(target));
        }
        let known = self.known(field);
        let ty = match known {
            None => ty,
            Some(known) if known == ty => known,
            // Lists and maps may nest in each other.
            Some(known @ (FieldType::Object | FieldType::Array)) if is_nested(change) => known,
            Some(known) => {
                return Err(errors::mismatch(
                    self.name,
                    field,
                    &known.to_string(),
                    &ty.to_string(),
                ));
            }
        };
        self.check_one_point(field, &ty)?;
        let missing = self.collection.is_none_or(|c| c.field(field).is_none());
        if missing && self.new.iter().all(|f| f.name != *field) {
            self.new.push(FieldDef::new(field.clone(), ty));
        }
        Ok(())
    }

    fn want_null(&mut self, field: &Arc<str>) -> Result<()> {
        if self.known(field).is_none() && !self.nulls.contains(field) {
            self.nulls.push(field.clone());
        }
        // Before the search above gets long.
        if self.nulls.len() > self.core.options.limits.fields_max {
            return self.check_count();
        }
        Ok(())
    }

    /// A collection has one field of geo points at most, so that "near" needs no field's name.
    fn check_one_point(&self, field: &str, ty: &FieldType) -> Result<()> {
        let present = self.collection.into_iter().flat_map(|c| &c.fields);
        let mut all = present.map(|f| &f.def).chain(&self.new);
        let other = |def: &FieldDef| def.ty == FieldType::GeoPoint && *def.name != *field;
        if *ty != FieldType::GeoPoint || self.known(field).is_some() || !all.any(other) {
            return Ok(());
        }
        Err(Error::new(
            Reason::IncorrectType,
            "there can only be one geopoint field in a class",
        ))
    }

    /// All references of a relation operation are to the relation's collection.
    fn check_targets(&mut self, change: &FieldChange) -> Result<()> {
        let (FieldChange::AddRelation(field, list) | FieldChange::RemoveRelation(field, list)) =
            change
        else {
            return Ok(());
        };
        let (Some(FieldType::Relation(target)), false) = (self.known(field), list.is_empty())
        else {
            return Ok(());
        };
        if let Some(other) = list.iter().find(|r| *r.collection != *target) {
            return Err(errors::mismatch(
                self.name,
                field,
                &format!("Relation<{target}>"),
                &format!("Relation<{}>", other.collection),
            ));
        }
        let join: Arc<str> = names::join(self.name, field).into();
        if !self.joins.contains(&join) {
            self.joins.push(join);
        }
        Ok(())
    }

    fn check_count(&self) -> Result<()> {
        let limits = &self.core.options.limits;
        let present = self.collection.map_or(0, |c| c.fields.len());
        let nulls = self.nulls.iter().filter(|n| self.known(n).is_none());
        let new = self.new.len() + nulls.count();
        if new > 0 && present + new > limits.fields_max {
            return Err(Error::new(
                Reason::QuotaExceeded,
                format!(
                    "The class {} would have more than {} fields.",
                    self.name, limits.fields_max
                ),
            ));
        }
        if self.collection.is_none() && self.catalogue.collections.len() >= limits.collections_max {
            return Err(Error::new(
                Reason::QuotaExceeded,
                format!(
                    "The app would have more than {} classes.",
                    limits.collections_max
                ),
            ));
        }
        Ok(())
    }

    /// The schema steps of the write; `given` are steps that somebody else already adds.
    pub(super) fn steps(&self, given: &[Write]) -> Vec<Write> {
        let mut steps = match self.collection {
            None => new_collection(self.core, self.name),
            Some(_) => Vec::new(),
        };
        let made: Vec<Arc<str>> = steps.iter().filter_map(ensured).collect();
        for field in &self.new {
            let elsewhere = names::is_internal(&field.name)
                && given.iter().filter_map(ensured).any(|n| n == field.name);
            if made.contains(&field.name) || elsewhere {
                continue;
            }
            steps.push(Write::Schema(SchemaChange::EnsureField {
                collection: self.name.clone(),
                field: field.clone(),
            }));
        }
        let closed = rules::encode(&crate::Rules::closed());
        for join in &self.joins {
            steps.extend(relations::ensure(self.catalogue, join, closed.clone()));
        }
        steps
    }

    /// The collection as the write will find it, for simulating the write.
    pub(super) fn future(&self) -> Cow<'a, Collection> {
        let mut collection = match self.collection {
            Some(collection) if self.new.is_empty() => return Cow::Borrowed(collection),
            Some(collection) => collection.clone(),
            None => Collection {
                id: basalt_store::CollectionId(0),
                name: self.name.clone(),
                fields: Vec::new(),
                indexes: Vec::new(),
                rules: Map::new(),
                version: 0,
            },
        };
        for def in &self.new {
            collection.fields.push(basalt_store::Field {
                id: basalt_store::FieldId(0),
                def: def.clone(),
            });
        }
        Cow::Owned(collection)
    }
}

fn is_null(change: &FieldChange) -> bool {
    let op = match change {
        FieldChange::Field(op) if op.path.rest.is_empty() => &op.op,
        _ => return false,
    };
    matches!(op, Op::Set(Value::Null) | Op::SetOnInsert(Value::Null))
}

fn is_nested(change: &FieldChange) -> bool {
    matches!(change, FieldChange::Field(op) if !op.path.rest.is_empty())
}

fn ensured(write: &Write) -> Option<Arc<str>> {
    match write {
        Write::Schema(SchemaChange::EnsureField { field, .. }) => Some(field.name.clone()),
        _ => None,
    }
}

/// Whether the changes name fields that the collection lacks, its system columns aside. Null asks
/// for no type, but it is kept under its name all the same.
pub(super) fn adds_fields(
    collection: Option<&Collection>,
    name: &str,
    changes: &[FieldChange],
) -> Result<bool> {
    for change in changes {
        let Some(field) = field_of(change) else {
            continue;
        };
        let missing = collection.is_none_or(|c| c.field(field).is_none())
            && system::field_type(name, field).is_none();
        if missing && (is_null(change) || implied(change)?.is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The rules that a new collection keeps, in their stored form. System collections keep none until
/// somebody sets them; others keep those of today's default, so that changing the default opens or
/// closes nothing.
pub(crate) fn first_rules(core: &Core, name: &str) -> Map {
    if name.starts_with('_') && !names::is_join(name) {
        Map::new()
    } else {
        rules::encode(&rules::default_rules(name, &core.options))
    }
}

/// The steps that make a collection with the columns that it comes with.
pub(crate) fn new_collection(core: &Core, name: &Arc<str>) -> Vec<Write> {
    let mut steps = vec![SchemaChange::EnsureCollection {
        name: name.clone(),
        rules: first_rules(core, name),
    }];
    for field in system::fields(name) {
        steps.push(SchemaChange::EnsureField {
            collection: name.clone(),
            field,
        });
    }
    if let Some(field) = system::unique(name) {
        let column = IndexColumn {
            field: FieldRef::Named(field.into()),
            descending: false,
        };
        steps.push(SchemaChange::CreateIndex {
            collection: name.clone(),
            index: IndexDef {
                name: format!("_{field}").into(),
                kind: IndexKind::Unique,
                columns: vec![column],
            },
        });
    }
    steps.into_iter().map(Write::Schema).collect()
}
