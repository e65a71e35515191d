//! Following references: one query for each level and collection, with the caller's rights.

use super::plan::{Plan, Purpose, is_refusal, prepare};
use super::reader::Reader;
use super::resolve;
use crate::core::Core;
use crate::{Call, EventKind, Found, Include, Included, ObjectQuery, Where, system};
use basalt_base::{Reference, Result, Value};
use basalt_store::{FieldRef, Path, Record, Test};
use std::collections::HashMap;

/// The objects that the records refer to where the tree says so, and what those refer to.
pub(super) async fn follow(
    reader: &mut Reader<'_>,
    call: &Call,
    plan: &Plan,
    records: &[Record],
) -> Result<HashMap<Reference, Included>> {
    let mut included = HashMap::new();
    let mut level = Wanted(HashMap::with_capacity(records.len()));
    for record in records {
        level.gather(record, &plan.include);
    }
    // The tree is finite, so this ends; its depth is limited.
    while !level.0.is_empty() {
        fetch(reader, call, &level, &mut included).await?;
        let mut next = Wanted::default();
        for (reference, nodes) in &level.0 {
            if let Some(found) = included.get(reference) {
                for node in nodes {
                    next.gather(&found.record, node);
                }
            }
        }
        level = next;
    }
    Ok(included)
}

/// References of one level, with the nodes of the tree at which they stand.
#[derive(Default)]
struct Wanted<'a>(HashMap<Reference, Vec<&'a Include>>);

impl<'a> Wanted<'a> {
    fn gather(&mut self, record: &Record, node: &'a Include) {
        for (name, child) in &node.children {
            if let Some(value) = record.get(name) {
                self.value(value, child);
            }
        }
    }

    fn value(&mut self, value: &Value, node: &'a Include) {
        match value {
            Value::Reference(reference) if node.here => {
                let nodes = self.0.entry(reference.clone()).or_default();
                if !nodes.iter().any(|known| std::ptr::eq(*known, node)) {
                    nodes.push(node);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.value(item, node)),
            Value::Map(map) => {
                for (name, child) in &node.children {
                    if let Some(value) = map.get(&**name) {
                        self.value(value, child);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Reads the wanted objects that are not there yet.
async fn fetch(
    reader: &mut Reader<'_>,
    call: &Call,
    wanted: &Wanted<'_>,
    included: &mut HashMap<Reference, Included>,
) -> Result<()> {
    let mut by_collection: Vec<(&str, Vec<&str>)> = Vec::new();
    for reference in wanted.0.keys() {
        let name = &*reference.collection;
        let reads_everything = call.principal.reads_everything();
        if included.contains_key(reference) || !system::is_includable(name, reads_everything) {
            continue;
        }
        match by_collection.iter_mut().find(|(n, _)| *n == name) {
            Some((_, ids)) => ids.push(&reference.id),
            None => by_collection.push((name, vec![&reference.id])),
        }
    }
    included.reserve(wanted.0.len());
    for (name, ids) in by_collection {
        for found in of_collection(reader, call, name, &ids).await? {
            let reference = Reference {
                collection: name.to_owned(),
                id: found.record.id.to_string(),
            };
            included.insert(reference, found);
        }
    }
    Ok(())
}

async fn of_collection(
    reader: &mut Reader<'_>,
    call: &Call,
    name: &str,
    ids: &[&str],
) -> Result<Vec<Included>> {
    let core: &Core = reader.core;
    if core.catalogue().collection(name).is_none() {
        return Ok(Vec::new());
    }
    let hooks = &core.deps.hooks;
    let after = hooks.wants(EventKind::AfterFind, name);
    if after || hooks.wants(EventKind::BeforeFind, name) {
        reader.release();
    }
    let plan = match prepare(core, call, by_ids(name, ids), Purpose::Include).await {
        Ok(plan) => plan,
        // What the caller may not read stays a reference.
        Err(e) if is_refusal(&e) => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let Some(collection) = plan.collection_for(core, call) else {
        return Ok(Vec::new());
    };
    let filter = resolve::filter(reader, call, &plan).await?;
    let mut records = reader.rows(&plan, filter).await?;
    super::show(core, call, &plan, &mut records);
    if after {
        let found = Found {
            collection: &plan.name,
            schema: Some(collection.clone()),
            asked: None,
            is_get: false,
            records: &mut records,
        };
        hooks.after_find(call, found).await?;
    }
    let included = records.into_iter().map(|record| Included {
        collection: collection.clone(),
        record,
    });
    Ok(included.collect())
}

fn by_ids(name: &str, ids: &[&str]) -> ObjectQuery {
    let test = match ids {
        [id] => Test::Eq(Value::from(*id)),
        ids => Test::In(ids.iter().map(|id| Value::from(*id)).collect()),
    };
    ObjectQuery {
        filter: Where::Test(Path::system(FieldRef::Id), test),
        is_get: true,
        ..ObjectQuery::of(name)
    }
}
