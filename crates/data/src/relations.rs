//! Relation fields: their pairs are rows of a join collection (`owningId`, `relatedId`).

use crate::names;
use basalt_base::{Map, Timestamp, Value};
use basalt_store::{
    Catalogue, FieldDef, FieldOp, FieldRef, FieldType, Filter, IndexColumn, IndexDef, IndexKind,
    Op, Path, Precondition, RecordWrite, SchemaChange, Test, Write,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// The field of a join row that holds the owner's id.
pub(crate) const OWNING: &str = "owningId";
/// The field of a join row that holds the related object's id.
pub(crate) const RELATED: &str = "relatedId";

/// Which join collections point to a collection, kept for the present catalogue.
#[derive(Default)]
pub(crate) struct RelationIndex(Mutex<(u64, Arc<ByTarget>)>);

type ByTarget = HashMap<Arc<str>, Vec<Arc<str>>>;

impl RelationIndex {
    /// The names of the join collections whose related objects are in `target`.
    pub(crate) fn pointing_to(&self, target: &str, catalogue: &Catalogue) -> Vec<Arc<str>> {
        let mut kept = self.0.lock();
        if kept.0 != catalogue.version {
            *kept = (catalogue.version, Arc::new(by_target(catalogue)));
        }
        kept.1.get(target).cloned().unwrap_or_default()
    }
}

fn by_target(catalogue: &Catalogue) -> ByTarget {
    let mut all = ByTarget::new();
    for collection in catalogue.collections.values() {
        for field in &collection.fields {
            let FieldType::Relation(target) = &field.def.ty else {
                continue;
            };
            let join = names::join(&collection.name, &field.def.name);
            if let Some(join) = catalogue.collection(&join) {
                all.entry(target.clone())
                    .or_default()
                    .push(join.name.clone());
            }
        }
    }
    all
}

/// The id of the row for a pair. The length keeps pairs of ids that hold dots apart.
fn row_id(owner: &str, related: &str) -> Box<str> {
    format!("{}.{owner}.{related}", owner.len()).into()
}

/// The steps that make the join collection, none when it is there.
pub(crate) fn ensure(catalogue: &Catalogue, join: &Arc<str>, rules: Map) -> Vec<Write> {
    if catalogue.collection(join).is_some() {
        return Vec::new();
    }
    let mut steps = vec![SchemaChange::EnsureCollection {
        name: join.clone(),
        rules,
    }];
    for field in [OWNING, RELATED] {
        steps.push(SchemaChange::EnsureField {
            collection: join.clone(),
            field: FieldDef::new(field, FieldType::String),
        });
    }
    for field in [OWNING, RELATED] {
        let column = IndexColumn {
            field: FieldRef::Named(field.into()),
            descending: false,
        };
        steps.push(SchemaChange::CreateIndex {
            collection: join.clone(),
            index: IndexDef {
                name: format!("_{field}").into(),
                kind: IndexKind::Ordered,
                columns: vec![column],
            },
        });
    }
    steps.into_iter().map(Write::Schema).collect()
}

/// The step that adds a pair; one that is there already stays.
pub(crate) fn add(join: &Arc<str>, owner: &str, related: &str, at: Timestamp) -> Write {
    let set = |field: &str, id: &str| FieldOp {
        path: Path::field(field),
        op: Op::SetOnInsert(Value::from(id)),
    };
    Write::Record(RecordWrite {
        collection: join.clone(),
        id: row_id(owner, related),
        precondition: Precondition::None,
        action: basalt_store::Action::Update {
            ops: vec![set(OWNING, owner), set(RELATED, related)],
            acl: None,
            upsert: true,
        },
        at,
    })
}

/// The step that removes a pair, if it is there.
pub(crate) fn remove(join: &Arc<str>, owner: &str, related: &str) -> Write {
    Write::DeleteMatching {
        collection: join.clone(),
        filter: Filter::id(&*row_id(owner, related)),
        limit: 1,
    }
}

/// The step that removes every pair with this id on one side.
pub(crate) fn remove_all(join: &Arc<str>, side: &str, id: &str) -> Write {
    Write::DeleteMatching {
        collection: join.clone(),
        filter: Filter::test(side, Test::Eq(Value::from(id))),
        limit: u64::MAX,
    }
}
