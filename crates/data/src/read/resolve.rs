//! Running the sub-queries of a plan.

use super::plan::Plan;
use super::reader::Reader;
use super::translate::Planned;
use crate::{Call, errors, names};
use basalt_base::{BoxFuture, Reference, Result, Value};
use basalt_store::{Filter, Path, Record, Test, eval};

/// The filter of a plan with its sub-queries run.
pub(super) async fn filter(reader: &Reader<'_>, call: &Call, plan: &Plan) -> Result<Filter> {
    match &plan.filter {
        Planned::Done(filter) => Ok(filter.clone()),
        open => resolve(reader, call, plan, open).await,
    }
}

fn resolve<'a>(
    reader: &'a Reader<'_>,
    call: &'a Call,
    plan: &'a Plan,
    planned: &'a Planned,
) -> BoxFuture<'a, Result<Filter>> {
    Box::pin(async move {
        Ok(match planned {
            Planned::Done(filter) => filter.clone(),
            Planned::And(list) => {
                let mut all = Filter::Everything;
                for part in list {
                    all = all.and(resolve(reader, call, plan, part).await?);
                }
                all
            }
            Planned::Or(list) => {
                let mut parts = Vec::with_capacity(list.len());
                for part in list {
                    parts.push(resolve(reader, call, plan, part).await?);
                }
                Filter::Or(parts)
            }
            Planned::Not(part) => Filter::Not(Box::new(resolve(reader, call, plan, part).await?)),
            Planned::In {
                path,
                subquery,
                negated,
                join,
            } => {
                let subplan = &plan.subqueries[*subquery];
                let found = rows(reader, call, subplan).await?;
                let ids = found.into_iter().map(|r| r.id.into_string());
                if let Some(join) = join {
                    let owners = reader.owners(join, ids.collect()).await?;
                    reader.take_values(owners.len())?;
                    one_of_ids(owners, *negated)
                } else {
                    let reference = |id| {
                        Value::Reference(Reference {
                            collection: subplan.name.to_string(),
                            id,
                        })
                    };
                    let list = ids.map(reference).collect();
                    Filter::Test(path.clone(), one_of(list, *negated))
                }
            }
            Planned::Select {
                path,
                key,
                subquery,
                negated,
            } => {
                let found = rows(reader, call, &plan.subqueries[*subquery]).await?;
                let mut list = Vec::with_capacity(found.len());
                for record in &found {
                    let before = list.len();
                    values(record, key, &mut list);
                    // A list holds any number of them.
                    reader.take_values(list.len() - before)?;
                }
                Filter::Test(path.clone(), one_of(list, *negated))
            }
            Planned::Related {
                join,
                owner,
                readable,
            } => {
                let hidden = match readable {
                    None => false,
                    Some(at) => rows(reader, call, &plan.subqueries[*at]).await?.is_empty(),
                };
                if hidden {
                    return Ok(Filter::Nothing);
                }
                one_of_ids(reader.related(join, owner).await?, false)
            }
            Planned::Owns {
                join,
                related,
                negated,
            } => one_of_ids(reader.owners(join, related.clone()).await?, *negated),
        })
    })
}

/// The values under a key: the elements of lists, and the ids of references where the key asks for
/// those.
fn values(record: &Record, key: &Path, out: &mut Vec<Value>) {
    for candidate in eval::candidates(record, key) {
        match candidate.into_owned() {
            Value::Array(items) => out.extend(items),
            value => out.push(value),
        }
    }
    let Some((last, above)) = key.rest.split_last() else {
        return;
    };
    if **last != *names::ID {
        return;
    }
    let references = Path {
        root: key.root.clone(),
        rest: above.to_vec(),
    };
    for candidate in eval::candidates(record, &references) {
        let items = match &*candidate {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        let ids = items.iter().filter_map(|item| match item {
            Value::Reference(reference) => Some(Value::String(reference.id.clone())),
            _ => None,
        });
        out.extend(ids);
    }
}

fn one_of(list: Vec<Value>, negated: bool) -> Test {
    if negated {
        Test::NotIn(list)
    } else {
        Test::In(list)
    }
}

fn one_of_ids(ids: Vec<String>, negated: bool) -> Filter {
    let filter = if ids.is_empty() {
        Filter::Nothing
    } else {
        Filter::ids(ids)
    };
    if negated {
        Filter::Not(Box::new(filter))
    } else {
        filter
    }
}

/// The objects of a sub-query, with the caller's rights; too many are an error.
async fn rows(reader: &Reader<'_>, call: &Call, plan: &Plan) -> Result<Vec<Record>> {
    let filter = filter(reader, call, plan).await?;
    let found = reader.rows(plan, filter).await?;
    let max = reader.core.options.limits.subquery_rows_max;
    if found.len() > max {
        return Err(errors::too_complex(format!(
            "A sub-query yields more than {max} objects."
        )));
    }
    reader.take_values(found.len())?;
    Ok(found)
}
