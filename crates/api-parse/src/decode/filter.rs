//! `where`: logic, keys and relations. The tests themselves are in `constraint`.

use super::constraint;
use super::options;
use super::value::pointer;
use super::{Cx, class_name, fail, is_internal_name, is_name};
use crate::json::{Json, Object};
use basalt_base::{Error, GeoPoint, Reason, Result};
use basalt_data::{ObjectQuery, Rank, SUBQUERIES_MAX, Where};
use basalt_store::{FieldRef, Path, Sort, SortKey, Test};

/// A decoded `where`.
#[derive(Debug)]
pub struct Filtered {
    /// Which objects.
    pub filter: Where,
    /// The order that `$nearSphere` brings along, unless the query names one.
    pub near: Option<Sort>,
}

/// Decodes a `where` object. Errors: `InvalidQuery`, `InvalidJson`, `InvalidFieldName`,
/// `UnsupportedQuery`, `QueryTooComplex`.
pub fn filter(cx: &Cx<'_>, json: &Json<'_>) -> Result<Filtered> {
    let mut decoder = Decoder {
        cx: *cx,
        patterns: 0,
        nodes: 0,
        subqueries: 0,
        asked: 0,
        near: None,
    };
    let filter = decoder.root(json)?;
    Ok(Filtered {
        filter,
        near: decoder.near,
    })
}

/// The state of decoding one `where` with everything in it.
pub(super) struct Decoder<'c> {
    /// The surroundings.
    pub cx: Cx<'c>,
    /// How many patterns there were.
    pub patterns: usize,
    nodes: usize,
    /// How deep in sub-queries this is.
    subqueries: usize,
    /// How many sub-queries there were.
    asked: usize,
    near: Option<Sort>,
}

/// Where in the logic a clause stands.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    /// Whether every object found meets this clause, so that a distance in it can order them.
    certain: bool,
}

impl Decoder<'_> {
    fn root(&mut self, json: &Json<'_>) -> Result<Where> {
        let place = Place {
            depth: 0,
            certain: true,
        };
        match json {
            Json::Object(object) => self.clause(object, place),
            Json::Null => Ok(Where::everything()),
            _ => Err(fail(
                Reason::InvalidJson,
                "where parameter is not valid JSON",
            )),
        }
    }

    /// Counts a node. Errors: `QueryTooComplex`.
    pub fn node(&mut self) -> Result<()> {
        self.nodes += 1;
        if self.nodes > self.cx.limits.filter_nodes_max {
            return Err(too_complex("The query has too many conditions."));
        }
        Ok(())
    }

    fn clause(&mut self, object: &Object<'_>, place: Place) -> Result<Where> {
        let mut all = Vec::with_capacity(object.len());
        for (key, json) in object.iter() {
            self.node()?;
            match key {
                "$or" => {
                    let list = self.list(json, place, false, 1, OR)?;
                    all.push(Where::Or(list));
                }
                "$and" => all.push(Where::And(self.list(json, place, place.certain, 0, AND)?)),
                "$nor" => {
                    let list = self.list(json, place, false, 1, NOR)?;
                    all.push(Where::Not(Box::new(Where::Or(list))));
                }
                "$relatedTo" => all.push(related(json)?),
                "ACL" => return Err(fail(Reason::InvalidQuery, "Cannot query on ACL.")),
                _ => {
                    let path = path(&self.cx, key)?;
                    let near = constraint::decode(self, &path, json, &mut all)?;
                    if let (Some(center), true, None) = (near, place.certain, &self.near) {
                        self.near = Some(by_distance(path, center));
                    }
                }
            }
        }
        Ok(match all.pop() {
            Some(only) if all.is_empty() => only,
            Some(last) => {
                all.push(last);
                Where::And(all)
            }
            None => Where::everything(),
        })
    }

    fn list(
        &mut self,
        json: &Json<'_>,
        place: Place,
        certain: bool,
        len_min: usize,
        message: &'static str,
    ) -> Result<Vec<Where>> {
        let bad = || fail(Reason::InvalidQuery, message);
        let items = json.as_array().filter(|items| items.len() >= len_min);
        let place = Place {
            depth: place.depth + 1,
            certain,
        };
        if place.depth > self.cx.limits.filter_depth_max {
            return Err(too_complex("The query is nested too deeply."));
        }
        let mut clauses = Vec::new();
        for item in items.ok_or_else(bad)? {
            clauses.push(self.clause(item.as_object().ok_or_else(bad)?, place)?);
        }
        Ok(clauses)
    }

    /// Decodes the query inside `$inQuery`, `$select` and their negations.
    pub fn subquery(
        &mut self,
        object: &Object<'_>,
        bad: impl Fn() -> Error,
    ) -> Result<ObjectQuery> {
        let class = object.text("className").ok_or_else(&bad)?;
        let filter = object.get("where").unwrap_or(&Json::Null);
        if !matches!(filter, Json::Object(_) | Json::Null) {
            return Err(bad());
        }
        self.asked += 1;
        if self.asked > SUBQUERIES_MAX {
            return Err(too_complex("The query has too many sub-queries."));
        }
        self.subqueries += 1;
        if self.subqueries > self.cx.limits.subquery_depth_max {
            return Err(too_complex("Sub-queries are nested too deeply."));
        }
        let outer = self.near.take();
        let filter = self.root(filter)?;
        let near = std::mem::replace(&mut self.near, outer);
        self.subqueries -= 1;
        let mut query = ObjectQuery::of(class_name(class)?);
        query.filter = filter;
        options::subquery(&self.cx, object, near, &mut query)?;
        Ok(query)
    }
}

const OR: &str = "Bad $or format - use an array value.";
const AND: &str = "Bad $and format - use an array value.";
const NOR: &str = "Bad $nor format - use an array of at least 1 value.";

fn too_complex(message: &'static str) -> Error {
    fail(Reason::QueryTooComplex, message)
}

fn by_distance(path: Path, center: GeoPoint) -> Sort {
    Sort {
        key: SortKey::Distance(path, center),
        descending: false,
    }
}

fn related(json: &Json<'_>) -> Result<Where> {
    let bad = || fail(Reason::InvalidQuery, "improper usage of $relatedTo");
    let object = json.as_object().ok_or_else(bad)?;
    let field = object.text("key").filter(|key| is_name(key));
    let field = field.ok_or_else(bad)?;
    let owner = object.get("object").ok_or_else(bad)?;
    let unsaved = owner.as_object().is_some_and(|o| {
        o.text("className").is_some_and(|c| class_name(c).is_ok())
            && o.get("objectId").is_none_or(|id| !id.truthy())
    });
    // Clients ask for the relations of objects that they have not saved: those have none.
    if unsaved {
        return Ok(Where::Or(Vec::new()));
    }
    Ok(Where::RelatedTo {
        owner: pointer(owner)?,
        field: field.into(),
    })
}

/// The path that a key of a query names. Errors: `InvalidFieldName`, `QueryTooComplex` for one of
/// more steps than values may nest.
///
/// Names that start with an underscore are internal; only the master keys may ask for them.
pub fn path(cx: &Cx<'_>, key: &str) -> Result<Path> {
    let (root, rest) = key.split_once('.').map_or((key, ""), |(r, rest)| (r, rest));
    if super::is_deep(cx, rest) {
        return Err(too_complex("A key in the query is nested too deep."));
    }
    let nested_ok = rest.is_empty() || rest.split('.').all(is_step);
    let internal = matches!(cx.rank, Rank::Master | Rank::Maintenance);
    let root_ok = is_name(root) || (internal && is_internal_name(root));
    if !root_ok || !nested_ok || key.ends_with('.') {
        let mut shown = key.to_owned();
        crate::json::shorten(&mut shown);
        let message = format!("Invalid key name: {shown}");
        return Err(fail(Reason::InvalidFieldName, message));
    }
    Ok(path_of(root, rest))
}

fn is_step(step: &str) -> bool {
    !step.is_empty() && step.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn path_of(root: &str, rest: &str) -> Path {
    let root = match root {
        "objectId" => FieldRef::Id,
        "createdAt" | "_created_at" => FieldRef::CreatedAt,
        "updatedAt" | "_updated_at" => FieldRef::UpdatedAt,
        name => FieldRef::Named(name.into()),
    };
    let rest = rest.split('.').filter(|step| !step.is_empty());
    Path {
        root,
        rest: rest.map(Into::into).collect(),
    }
}

/// A test as a clause.
pub(super) fn test(path: &Path, test: Test) -> Where {
    Where::Test(path.clone(), test)
}
