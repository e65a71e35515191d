//! The change log.

use super::Harness;
use super::fixture::*;
use crate::{
    Change, ChangeKind, FieldType, Filter, Op, Position, Query, Record, SchemaChange, Write,
    WriteBatch,
};
use std::collections::HashMap;

async fn numbers(h: &dyn Harness) -> Fixture {
    let f = Fixture::open(h).await;
    f.define("T", &[("n", FieldType::Number)]).await;
    f
}

async fn changes(f: &Fixture, after: Position) -> Vec<Change> {
    let changes = f.app.changes(after, 10_000).await.unwrap();
    changes.expect("the log reaches back")
}

/// One letter a change with the id: `+a ~a -a`.
fn brief(changes: &[Change]) -> String {
    let each = changes.iter().map(|change| {
        let sign = match change.kind {
            ChangeKind::Create => '+',
            ChangeKind::Update => '~',
            ChangeKind::Delete => '-',
        };
        format!("{sign}{}", change.id)
    });
    each.collect::<Vec<_>>().join(" ")
}

pub async fn positions_are_dense_and_in_order(h: &dyn Harness) {
    let f = numbers(h).await;
    assert_eq!(
        f.app.position(),
        Position(0),
        "schema changes have no positions"
    );
    assert!(changes(&f, Position(0)).await.is_empty());
    f.create("T", "a", "{}").await;
    f.batch(vec![
        create("T", "b", vec![]),
        update("T", "a", vec![]),
        delete("T", "b"),
    ])
    .await
    .unwrap();
    f.define("U", &[]).await;
    f.create("U", "a", "{}").await;
    let log = changes(&f, Position(0)).await;
    assert_eq!(brief(&log), "+a +b ~a -b +a");
    let positions: Vec<u64> = log.iter().map(|c| c.position.0).collect();
    assert_eq!(positions, [1, 2, 3, 4, 5]);
    assert_eq!(f.app.position(), Position(5));
    let names: Vec<&str> = log.iter().map(|c| &*c.collection).collect();
    assert_eq!(names, ["T", "T", "T", "T", "U"]);
}

pub async fn images_before_and_after(h: &dyn Harness) {
    let f = numbers(h).await;
    let made = f.create("T", "a", r#"{"n":1}"#).await;
    let changed = f
        .update("T", "a", vec![("n", Op::Set(v("null")))])
        .await
        .unwrap();
    f.write(delete("T", "a")).await.unwrap();
    let log = changes(&f, Position(0)).await;
    let same =
        |image: &Option<std::sync::Arc<Record>>, record: Option<&Record>| match (image, record) {
            (Some(image), Some(record)) => same_record(image, record),
            (None, None) => true,
            _ => false,
        };
    let wanted = [
        (ChangeKind::Create, None, Some(&made)),
        (ChangeKind::Update, Some(&made), Some(&changed)),
        (ChangeKind::Delete, Some(&changed), None),
    ];
    assert_eq!(log.len(), wanted.len());
    for (change, (kind, before, after)) in log.iter().zip(wanted) {
        assert_eq!(change.kind, kind);
        assert!(same(&change.before, before), "{change:?}");
        assert!(same(&change.after, after), "{change:?}");
        assert_eq!(change.at.millis(), AT);
        if let Some(after) = &change.after {
            assert_eq!(after.rev, change.position.0);
        }
    }
}

pub async fn refused_writes_leave_no_rows(h: &dyn Harness) {
    let f = numbers(h).await;
    let batches = vec![
        WriteBatch::of(vec![create("T", "a", vec![])]),
        WriteBatch::of(vec![create("T", "b", vec![]), create("T", "a", vec![])]),
        WriteBatch::of(vec![create("T", "c", vec![])]),
        WriteBatch::of(vec![delete("T", "nobody")]),
        WriteBatch::of(vec![
            update("T", "c", vec![]),
            update("T", "nobody", vec![]),
        ]),
        WriteBatch::of(vec![create("T", "d", vec![])]),
    ];
    f.app.write(batches).await.unwrap();
    let log = changes(&f, Position(0)).await;
    assert_eq!(brief(&log), "+a +c +d");
    let positions: Vec<u64> = log.iter().map(|c| c.position.0).collect();
    assert_eq!(positions, [1, 2, 3], "refused batches leave no gaps");
    assert_eq!(f.app.position(), Position(3));
}

pub async fn reading_on_from_a_position(h: &dyn Harness) {
    let f = numbers(h).await;
    for n in 0..10 {
        f.create("T", &n.to_string(), "{}").await;
    }
    let mut at = Position(0);
    let mut seen = Vec::new();
    loop {
        let part = f.app.changes(at, 3).await.unwrap().unwrap();
        assert!(part.len() <= 3);
        let Some(last) = part.last() else { break };
        at = last.position;
        seen.extend(part);
    }
    assert_eq!(brief(&seen), "+0 +1 +2 +3 +4 +5 +6 +7 +8 +9");
    assert!(changes(&f, f.app.position()).await.is_empty());
    assert_eq!(brief(&changes(&f, Position(8)).await), "+8 +9");
}

pub async fn deletes_by_filter_are_logged(h: &dyn Harness) {
    let f = numbers(h).await;
    for n in 0..4 {
        f.create("T", &n.to_string(), "{}").await;
    }
    let start = f.app.position();
    let gone = Write::DeleteMatching {
        collection: "T".into(),
        filter: Filter::Not(Box::new(Filter::id("2"))),
        limit: 2,
    };
    f.write(gone).await.unwrap();
    let log = changes(&f, start).await;
    assert_eq!(brief(&log), "-0 -1");
    assert!(log.iter().all(|c| c.before.is_some() && c.after.is_none()));
}

pub async fn names_are_those_of_the_time(h: &dyn Harness) {
    let f = numbers(h).await;
    f.create("T", "a", r#"{"n":1}"#).await;
    let start = f.app.position();
    let (name, only_if_empty) = ("T".into(), false);
    f.change(SchemaChange::DropCollection {
        name,
        only_if_empty,
    })
    .await
    .unwrap();
    f.define("T", &[("n", FieldType::String)]).await;
    f.create("T", "a", r#"{"n":"x"}"#).await;
    let log = changes(&f, Position(0)).await;
    assert_eq!(&*log[0].collection, "T");
    assert_eq!(
        log[0].after.as_ref().unwrap().get("n"),
        Some(&v("1")),
        "images stay as they were"
    );
    let last = log.last().unwrap();
    assert_eq!(last.after.as_ref().unwrap().get("n"), Some(&v("\"x\"")));
    assert!(last.position > start);
}

pub async fn the_log_replays_to_the_state(h: &dyn Harness) {
    let f = numbers(h).await;
    let calls = (0..60_i64).map(|n| {
        let id = (n % 7).to_string();
        let step = match n % 5 {
            0 => create("T", &id, vec![]),
            1 => delete("T", &id),
            _ => {
                let ops = vec![("n", Op::Increment(basalt_base::Value::Int(n)))];
                Write::Record(record_write("T", &id, update_action(ops, n % 2 == 0)))
            }
        };
        f.app.write(vec![WriteBatch::of(vec![step])])
    });
    join_all(calls.collect()).await;
    let mut state: HashMap<Box<str>, std::sync::Arc<Record>> = HashMap::new();
    let mut at = 0;
    for change in changes(&f, Position(0)).await {
        at += 1;
        assert_eq!(change.position.0, at);
        let old = state.remove(&change.id);
        match (&old, &change.before) {
            (None, None) => {}
            (Some(old), Some(before)) => assert!(same_record(old, before)),
            _ => panic!("{change:?} does not follow {old:?}"),
        }
        if let Some(after) = change.after {
            state.insert(change.id, after);
        }
    }
    let found = f.find(&Query::all("T")).await;
    assert_eq!(found.len(), state.len());
    for record in found {
        assert!(same_record(&record, &state[&record.id]));
    }
}
