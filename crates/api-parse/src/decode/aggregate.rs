//! Aggregates: pipelines in engine names, and `distinct`.

use super::filter::path;
use super::options::where_of;
use super::value::pointer;
use super::{Cx, fail};
use crate::json::{Json, Object};
use crate::time;
use basalt_base::{Error, Map, Reason, Reference, Result, Value};
use basalt_data::ObjectQuery;
use basalt_store::{Collection, FieldType, Path};

/// What the aggregate route was asked for.
#[derive(Debug)]
pub enum Aggregate {
    /// A pipeline: a list of stages, each a map of one key.
    Pipeline(Value),
    /// The distinct values at a path.
    Distinct(Box<ObjectQuery>, Path),
}

const STAGES: &[&str] = &[
    "addFields",
    "bucket",
    "bucketAuto",
    "changeStream",
    "collStats",
    "count",
    "densify",
    "documents",
    "facet",
    "fill",
    "geoNear",
    "graphLookup",
    "group",
    "indexStats",
    "limit",
    "lookup",
    "match",
    "merge",
    "out",
    "project",
    "redact",
    "replaceRoot",
    "replaceWith",
    "sample",
    "search",
    "set",
    "setWindowFields",
    "skip",
    "sort",
    "sortByCount",
    "unionWith",
    "unset",
    "unwind",
];

/// Options that are no stages; their values don't matter to this server.
const IGNORED: &[&str] = &[
    "hint",
    "comment",
    "readPreference",
    "rawValues",
    "rawFieldNames",
];

fn bad(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    fail(Reason::InvalidQuery, message)
}

/// Decodes the parameters; `body` is the request's body where that is a list of stages.
pub fn aggregate(
    cx: &Cx<'_>,
    class: &str,
    params: &Object<'_>,
    body: &Json<'_>,
    collection: Option<&Collection>,
) -> Result<Aggregate> {
    if params.get("explain").is_some_and(Json::truthy) {
        let message = "The explain option of aggregates is not supported by this server.";
        return Err(fail(Reason::UnsupportedQuery, message));
    }
    let names = Names { collection };
    match params.get("distinct") {
        Some(Json::String(key)) if !key.is_empty() => {
            let mut query = ObjectQuery::of(class);
            query.filter = where_of(cx, params)?.filter;
            let key = path(cx, key)?;
            return Ok(Aggregate::Distinct(Box::new(query), key));
        }
        Some(json) if json.truthy() => return Err(bad("distinct must be a field's name.")),
        _ => {}
    }
    let mut stages = Vec::new();
    let mut grouped = false;
    let source = match (params.get("pipeline").filter(|json| json.truthy()), body) {
        (Some(pipeline), _) => pipeline,
        (None, list @ Json::Array(_)) => list,
        (None, _) => {
            for (name, json) in params.iter().filter(|(name, _)| *name != "pipeline") {
                names.stage(cx, name, json, &mut grouped, &mut stages)?;
            }
            return finish(cx, stages);
        }
    };
    match source {
        Json::Array(list) => {
            for stage in list {
                let stage = stage.as_object();
                let stage = stage.ok_or_else(|| bad("A pipeline stage must be an object."))?;
                let mut entries = stage.iter();
                let (Some((name, json)), 1) = (entries.next(), stage.len()) else {
                    let keys: Vec<&str> = stage.iter().take(20).map(|(k, _)| k).collect();
                    let mut keys = keys.join(", ");
                    crate::json::shorten(&mut keys);
                    return Err(bad(format!(
                        "Pipeline stages should only have one key but found {keys}."
                    )));
                };
                names.stage(cx, name, json, &mut grouped, &mut stages)?;
            }
        }
        Json::Object(object) => {
            for (name, json) in object.iter() {
                names.stage(cx, name, json, &mut grouped, &mut stages)?;
            }
        }
        _ => return Err(bad("pipeline must be a list of stages.")),
    }
    finish(cx, stages)
}

fn finish(cx: &Cx<'_>, stages: Vec<Value>) -> Result<Aggregate> {
    if stages.len() > cx.limits.pipeline_stages_max {
        return Err(fail(
            Reason::QueryTooComplex,
            "The pipeline has too many stages.",
        ));
    }
    Ok(Aggregate::Pipeline(Value::Array(stages)))
}

/// What a piece of JSON is, which decides how names in it are translated.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// A query: keys are fields, values are compared with them.
    Query,
    /// Keys are fields, values are expressions.
    Fields,
    /// An expression: text that starts with `$` is a field.
    Expression,
    /// Options of a stage: keys stay as they are, values are expressions.
    Options,
}

struct Names<'a> {
    collection: Option<&'a Collection>,
}

impl Names<'_> {
    fn stage(
        &self,
        cx: &Cx<'_>,
        name: &str,
        json: &Json<'_>,
        grouped: &mut bool,
        stages: &mut Vec<Value>,
    ) -> Result<()> {
        if matches!(name, "distinct" | "where") || IGNORED.contains(&name) {
            return Ok(());
        }
        let plain = name.strip_prefix('$').unwrap_or(name);
        if !STAGES.contains(&plain) {
            let mut shown = name.to_owned();
            crate::json::shorten(&mut shown);
            return Err(bad(format!("Invalid aggregate stage '{shown}'.")));
        }
        if plain == "facet" {
            return self.facet(cx, json, stages);
        }
        let part = match plain {
            "match" => Part::Query,
            "project" | "sort" | "addFields" | "set" => Part::Fields,
            "group" => {
                let group = json
                    .as_object()
                    .ok_or_else(|| bad("$group must be an object."))?;
                if group.get("objectId").is_some() {
                    return Err(bad("Cannot use 'objectId' in aggregation stage $group."));
                }
                if group.get("_id").is_none() {
                    return Err(bad("Invalid parameter for query: group. Missing key _id"));
                }
                Part::Options
            }
            "sortByCount" | "unwind" | "replaceRoot" | "replaceWith" => Part::Expression,
            _ => Part::Options,
        };
        let value = self.value(json, part, *grouped, None)?;
        *grouped |= plain == "group" || plain == "sortByCount" || plain == "bucket";
        stages.push(Value::Map(Map::from([(format!("${plain}"), value)])));
        Ok(())
    }

    /// `$facet` holds pipelines.
    fn facet(&self, cx: &Cx<'_>, json: &Json<'_>, stages: &mut Vec<Value>) -> Result<()> {
        let object = json
            .as_object()
            .ok_or_else(|| bad("$facet must be an object."))?;
        let mut facets = Map::new();
        for (name, pipeline) in object.iter() {
            let list = pipeline
                .as_array()
                .ok_or_else(|| bad("A facet must be a list of stages."))?;
            let (mut inner, mut grouped) = (Vec::new(), false);
            for stage in list {
                let stage = stage.as_object().filter(|o| o.len() == 1);
                let entry = stage.and_then(|o| o.iter().next());
                let (stage, json) =
                    entry.ok_or_else(|| bad("Pipeline stages should only have one key."))?;
                if stage.ends_with("facet") {
                    return Err(bad("$facet can't hold another $facet."));
                }
                self.stage(cx, stage, json, &mut grouped, &mut inner)?;
            }
            facets.insert(name.to_owned(), Value::Array(inner));
        }
        stages.push(Value::Map(Map::from([(
            "$facet".to_owned(),
            Value::Map(facets),
        )])));
        Ok(())
    }

    fn field_type(&self, name: &str) -> Option<&FieldType> {
        Some(&self.collection?.field(name)?.def.ty)
    }

    /// Translates JSON; `field` is the field that a query's value is compared with.
    fn value(
        &self,
        json: &Json<'_>,
        part: Part,
        grouped: bool,
        field: Option<&str>,
    ) -> Result<Value> {
        Ok(match json {
            Json::String(text) => self.text(text, part, grouped, field),
            Json::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.value(item, part, grouped, field))
                    .collect::<Result<_>>()?,
            ),
            Json::Object(object) => match typed(object)? {
                Some(value) => value,
                None => self.map(object, part, grouped, field)?,
            },
            _ => super::plain(json),
        })
    }

    fn map(
        &self,
        object: &Object<'_>,
        part: Part,
        grouped: bool,
        field: Option<&str>,
    ) -> Result<Value> {
        let mut map = Map::with_capacity(object.len());
        for (key, json) in object.iter() {
            let operator = key.starts_with('$');
            let (name, part, field) = match part {
                Part::Query if key == "$expr" => (key.to_owned(), Part::Expression, None),
                Part::Query if operator => (key.to_owned(), part, field),
                Part::Query => {
                    let name = engine_name(key, grouped);
                    let field = key.strip_prefix("_p_").unwrap_or(key);
                    let value = self.value(json, part, grouped, Some(field))?;
                    map.insert(name, value);
                    continue;
                }
                Part::Fields if !operator => (engine_name(key, grouped), Part::Expression, None),
                Part::Options if key == "query" => (key.to_owned(), Part::Query, None),
                Part::Options if matches!(key, "localField" | "foreignField" | "as" | "from") => {
                    let name = json.as_str().map(|text| engine_name(text, grouped));
                    let value = name.map_or_else(|| super::plain(json), Value::String);
                    map.insert(key.to_owned(), value);
                    continue;
                }
                Part::Options => (key.to_owned(), Part::Expression, None),
                part => (key.to_owned(), part, None),
            };
            map.insert(name, self.value(json, part, grouped, field)?);
        }
        Ok(Value::Map(map))
    }

    fn text(&self, text: &str, part: Part, grouped: bool, field: Option<&str>) -> Value {
        match (part, field) {
            (Part::Query, Some(field)) => self.compared(text, field),
            (Part::Query, None) => Value::from(text),
            _ => match text.strip_prefix('$') {
                Some(name) if !name.starts_with('$') => {
                    Value::String(format!("${}", engine_name(name, grouped)))
                }
                _ => Value::from(text),
            },
        }
    }

    /// Text that a query compares with a field: times and pointers take their own types.
    fn compared(&self, text: &str, field: &str) -> Value {
        let times = matches!(
            field,
            "createdAt" | "updatedAt" | "_created_at" | "_updated_at"
        );
        match self.field_type(field) {
            Some(FieldType::Reference(target)) => {
                let id = text.split_once('$').map_or(text, |(_, id)| id);
                Value::Reference(Reference {
                    collection: target.to_string(),
                    id: id.to_owned(),
                })
            }
            Some(FieldType::Date) => {
                time::parse(text).map_or_else(|| Value::from(text), Value::Timestamp)
            }
            _ if times => time::parse(text).map_or_else(|| Value::from(text), Value::Timestamp),
            _ => Value::from(text),
        }
    }
}

/// The engine's name of a field. Behind a `$group` the times' names are the caller's own.
fn engine_name(name: &str, grouped: bool) -> String {
    let (root, rest) = name
        .split_once('.')
        .map_or((name, None), |(root, rest)| (root, Some(rest)));
    let root = match root {
        "objectId" => "_id",
        "createdAt" if !grouped => "_created_at",
        "updatedAt" if !grouped => "_updated_at",
        _ => root.strip_prefix("_p_").unwrap_or(root),
    };
    match rest {
        Some(rest) => format!("{root}.{rest}"),
        None => root.to_owned(),
    }
}

/// The forms with a type: the protocol's, and `{"$date": …}`.
fn typed(object: &Object<'_>) -> Result<Option<Value>> {
    let date = |json: Option<&Json<'_>>| {
        json.and_then(Json::as_str)
            .and_then(time::parse)
            .map(Value::Timestamp)
            .ok_or_else(|| fail(Reason::IncorrectType, "This is not a valid Date"))
    };
    match object.text("__type") {
        Some("Date") => date(object.get("iso")).map(Some),
        Some("Pointer") => {
            let reference = pointer(&Json::Object(object.clone()))?;
            Ok(Some(Value::Reference(reference)))
        }
        Some("GeoPoint") => super::geo::fields(object)
            .map(|point| Some(Value::Geo(point)))
            .ok_or_else(|| fail(Reason::IncorrectType, "This is not a valid GeoPoint")),
        _ => match object.get("$date") {
            Some(json) if object.len() == 1 => date(Some(json)).map(Some),
            _ => Ok(None),
        },
    }
}
