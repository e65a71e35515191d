//! Batches: atomic, in order, independent of each other.

use super::Harness;
use super::fixture::*;
use crate::{
    FieldType, Filter, Op, Precondition, Query, ReadCheck, RecordWrite, SchemaChange, Write,
    WriteBatch, Written,
};
use basalt_base::{Map, Result, Value};

async fn numbers(h: &dyn Harness) -> Fixture {
    let f = Fixture::open(h).await;
    f.define("T", &[("n", FieldType::Number)]).await;
    f
}

fn set(id: &str, n: i64) -> Write {
    update("T", id, vec![("n", Op::Set(Value::Int(n)))])
}

fn make(id: &str) -> Write {
    create("T", id, fields(r#"{"n":0}"#))
}

pub async fn all_or_nothing(h: &dyn Harness) {
    let f = numbers(h).await;
    f.write(make("a")).await.unwrap();
    let before = (f.get("T", "a").await.unwrap(), f.app.position());
    let gone = Write::DeleteMatching {
        collection: "T".into(),
        filter: Filter::Everything,
        limit: 10,
    };
    let steps = vec![
        set("a", 5),
        make("b"),
        gone,
        make("c"),
        set("nobody", 1),
        make("d"),
    ];
    refused!(f.batch(steps).await, ObjectNotFound);
    assert_eq!(f.matching("T", Filter::Everything).await, "a");
    assert!(same_record(&before.0, &f.get("T", "a").await.unwrap()));
    assert_eq!(f.app.position(), before.1);
}

pub async fn later_steps_see_earlier_ones(h: &dyn Harness) {
    let f = numbers(h).await;
    let steps = vec![
        make("a"),
        set("a", 5),
        delete("T", "a"),
        make("a"),
        set("a", 7),
    ];
    let done = f.batch(steps).await.unwrap();
    assert_eq!(done.len(), 5);
    let n = |record: &Option<std::sync::Arc<crate::Record>>| {
        record.as_ref().map(|r| r.get("n").cloned().unwrap())
    };
    let Written::Record { before, after } = &done[1] else {
        panic!("a record was written");
    };
    assert_eq!((n(before), n(after)), (Some(v("0")), Some(v("5"))));
    let Written::Record { before, after } = &done[2] else {
        panic!("a record was deleted");
    };
    assert_eq!((n(before), n(after)), (Some(v("5")), None));
    let Written::Record { before, after } = &done[3] else {
        panic!("a record was written");
    };
    assert_eq!((n(before), n(after)), (None, Some(v("0"))));
    assert_eq!(f.value("T", "a", "n").await, Some(v("7")));
}

pub async fn a_failed_batch_leaves_the_others_alone(h: &dyn Harness) {
    let f = numbers(h).await;
    let batches = vec![
        WriteBatch::of(vec![make("a"), make("b")]),
        WriteBatch::of(vec![make("c"), make("a")]),
        WriteBatch::of(vec![set("a", 3)]),
        WriteBatch::of(vec![set("nobody", 3)]),
        WriteBatch::of(vec![
            make("d"),
            update("T", "d", vec![("n", Op::Set(v("\"x\"")))]),
        ]),
        WriteBatch::of(vec![make("e")]),
    ];
    let answers = f.app.write(batches).await.unwrap();
    let ok: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(ok, [true, false, true, false, false, true]);
    assert_eq!(f.matching("T", Filter::Everything).await, "a b e");
    assert_eq!(f.value("T", "a", "n").await, Some(v("3")));
}

pub async fn a_batch_refused_late_leaves_the_next_whole(h: &dyn Harness) {
    let f = numbers(h).await;
    f.write(make("a")).await.unwrap();
    // What is deleted by filter has to be looked for where the first step left it.
    let nothing = Write::DeleteMatching {
        collection: "T".into(),
        filter: Filter::test("n", crate::Test::Eq(Value::Int(99))),
        limit: 10,
    };
    let at_another_time = |id: &str, n: i64| {
        let mut write = record_write(
            "T",
            id,
            crate::Action::Create {
                fields: vec![("n".into(), Value::Int(n))],
                acl: crate::Acl::default(),
            },
        );
        write.at = basalt_base::Timestamp::from_millis(AT + n);
        Write::Record(write)
    };
    let refused = set("nobody", 1);
    let batches = vec![
        vec![set("a", 5), nothing.clone(), refused.clone()],
        vec![set("a", 6)],
        vec![at_another_time("b", 5), nothing.clone(), refused.clone()],
        vec![at_another_time("b", 6)],
        vec![at_another_time("c", 5), nothing.clone(), refused.clone()],
        vec![at_another_time("d", 6)],
        vec![delete("T", "a"), nothing.clone(), refused],
    ];
    let batches = batches.into_iter().map(WriteBatch::of).collect();
    let answers = f.app.write(batches).await.unwrap();
    let done: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(done, [false, true, false, true, false, true, false]);
    assert_eq!(f.matching("T", Filter::Everything).await, "a b d");
    let kept = answers.into_iter().filter_map(Result::ok).flatten();
    for step in kept {
        let Written::Record {
            after: Some(after), ..
        } = step
        else {
            panic!("{step:?}");
        };
        assert_eq!(after.get("n"), Some(&Value::Int(6)));
        let stored = f.get("T", &after.id).await.unwrap();
        assert!(same_record(&stored, &after), "{stored:?} is {after:?}");
    }
    assert_eq!(f.app.verify().await.unwrap(), Vec::<String>::new());
}

pub async fn failed_batches_leave_no_schema(h: &dyn Harness) {
    let f = numbers(h).await;
    let version = f.app.catalogue().version;
    let steps = vec![
        ensure("New"),
        ensure_field("New", "x", FieldType::Number),
        ensure_field("T", "y", FieldType::String),
        create("New", "1", fields(r#"{"x":1}"#)),
        set("nobody", 1),
    ];
    refused!(f.batch(steps).await, ObjectNotFound);
    let catalogue = f.app.catalogue();
    assert!(catalogue.collection("New").is_none());
    assert!(f.collection("T").field("y").is_none());
    assert_eq!(catalogue.version, version);
    f.define("New", &[("x", FieldType::String)]).await;
    f.create("New", "1", r#"{"x":"text"}"#).await;
}

pub async fn read_checks(h: &dyn Harness) {
    let f = numbers(h).await;
    f.write(make("a")).await.unwrap();
    let rev = f.get("T", "a").await.unwrap().rev;
    let check = |collection: &str, id: &str, rev| ReadCheck {
        collection: collection.into(),
        id: id.into(),
        rev,
    };
    let guarded = async |checks, id: &str| {
        let writes = vec![make(id)];
        let batch = WriteBatch {
            checks,
            ..WriteBatch::of(writes)
        };
        f.app.write(vec![batch]).await.unwrap().remove(0)
    };
    let holds = vec![
        check("T", "a", Some(rev)),
        check("T", "z", None),
        check("No", "a", None),
    ];
    guarded(holds, "b").await.unwrap();
    f.write(set("a", 1)).await.unwrap();
    for broken in [
        check("T", "a", Some(rev)),
        check("T", "a", None),
        check("T", "z", Some(rev)),
        check("No", "a", Some(rev)),
    ] {
        refused!(guarded(vec![broken], "c").await, TransactionConflict);
    }
    assert_eq!(f.matching("T", Filter::Everything).await, "a b");
    let own = vec![check("T", "d", None)];
    guarded(own.clone(), "d").await.unwrap();
    refused!(guarded(own, "d").await, TransactionConflict);
    let rev = f.get("T", "a").await.unwrap().rev;
    f.batch(vec![delete("T", "a"), make("a")]).await.unwrap();
    refused!(
        guarded(vec![check("T", "a", Some(rev))], "e").await,
        TransactionConflict
    );
}

pub async fn preconditions_in_batches(h: &dyn Harness) {
    let f = numbers(h).await;
    let guarded = |precondition, n: i64| {
        let ops = vec![("n", Op::Set(Value::Int(n)))];
        Write::Record(RecordWrite {
            precondition,
            ..record_write("T", "a", update_action(ops, true))
        })
    };
    let steps = vec![
        guarded(Precondition::Absent, 1),
        guarded(Precondition::Exists, 2),
    ];
    f.batch(steps).await.unwrap();
    let steps = vec![set("a", 9), guarded(Precondition::Absent, 3)];
    refused!(f.batch(steps).await, DuplicateValue);
    assert_eq!(f.value("T", "a", "n").await, Some(v("2")));
}

pub async fn many_at_once(h: &dyn Harness) {
    let f = numbers(h).await;
    let calls = (0..200).map(|n| {
        let batch = WriteBatch::of(vec![make(&n.to_string()), set(&n.to_string(), n)]);
        let odd = WriteBatch::of(vec![make(&format!("x{n}")), make(&n.to_string())]);
        f.app.write(vec![batch, odd])
    });
    for answers in join_all(calls.collect()).await {
        let answers = answers.unwrap();
        assert!(answers[0].is_ok() && answers[1].is_err());
    }
    let found = f.find(&Query::all("T")).await;
    assert_eq!(found.len(), 200);
    for record in found {
        assert_eq!(
            record.get("n"),
            Some(&Value::Int(record.id.parse().unwrap()))
        );
    }
}

pub async fn counters_lose_nothing(h: &dyn Harness) {
    let f = numbers(h).await;
    f.write(make("a")).await.unwrap();
    let calls = (0..100).map(|n| {
        // Every third batch increments and fails.
        let mut steps = vec![update("T", "a", vec![("n", Op::Increment(v("1")))])];
        if n % 3 == 0 {
            steps.push(set("nobody", 1));
        }
        steps
    });
    let answers = f.race(calls.collect()).await;
    let done = answers.iter().filter(|a| a.is_ok()).count();
    assert_eq!(done, 66);
    assert_eq!(f.value("T", "a", "n").await, Some(v("66")));
}

pub async fn empty_batches(h: &dyn Harness) {
    let f = numbers(h).await;
    assert!(f.app.write(vec![]).await.unwrap().is_empty());
    assert!(f.batch(vec![]).await.unwrap().is_empty());
    let position = f.app.position();
    f.batch(vec![]).await.unwrap();
    assert_eq!(f.app.position(), position);
}

pub async fn a_batch_can_do_everything(h: &dyn Harness) {
    let f = numbers(h).await;
    let drop_field = Write::Schema(SchemaChange::DropField {
        collection: "T".into(),
        name: "n".into(),
    });
    let rules: Map = [("k".to_owned(), v("1"))].into_iter().collect();
    let set_rules = Write::Schema(SchemaChange::SetRules {
        collection: "T".into(),
        rules: rules.clone(),
    });
    let gone = Write::DeleteMatching {
        collection: "T".into(),
        filter: Filter::id("b"),
        limit: 10,
    };
    let steps = vec![
        make("a"),
        make("b"),
        ensure_field("T", "s", FieldType::String),
        update("T", "a", vec![("s", Op::Set(v("\"x\"")))]),
        gone,
        drop_field,
        ensure_field("T", "n", FieldType::String),
        update("T", "a", vec![("n", Op::Set(v("\"now text\"")))]),
        set_rules,
    ];
    let done = f.batch(steps).await.unwrap();
    assert!(matches!(done[2], Written::Schema) && matches!(done[4], Written::Deleted(1)));
    let read = f.get("T", "a").await.unwrap();
    assert_eq!(read.get("s"), Some(&v("\"x\"")));
    assert_eq!(read.get("n"), Some(&v("\"now text\"")));
    assert_eq!(f.matching("T", Filter::Everything).await, "a");
    assert_eq!(f.collection("T").rules, rules);
}
