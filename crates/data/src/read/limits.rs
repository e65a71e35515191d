//! The limits on queries, checked before anything else looks at them.

use crate::errors::too_complex;
use crate::{Include, ObjectQuery, Where};
use basalt_base::{Limits, Result};
use basalt_store::{PATTERNS_MAX, Path, Test};

/// Refuses a query that passes a limit; sub-queries are counted in.
pub(super) fn check(query: &ObjectQuery, limits: &Limits) -> Result<()> {
    let mut count = Count::of(limits);
    count.query(query, 0)?;
    let mut paths = 0;
    check_include(&query.include, 0, &mut paths, limits)
}

/// Refuses a condition that passes a limit.
pub(super) fn check_filter(filter: &Where, limits: &Limits) -> Result<()> {
    Count::of(limits).filter(filter, 0, 0)
}

/// Most sub-queries of one query, nested ones included: each is a read of its own.
pub const SUBQUERIES_MAX: usize = 100;

struct Count<'a> {
    limits: &'a Limits,
    nodes: usize,
    subqueries: usize,
    patterns: usize,
}

impl<'a> Count<'a> {
    fn of(limits: &'a Limits) -> Self {
        Self {
            limits,
            nodes: 0,
            subqueries: 0,
            patterns: 0,
        }
    }

    fn query(&mut self, query: &ObjectQuery, subqueries: usize) -> Result<()> {
        let max = self.limits.skip_max;
        if query.skip > max {
            return Err(too_complex(format!("skip exceeds the maximum of {max}")));
        }
        for level in &query.sort {
            self.node()?;
            match &level.key {
                basalt_store::SortKey::Path(path) | basalt_store::SortKey::Distance(path, _) => {
                    self.path(path)?;
                }
            }
        }
        self.filter(&query.filter, 0, subqueries)
    }

    fn filter(&mut self, filter: &Where, depth: usize, subqueries: usize) -> Result<()> {
        self.node()?;
        let max = self.limits.filter_depth_max;
        if depth > max {
            return Err(too_complex(format!(
                "Query condition nesting depth exceeds maximum allowed depth of {max}"
            )));
        }
        match filter {
            Where::And(list) | Where::Or(list) => list
                .iter()
                .try_for_each(|part| self.filter(part, depth + 1, subqueries)),
            Where::Not(part) => self.filter(part, depth + 1, subqueries),
            Where::Test(path, test) | Where::OnTime(path, test) => {
                self.path(path)?;
                self.test(test, depth)
            }
            Where::InQuery { path, query, .. } => {
                self.path(path)?;
                self.subquery(query, subqueries)
            }
            Where::Select {
                path, key, query, ..
            } => {
                self.path(path)?;
                self.path(key)?;
                self.subquery(query, subqueries)
            }
            Where::RelatedTo { .. } => Ok(()),
        }
    }

    fn subquery(&mut self, query: &ObjectQuery, subqueries: usize) -> Result<()> {
        let max = self.limits.subquery_depth_max;
        if subqueries >= max {
            return Err(too_complex(format!(
                "Subquery nesting depth exceeds maximum allowed depth of {max}"
            )));
        }
        self.subqueries += 1;
        if self.subqueries > SUBQUERIES_MAX {
            return Err(too_complex("The query has too many sub-queries."));
        }
        self.query(query, subqueries + 1)
    }

    fn test(&mut self, test: &Test, depth: usize) -> Result<()> {
        let length = match test {
            Test::In(list) | Test::NotIn(list) | Test::All(list) | Test::ContainedBy(list) => {
                list.len()
            }
            Test::AllMatch(list) => {
                self.patterns(list.len())?;
                list.len()
            }
            Test::Regex(_) => return self.patterns(1),
            Test::Not(inner) => {
                self.node()?;
                if depth > self.limits.filter_depth_max {
                    return Err(too_complex("The query's tests are nested too deep."));
                }
                return self.test(inner, depth + 1);
            }
            _ => return Ok(()),
        };
        let max = self.limits.list_values_max;
        if length > max {
            return Err(too_complex(format!(
                "A list in the query has {length} values; the maximum is {max}."
            )));
        }
        Ok(())
    }

    fn patterns(&mut self, count: usize) -> Result<()> {
        self.patterns += count;
        if self.patterns > PATTERNS_MAX {
            return Err(too_complex("The query has too many regular expressions."));
        }
        Ok(())
    }

    fn path(&self, path: &Path) -> Result<()> {
        if path.rest.len() > self.limits.json_depth_max {
            return Err(too_complex("A key in the query is nested too deep."));
        }
        Ok(())
    }

    fn node(&mut self) -> Result<()> {
        self.nodes += 1;
        let max = self.limits.filter_nodes_max;
        if self.nodes > max {
            return Err(too_complex(format!(
                "The query has more than {max} conditions."
            )));
        }
        Ok(())
    }
}

fn check_include(
    include: &Include,
    depth: usize,
    paths: &mut usize,
    limits: &Limits,
) -> Result<()> {
    let max = limits.include_depth_max;
    if depth > max {
        return Err(too_complex(format!(
            "Include depth of {depth} exceeds maximum allowed depth of {max}"
        )));
    }
    *paths += usize::from(include.here);
    let max = limits.include_paths_max;
    if *paths > max {
        return Err(too_complex(format!(
            "Number of include fields ({paths}) exceeds maximum allowed ({max})"
        )));
    }
    include
        .children
        .iter()
        .try_for_each(|(_, child)| check_include(child, depth + 1, paths, limits))
}
