//! From conditions as asked to filters, with the caller's view of the fields enforced at any depth.

use super::plan::Purpose;
use crate::core::Core;
use crate::rules::Viewer;
use crate::{Call, ObjectQuery, Where, errors, names};
use basalt_base::{Error, Reason, Reference, Result, Value};
use basalt_store::{Catalogue, Collection, FieldRef, FieldType, Filter, Path, Test};
use std::sync::Arc;

/// A filter whose sub-queries are planned but not run.
#[derive(Debug)]
pub(super) enum Planned {
    /// Without any.
    Done(Filter),
    And(Vec<Planned>),
    Or(Vec<Planned>),
    Not(Box<Planned>),
    /// Refers to one of the objects that the sub-query finds.
    In {
        path: Path,
        subquery: usize,
        negated: bool,
        /// The join collection when the field is a relation.
        join: Option<Arc<str>>,
    },
    /// Equals one of the values under `key` in what the sub-query finds.
    Select {
        path: Path,
        key: Path,
        subquery: usize,
        negated: bool,
    },
    /// Is related to the owner.
    Related {
        join: Arc<str>,
        owner: String,
        /// Finds the owner if the caller may read it; `None` where that needs no check.
        readable: Option<usize>,
    },
    /// Owns a pair of the join collection with one of these related ids.
    Owns {
        join: Arc<str>,
        related: Vec<String>,
        negated: bool,
    },
}

/// Who looks at which collection.
pub(super) struct Scope<'a> {
    pub(super) core: &'a Core,
    pub(super) call: &'a Call,
    pub(super) catalogue: &'a Catalogue,
    pub(super) name: &'a str,
    pub(super) collection: Option<&'a Collection>,
    pub(super) viewer: &'a Viewer<'a>,
    /// The query can only find the caller's own user.
    pub(super) own: bool,
}

/// Sub-queries that a filter needs, in the order of their indexes.
pub(super) type Asked = Vec<(ObjectQuery, Purpose)>;

impl Scope<'_> {
    /// Refuses a path that does not exist for this caller.
    pub(super) fn check_path(&self, path: &Path) -> Result<()> {
        let FieldRef::Named(root) = &path.root else {
            return Ok(());
        };
        if **root == *"ACL" {
            return Err(Error::new(Reason::InvalidQuery, "Cannot query on ACL."));
        }
        let internal = names::is_internal(root);
        let visible = if internal {
            self.call.principal.sees_internal_fields()
        } else {
            names::is_identifier(root)
        };
        if !visible || !names::has_plain_steps(path) {
            return Err(errors::invalid_key(&names::dotted(path)));
        }
        if self.viewer.hides_from_query(root, self.own) {
            return Err(self.hidden(&names::dotted(path), self.name));
        }
        Ok(())
    }

    /// Refuses a path that can't lead to a time. What lies in lists and maps may be one.
    fn check_time(&self, path: &Path) -> Result<()> {
        let declared = match &path.root {
            FieldRef::Named(root) => self.collection.and_then(|c| c.field(root)),
            FieldRef::Id | FieldRef::CreatedAt | FieldRef::UpdatedAt => None,
        };
        let timeless = path.root == FieldRef::Id
            || declared.is_some_and(|field| match field.def.ty {
                FieldType::Date => false,
                FieldType::Object | FieldType::Array => path.rest.is_empty(),
                _ => true,
            });
        if timeless {
            let text = format!("The field {} holds no times.", names::dotted(path));
            return Err(Error::new(Reason::InvalidJson, text));
        }
        Ok(())
    }

    fn hidden(&self, key: &str, collection: &str) -> Error {
        self.core.refusal(
            Reason::OperationForbidden,
            format!("This user is not allowed to query {key} on class {collection}"),
        )
    }

    /// The filter for a condition; sub-queries go to `asked`.
    pub(super) fn translate(&self, filter: Where, asked: &mut Asked) -> Result<Planned> {
        Ok(match filter {
            Where::And(list) => {
                let list = self.translate_all(list, asked)?;
                join_done(list, Filter::And, Planned::And)
            }
            Where::Or(list) => {
                let list = self.translate_all(list, asked)?;
                join_done(list, Filter::Or, Planned::Or)
            }
            Where::Not(part) => match self.translate(*part, asked)? {
                Planned::Done(filter) => Planned::Done(Filter::Not(Box::new(filter))),
                planned => Planned::Not(Box::new(planned)),
            },
            Where::Test(path, test) => {
                self.check_path(&path)?;
                match self.join_of(&path) {
                    Some(join) => related_test(join, &path, test)?,
                    None => Planned::Done(self.test(path, test)?),
                }
            }
            Where::OnTime(path, test) => {
                self.check_path(&path)?;
                self.check_time(&path)?;
                Planned::Done(Filter::Test(path, test))
            }
            Where::InQuery {
                path,
                query,
                negated,
            } => {
                self.check_path(&path)?;
                asked.push((*query, Purpose::Ids));
                Planned::In {
                    join: self.join_of(&path),
                    path,
                    subquery: asked.len() - 1,
                    negated,
                }
            }
            Where::Select {
                path,
                key,
                query,
                negated,
            } => {
                self.check_path(&path)?;
                asked.push((*query, Purpose::Values(key.clone())));
                Planned::Select {
                    path,
                    key,
                    subquery: asked.len() - 1,
                    negated,
                }
            }
            Where::RelatedTo { owner, field } => self.related_to(owner, &field, asked)?,
        })
    }

    /// A test; one of the ids in a list or map is also one of the ids of the objects that those
    /// refer to.
    fn test(&self, path: Path, test: Test) -> Result<Filter> {
        let Some((above, ids, negated)) = self.referenced_ids(&path, &test) else {
            return Ok(Filter::Test(path, test));
        };
        let collections = || {
            let names = self.catalogue.collections.keys();
            names.filter(|name| names::is_collection(name))
        };
        let max = self.core.options.limits.list_values_max;
        if ids.len().saturating_mul(collections().count()) > max {
            return Err(errors::too_complex(
                "The query compares too many ids within lists.".to_owned(),
            ));
        }
        let reference = |collection: &Arc<str>, id: &str| {
            Value::Reference(Reference {
                collection: collection.to_string(),
                id: id.to_owned(),
            })
        };
        let references = ids
            .iter()
            .flat_map(|id| collections().map(move |name| reference(name, id)))
            .collect();
        Ok(if negated {
            let no_reference = Filter::Test(above, Test::NotIn(references));
            Filter::And(vec![Filter::Test(path, test), no_reference])
        } else {
            let reference = Filter::Test(above, Test::In(references));
            Filter::Or(vec![Filter::Test(path, test), reference])
        })
    }

    /// What is compared when the path leads to the ids of what a list or map holds: where the
    /// references would be, the ids, and whether they must not be there.
    fn referenced_ids(&self, path: &Path, test: &Test) -> Option<(Path, Vec<String>, bool)> {
        let FieldRef::Named(root) = &path.root else {
            return None;
        };
        let (last, above) = path.rest.split_last()?;
        let field = self.collection?.field(root)?;
        let holds_references = matches!(field.def.ty, FieldType::Array | FieldType::Object);
        if **last != *names::ID || !holds_references {
            return None;
        }
        let (values, negated) = match test {
            Test::Eq(value) => (std::slice::from_ref(value), false),
            Test::In(values) => (values.as_slice(), false),
            Test::Ne(value) => (std::slice::from_ref(value), true),
            Test::NotIn(values) => (values.as_slice(), true),
            _ => return None,
        };
        let ids: Vec<String> = values
            .iter()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect();
        let above = Path {
            root: path.root.clone(),
            rest: above.to_vec(),
        };
        (!ids.is_empty()).then_some((above, ids, negated))
    }

    fn translate_all(&self, list: Vec<Where>, asked: &mut Asked) -> Result<Vec<Planned>> {
        list.into_iter()
            .map(|part| self.translate(part, asked))
            .collect()
    }

    /// The join collection of a relation field.
    fn join_of(&self, path: &Path) -> Option<Arc<str>> {
        let (FieldRef::Named(root), true) = (&path.root, path.rest.is_empty()) else {
            return None;
        };
        let field = self.collection?.field(root)?;
        matches!(field.def.ty, FieldType::Relation(_)).then(|| names::join(self.name, root).into())
    }

    /// The objects related to an owner, which the caller has to be able to read.
    fn related_to(&self, owner: Reference, field: &str, asked: &mut Asked) -> Result<Planned> {
        let principal = &self.call.principal;
        let root = names::root(field);
        let collection = self.catalogue.collection(&owner.collection);
        if !principal.reads_everything() {
            let policy = self
                .core
                .policy(&owner.collection, collection.map(|c| &**c))?;
            let options = &self.core.options;
            let viewer = Viewer::new(principal, &owner.collection, &policy, options);
            if viewer.hides_from_query(root, false) {
                return Err(self.hidden(field, &owner.collection));
            }
        }
        let Some(collection) = collection else {
            return Ok(Planned::Done(Filter::Nothing));
        };
        let is_relation = collection
            .field(field)
            .is_some_and(|f| matches!(f.def.ty, FieldType::Relation(_)));
        if !is_relation {
            return Ok(Planned::Done(Filter::Nothing));
        }
        let readable = (!principal.reads_everything()).then(|| {
            let query = ObjectQuery {
                filter: Where::Test(
                    Path::system(FieldRef::Id),
                    Test::Eq(Value::String(owner.id.clone())),
                ),
                is_get: true,
                ..ObjectQuery::of(collection.name.clone())
            };
            asked.push((query, Purpose::Readable));
            asked.len() - 1
        });
        Ok(Planned::Related {
            join: names::join(&collection.name, field).into(),
            owner: owner.id,
            readable,
        })
    }
}

fn join_done(
    list: Vec<Planned>,
    done: fn(Vec<Filter>) -> Filter,
    open: fn(Vec<Planned>) -> Planned,
) -> Planned {
    if !list.iter().all(|part| matches!(part, Planned::Done(_))) {
        return open(list);
    }
    let mut filters: Vec<Filter> = list
        .into_iter()
        .filter_map(|part| match part {
            Planned::Done(filter) => Some(filter),
            _ => None,
        })
        .collect();
    Planned::Done(match filters.len() {
        1 => filters.swap_remove(0),
        _ => done(filters),
    })
}

/// A test on a relation field, by its pairs.
fn related_test(join: Arc<str>, path: &Path, test: Test) -> Result<Planned> {
    // A relation is a list, perhaps an empty one, and never null.
    let id = |value: Value| match value {
        Value::Reference(r) => Some(Some(r.id)),
        Value::Null => Some(None),
        _ => None,
    };
    let unsupported = || {
        Error::new(
            Reason::UnsupportedQuery,
            format!(
                "The field {} is a relation: it can be compared with objects and lists of objects only.",
                names::dotted(path)
            ),
        )
    };
    let (values, negated) = match test {
        Test::Eq(value) => (vec![value], false),
        Test::Ne(value) => (vec![value], true),
        Test::In(values) => (values, false),
        Test::NotIn(values) => (values, true),
        Test::Not(inner) => {
            let planned = related_test(join, path, *inner)?;
            return Ok(Planned::Not(Box::new(planned)));
        }
        _ => return Err(unsupported()),
    };
    let related = values.into_iter().map(id).collect::<Option<Vec<_>>>();
    Ok(Planned::Owns {
        join,
        related: related
            .ok_or_else(unsupported)?
            .into_iter()
            .flatten()
            .collect(),
        negated,
    })
}
