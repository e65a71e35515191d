//! Projections, counts, distinct values, scans, snapshots.

use super::Harness;
use super::fixture::*;
use crate::{
    Acl, AclEntry, Action, FieldRef, FieldType, Filter, Op, Path, Projection, Query, ReadOptions,
    Record, Sort, SortKey, Test, Write,
};
use basalt_base::Value;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

async fn rows(h: &dyn Harness) -> Fixture {
    let f = Fixture::open(h).await;
    let types = [
        ("a", FieldType::Number),
        ("b", FieldType::Array),
        ("c", FieldType::Object),
    ];
    let rows = [
        r#"{"a":1,"b":[1,2],"c":{"k":[5,6]}}"#,
        r#"{"a":2,"b":[2,null,"x"],"c":{"k":5}}"#,
        r#"{"a":1,"b":[],"c":{"k":null}}"#,
        r#"{"a":null,"c":{}}"#,
        "{}",
    ];
    f.fill("T", &types, &rows).await;
    f
}

pub async fn projections(h: &dyn Harness) {
    let f = rows(h).await;
    let acl = Acl {
        read: Some(vec![AclEntry::Public]),
        write: None,
    };
    let action = Action::Update {
        ops: vec![],
        acl: Some(acl.clone()),
        upsert: false,
    };
    f.write(Write::Record(record_write("T", "0", action)))
        .await
        .unwrap();
    let full = f.get("T", "0").await.unwrap();
    let some = async |names: &[&str]| {
        let mut query = Query::all("T").limit(1);
        query.projection = Projection::Only(names.iter().map(|n| (*n).into()).collect());
        f.find(&query).await.remove(0)
    };
    for names in [
        &["a"][..],
        &["c", "a"],
        &[],
        &["unknown", "b", "b"],
        &["a", "b", "c"],
    ] {
        let read = some(names).await;
        let mut expected = full.clone();
        expected.fields.retain(|(name, _)| names.contains(&&**name));
        assert!(same_record(&read, &expected), "{names:?} {read:?}");
    }
    let mut query = Query::all("T").filter(Filter::test("b", Test::Eq(v("\"x\""))));
    query.projection = Projection::Only(vec!["a".into()]);
    query.sort = vec![Sort {
        key: SortKey::Path(Path::dotted("c.k")),
        descending: true,
    }];
    let read = f.find(&query).await;
    assert_eq!(
        read[0].fields,
        [(Arc::from("a"), v("2"))],
        "filters see unread fields"
    );
}

pub async fn counting_ignores_pages(h: &dyn Harness) {
    let f = rows(h).await;
    let mut query = Query::all("T").limit(1);
    query.skip = 3;
    assert_eq!(
        f.app.count(&query, ReadOptions::default()).await.unwrap(),
        5
    );
    query.filter = Filter::test("a", Test::Eq(v("1")));
    assert_eq!(
        f.app.count(&query, ReadOptions::default()).await.unwrap(),
        2
    );
    let unknown = Query::all("Nothing");
    assert_eq!(
        f.app.count(&unknown, ReadOptions::default()).await.unwrap(),
        0
    );
}

pub async fn distinct_values(h: &dyn Harness) {
    let f = rows(h).await;
    let distinct = async |path: Path, filter: Filter| {
        let query = Query::all("T").filter(filter);
        let values = f.app.distinct(&query, &path, ReadOptions::default()).await;
        Value::Array(values.unwrap())
    };
    let all = || Filter::Everything;
    assert_eq!(distinct(Path::dotted("a"), all()).await, v("[null,1,2]"));
    assert_eq!(
        distinct(Path::dotted("b"), all()).await,
        v("[null,1,2,\"x\"]")
    );
    assert_eq!(distinct(Path::dotted("c.k"), all()).await, v("[null,5,6]"));
    assert_eq!(distinct(Path::dotted("b.0"), all()).await, v("[1,2]"));
    assert_eq!(distinct(Path::dotted("unknown"), all()).await, v("[]"));
    let some = Filter::test("a", Test::Gt(v("1")));
    assert_eq!(distinct(Path::dotted("c.k"), some).await, v("[5]"));
    let ids = distinct(Path::system(FieldRef::Id), all()).await;
    assert_eq!(ids, v(r#"["0","1","2","3","4"]"#));
    let at = distinct(Path::system(FieldRef::CreatedAt), all()).await;
    assert_eq!(at, v(&format!(r#"[{{"$t":{AT}}}]"#)));
}

async fn scan(f: &Fixture, query: Query, stop_after: usize) -> Vec<Record> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let seen = seen.clone();
        Box::new(move |record: Record| {
            let mut seen = seen.lock().unwrap();
            seen.push(record);
            if seen.len() >= stop_after {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
    };
    f.app
        .scan(query, ReadOptions::default(), sink)
        .await
        .unwrap();
    Arc::into_inner(seen)
        .expect("the sink is gone")
        .into_inner()
        .unwrap()
}

pub async fn scanning_streams_and_stops(h: &dyn Harness) {
    let f = rows(h).await;
    let query = Query::all("T").filter(Filter::test("c", Test::Exists(true)));
    let found = f.find(&query).await;
    let seen = scan(&f, query.clone(), usize::MAX).await;
    assert_eq!(found.len(), seen.len());
    assert!(found.iter().zip(&seen).all(|(a, b)| same_record(a, b)));
    let seen = scan(&f, query, 2).await;
    assert_eq!(seen.len(), 2, "nothing comes after the break");
    assert!(scan(&f, Query::all("Nothing"), usize::MAX).await.is_empty());
    let mut page = Query::all("T").limit(2);
    page.skip = 1;
    let seen = scan(&f, page, usize::MAX).await;
    assert_eq!(seen.iter().map(|r| &*r.id).collect::<String>(), "12");
    f.write(delete("T", "4"))
        .await
        .expect("the reader was let go");
}

pub async fn answers_carry_their_position(h: &dyn Harness) {
    let f = rows(h).await;
    for n in 0..3 {
        f.update("T", "0", vec![("a", Op::Set(Value::Int(n)))])
            .await
            .unwrap();
        let found = f
            .app
            .find(&Query::all("T"), ReadOptions::default())
            .await
            .unwrap();
        assert_eq!(found.position, f.app.position());
    }
}

pub async fn snapshots_stand_still(h: &dyn Harness) {
    let f = rows(h).await;
    let before = f.app.position();
    let snapshot = f.app.snapshot().await.unwrap();
    assert_eq!(snapshot.position(), before);
    let zero = f.get("T", "0").await.unwrap();
    f.update("T", "0", vec![("a", Op::Set(v("77")))])
        .await
        .unwrap();
    f.write(delete("T", "1")).await.unwrap();
    f.create("T", "9", "{}").await;
    f.define("Later", &[("x", FieldType::Number)]).await;
    f.create("Later", "1", r#"{"x":1}"#).await;
    let all = Query::all("T");
    let options = ReadOptions::default;
    let old = snapshot.find(&all, options()).await.unwrap();
    assert_eq!(old.position, before);
    let ids: String = old.records.iter().map(|r| &*r.id).collect();
    assert_eq!(ids, "01234");
    assert!(same_record(&old.records[0], &zero));
    assert_eq!(snapshot.count(&all, options()).await.unwrap(), 5);
    assert!(same_record(
        &snapshot.get("T", "0").await.unwrap().unwrap(),
        &zero
    ));
    assert!(snapshot.get("T", "1").await.unwrap().is_some());
    assert!(snapshot.get("T", "9").await.unwrap().is_none());
    assert!(snapshot.get("Later", "1").await.unwrap().is_none());
    assert_eq!(
        snapshot
            .count(&Query::all("Later"), options())
            .await
            .unwrap(),
        0
    );
    let values = snapshot
        .distinct(&all, &Path::dotted("a"), options())
        .await
        .unwrap();
    assert_eq!(Value::Array(values), v("[null,1,2]"));
    drop(snapshot);
    assert_eq!(f.matching("T", Filter::Everything).await, "0 2 3 4 9");
}

pub async fn dropped_scans_leave_their_snapshot(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[("n", FieldType::Number)]).await;
    for part in 0..4 {
        let ids = part * 400..(part + 1) * 400;
        let steps = ids.map(|n| create("T", &n.to_string(), fields(&format!(r#"{{"n":{n}}}"#))));
        f.batch(steps.collect()).await.unwrap();
    }
    let snapshot = f.app.snapshot().await.unwrap();
    for _ in 0..3 {
        // Of its own: what was dropped may go on for a moment.
        let seen = Arc::new(AtomicU64::new(0));
        let count = seen.clone();
        let sink = Box::new(move |_| {
            count.fetch_add(1, Relaxed);
            ControlFlow::Continue(())
        });
        // Until it is under way; a store that does everything at once may be through.
        let mut scan = snapshot.scan(Query::all("T"), ReadOptions::default(), sink);
        std::future::poll_fn(|context| {
            let done = scan.as_mut().poll(context).is_ready();
            if done || seen.load(Relaxed) > 0 {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
        drop(scan);
    }
    let seen = Arc::new(AtomicU64::new(0));
    let count = seen.clone();
    let sink = Box::new(move |_| {
        count.fetch_add(1, Relaxed);
        ControlFlow::Continue(())
    });
    let scan = snapshot.scan(Query::all("T"), ReadOptions::default(), sink);
    scan.await.unwrap();
    assert_eq!(seen.load(Relaxed), 1_600);
}

pub async fn explaining_works_for_everything(h: &dyn Harness) {
    let f = rows(h).await;
    let mut query = Query::all("T").filter(Filter::Or(vec![
        Filter::id("1"),
        Filter::test("c.k", Test::Gt(v("1"))),
        Filter::test("b", Test::All(vec![v("1")])),
    ]));
    query.sort = vec![Sort {
        key: SortKey::Path(Path::dotted("a")),
        descending: true,
    }];
    f.app.explain(&query).await.unwrap();
    f.app.explain(&Query::all("Nothing")).await.unwrap();
}

pub async fn readings_have_names(h: &dyn Harness) {
    let f = rows(h).await;
    for reading in f.store.metrics() {
        assert!(
            reading.name.starts_with("basalt_store_"),
            "{}",
            reading.name
        );
        assert!(reading.value.is_finite());
    }
}

pub async fn dropped_reads_do_no_harm(h: &dyn Harness) {
    let f = rows(h).await;
    let query = Query::all("T");
    for _ in 0..50 {
        drop(f.app.find(&query, ReadOptions::default()));
        let mut read = f.app.find(&query, ReadOptions::default());
        std::future::poll_fn(|context| {
            let _ = read.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
        drop(read);
    }
    assert_eq!(f.matching("T", Filter::Everything).await, "0 1 2 3 4");
    f.write(delete("T", "0")).await.unwrap();
}
