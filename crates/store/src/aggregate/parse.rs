//! From Mongo's text of a pipeline, as engine values, to typed stages.

mod expression;
mod filter;
mod project;
mod stage;

pub use filter::{parse_filter, parse_filter_with};

use super::{Keys, Stage};
use basalt_base::{Error, Limits, Map, Reason, Result, Value};

/// Reads a pipeline: an array of maps of one `$stage` each, under the default limits.
///
/// Fails with [`Reason::UnsupportedQuery`] and the bare name of a stage or operator that is not
/// known, [`Reason::InvalidQuery`] on a wrong shape, [`Reason::QueryTooComplex`] over a limit.
pub fn parse(stages: &Value) -> Result<Vec<Stage>> {
    parse_with(stages, &Limits::default())
}

/// The same under given limits.
pub fn parse_with(stages: &Value, limits: &Limits) -> Result<Vec<Stage>> {
    let Value::Array(items) = stages else {
        return Err(invalid("a pipeline is an array of stages"));
    };
    if items.len() > limits.pipeline_stages_max {
        return Err(too_complex("the pipeline has too many stages"));
    }
    let mut budget = Budget::new(limits);
    let mut stages = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Value::Map(map) if map.len() == 1 => {
                for (name, spec) in map {
                    stage::parse(name, spec, &mut budget, &mut stages)?;
                }
            }
            _ => return Err(invalid("a stage is a map of one key")),
        }
    }
    Ok(stages)
}

/// What is left of the limits.
pub(super) struct Budget<'a> {
    limits: &'a Limits,
    nodes: usize,
    depth: usize,
    patterns: usize,
}

impl<'a> Budget<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            nodes: limits.filter_nodes_max,
            depth: limits.filter_depth_max,
            patterns: 0,
        }
    }

    /// Counts one operator or test.
    fn node(&mut self) -> Result<()> {
        match self.nodes.checked_sub(1) {
            Some(left) => self.nodes = left,
            None => return Err(too_complex("the query has too many operators")),
        }
        Ok(())
    }

    /// Parses something one level deeper.
    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        match self.depth.checked_sub(1) {
            Some(left) => self.depth = left,
            None => return Err(too_complex("the query nests too deep")),
        }
        let parsed = parse(self);
        self.depth += 1;
        parsed
    }
}

fn invalid(what: impl Into<String>) -> Error {
    Error::new(Reason::InvalidQuery, what.into())
}

fn too_complex(what: &'static str) -> Error {
    Error::new(Reason::QueryTooComplex, what)
}

/// The message is the bare name of what this server lacks.
fn unsupported(name: &str) -> Error {
    Error::new(Reason::UnsupportedQuery, name.to_owned())
}

/// A dotted path of map keys: no empty steps and none that starts with `$`.
fn keys(path: &str) -> Result<Keys> {
    if path.split('.').any(|s| s.is_empty() || s.starts_with('$')) {
        return Err(invalid("a field path has an empty or forbidden step"));
    }
    Ok(path.split('.').map(Into::into).collect())
}

/// The only key of a map when it starts with `$`.
fn operator(map: &Map) -> Option<(&str, &Value)> {
    let (key, value) = map.first()?;
    key.starts_with('$').then_some((key, value))
}
