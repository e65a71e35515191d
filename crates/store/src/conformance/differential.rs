//! Stores against the evaluator and [`crate::apply`] on random data.

use super::Harness;
use super::dice::Dice;
use super::fixture::*;
use super::random::{COLLECTION, Case, any, random_case};
use crate::{
    Action, AppStore, FieldOp, FieldRef, FieldType, Filter, IndexKind, Op, Path, Query,
    ReadOptions, Record, Write, WriteBatch, apply, eval,
};
use basalt_base::{Timestamp, Value};
use std::sync::Arc;

const SEEDS: u64 = 8;
const ROWS: usize = 60;
const QUERIES: usize = 300;

/// Runs random queries and compares ids, order, counts, contents and distinct values.
pub async fn agrees_with_the_evaluator(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    for seed in 0..SEEDS {
        f.app.clear().await.expect("clearing works");
        // Every other seed with indexes: they must not change an answer.
        run_case(
            &*f.app,
            &random_case(seed, ROWS, QUERIES),
            seed % 2 == 1,
            seed,
        )
        .await;
    }
}

/// Runs one case on an empty app; panics at the first difference, naming seed, query and object.
pub async fn run_case(app: &dyn AppStore, case: &Case, indexed: bool, seed: u64) {
    let records = fill(app, case, indexed).await;
    for query in &case.queries {
        check_find(app, query, &records, seed).await;
        check_distinct(app, query, &records, seed).await;
    }
}

async fn fill(app: &dyn AppStore, case: &Case, indexed: bool) -> Vec<Record> {
    let mut steps = vec![ensure(COLLECTION)];
    for (name, ty) in &case.fields {
        steps.push(ensure_field(COLLECTION, name, ty.clone()));
        let kind = match ty {
            FieldType::GeoPoint => IndexKind::Geo,
            _ => IndexKind::Ordered,
        };
        if indexed {
            let index = create_index(COLLECTION, name, kind, &[name]);
            steps.push(Write::Schema(index));
        }
    }
    for row in &case.rows {
        let action = Action::Create {
            fields: row.fields.clone(),
            acl: row.acl.clone(),
        };
        let mut write = record_write(COLLECTION, &row.id, action);
        write.at = row.at;
        steps.push(Write::Record(write));
    }
    let done = app.write(vec![WriteBatch::of(steps)]).await;
    done.expect("the store works")
        .remove(0)
        .expect("the case is written");
    let all = app
        .find(&Query::all(COLLECTION), ReadOptions::default())
        .await;
    let records = all.expect("reading works").records;
    assert_eq!(records.len(), case.rows.len());
    for (record, row) in records.iter().zip(&case.rows) {
        assert_eq!((&*record.id, &record.acl), (row.id.as_str(), &row.acl));
        assert_eq!(record.fields, row.fields);
    }
    records
}

async fn check_find(app: &dyn AppStore, query: &Query, records: &[Record], seed: u64) {
    let matches = |record: &&Record| eval::matches(&query.filter, record).expect("it evaluates");
    let mut wanted: Vec<Record> = records.iter().filter(matches).cloned().collect();
    let count = app.count(query, ReadOptions::default()).await;
    let found = app.find(query, ReadOptions::default()).await;
    let found = found.unwrap_or_else(|e| panic!("seed {seed}: {query:#?} failed: {e:?}"));
    let unpaged = Query {
        skip: 0,
        limit: None,
        sort: Vec::new(),
        ..query.clone()
    };
    let all = app
        .find(&unpaged, ReadOptions::default())
        .await
        .expect("it works unpaged");
    for record in records {
        let (want, got) = (
            wanted.iter().any(|w| w.id == record.id),
            all.records.iter().any(|g| g.id == record.id),
        );
        assert_eq!(
            got, want,
            "seed {seed}: the store and the evaluator disagree whether\n{:#?}\nmatches\n{record:#?}",
            query.filter
        );
    }
    assert_eq!(
        count.expect("counting works"),
        wanted.len() as u64,
        "seed {seed}: {query:#?}"
    );
    if query.reverses_ties() {
        wanted.reverse();
    }
    eval::sort_records(&mut wanted, &query.sort);
    let skip = usize::try_from(query.skip).expect("cases skip little");
    let limit = query.limit.map_or(usize::MAX, |n| n as usize);
    let page: Vec<&Record> = wanted.iter().skip(skip).take(limit).collect();
    let ids = |records: &[&Record]| {
        let ids: Vec<&str> = records.iter().map(|r| &*r.id).collect();
        ids.join(" ")
    };
    let got: Vec<&Record> = found.records.iter().collect();
    assert_eq!(
        ids(&got),
        ids(&page),
        "seed {seed}: another order by {query:#?}"
    );
    for (got, want) in got.iter().zip(&page) {
        assert!(
            same_record(got, want),
            "seed {seed}: {got:#?} is not {want:#?}"
        );
    }
}

async fn check_distinct(app: &dyn AppStore, query: &Query, records: &[Record], seed: u64) {
    let Some(crate::Sort {
        key: crate::SortKey::Path(path),
        ..
    }) = query.sort.first()
    else {
        return;
    };
    let mut wanted: Vec<Value> = Vec::new();
    for record in records {
        if eval::matches(&query.filter, record).expect("it evaluates") {
            for candidate in eval::candidates(record, path) {
                match candidate.into_owned() {
                    Value::Array(items) => wanted.extend(items),
                    value => wanted.push(value),
                }
            }
        }
    }
    wanted.sort_by(|a, b| eval::compare_for_sort(Some(a), Some(b)));
    wanted.dedup();
    let got = app.distinct(query, path, ReadOptions::default()).await;
    let got = got.unwrap_or_else(|e| panic!("seed {seed}: distinct {path:?} failed: {e:?}"));
    assert_eq!(
        got, wanted,
        "seed {seed}: distinct {path:?} of {:#?}",
        query.filter
    );
}

/// Random operations on one object: the store's answers are those of [`crate::apply::apply`].
pub async fn writes_agree_with_apply(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let fields = random_case(0, 0, 0).fields;
    f.define(COLLECTION, &fields).await;
    let collection = f.collection(COLLECTION);
    let dice = Dice::new(7);
    let mut current: Option<Record> = None;
    for round in 0..600 {
        let action = action(&dice, &fields);
        let mut write = record_write(COLLECTION, "a", action);
        write.at = Timestamp::new(round, 123_456_789);
        let rev = f.app.position().0 + 1;
        let wanted = apply::apply(&collection, current.as_ref(), &write, rev);
        let done = f.write(Write::Record(write.clone())).await;
        match (wanted, done) {
            (Ok(after), Ok(_)) => current = after,
            (Err(wanted), Err(got)) => {
                assert_eq!(wanted.reason(), got.reason(), "{write:#?}");
                assert_eq!(wanted.message(), got.message(), "{write:#?}");
            }
            (wanted, done) => panic!("{write:#?} gave {done:?}, not {wanted:?}"),
        }
        let read = f.get(COLLECTION, "a").await;
        match (&read, &current) {
            (None, None) => {}
            (Some(read), Some(current)) => {
                assert!(
                    same_record(read, current),
                    "{write:#?}: {read:#?} is not {current:#?}"
                );
            }
            _ => panic!("{write:#?} left {read:?}, not {current:?}"),
        }
    }
    assert_eq!(f.matching(COLLECTION, Filter::Nothing).await, "");
}

fn action(dice: &Dice, fields: &[(&'static str, FieldType)]) -> Action {
    match dice.below(20) {
        0 => Action::Delete,
        1 | 2 => {
            let row = random_case(dice.below(1_000) as u64, 1, 0).rows.remove(0);
            let (fields, acl) = (row.fields, row.acl);
            Action::Create { fields, acl }
        }
        _ => Action::Update {
            ops: dice.some(3, || field_op(dice, fields)),
            acl: None,
            upsert: dice.once_in(2),
        },
    }
}

fn field_op(dice: &Dice, fields: &[(&'static str, FieldType)]) -> FieldOp {
    let name: Arc<str> = if dice.once_in(2) {
        Arc::from(*dice.pick(&["obj", "arr"]))
    } else {
        dice.pick(fields).0.into()
    };
    let step = || (*dice.pick(&["a", "b", "0", "1", "é", "$t"])).into();
    let rest = match &*name {
        "obj" | "arr" if !dice.once_in(3) => {
            let mut rest: Vec<Box<str>> = vec![step()];
            rest.extend(dice.some(2, step));
            rest
        }
        _ => Vec::new(),
    };
    let values = || dice.some(2, || any(dice, 1));
    let number = || {
        dice.pick(&[Value::Int(1), Value::Double(0.5), Value::Int(i64::MAX)])
            .clone()
    };
    let op = match dice.below(9) {
        0..=2 => Op::Set(any(dice, 2)),
        3 => Op::SetOnInsert(any(dice, 1)),
        4 => Op::Unset,
        5 => Op::Increment(number()),
        6 => Op::Append(values()),
        7 => Op::AddUnique(values()),
        _ => Op::Remove(values()),
    };
    let root = FieldRef::Named(name);
    FieldOp {
        path: Path { root, rest },
        op,
    }
}
