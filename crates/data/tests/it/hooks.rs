//! Code around operations.

use crate::support::*;
use basalt_base::{Reason, Value};
use basalt_data::{EventKind, FieldChange, Include, ObjectQuery, Rules};
use basalt_store::{FieldOp, Op, Path};

fn set(name: &str, value: Value) -> FieldOp {
    FieldOp {
        path: Path::field(name),
        op: Op::Set(value),
    }
}

#[tokio::test]
async fn hooks_run_in_order_and_change_what_is_written() {
    let w = world().await;
    for kind in [
        EventKind::BeforeSave,
        EventKind::AfterSave,
        EventKind::BeforeDelete,
        EventKind::AfterDelete,
    ] {
        w.hooks.want(kind, "Post");
    }
    w.hooks.on_before(|event| {
        if event.kind == EventKind::BeforeDelete {
            return Ok(Vec::new());
        }
        let n = event.object.get("n").and_then(Value::as_f64).unwrap_or(0.0);
        Ok(vec![set("double", Value::number(n * 2.0))])
    });
    let made = w
        .data
        .create(&anyone(), new("Post", vec![("n", Value::Int(4))]))
        .await
        .unwrap();
    assert_eq!(made.record.get("double"), Some(&Value::Int(8)));
    assert_eq!(made.changed, ["double".into()]);
    let id = &*made.record.id;
    let more = change("Post", id, vec![op("n", Op::Increment(Value::Int(1)))]);
    let done = w.data.update(&anyone(), more).await.unwrap();
    assert_eq!(done.record.get("double"), Some(&Value::Int(10)));
    assert_eq!(done.changed, ["n".into(), "double".into()]);
    w.data.delete(&anyone(), gone("Post", id)).await.unwrap();
    let expected = [
        "BeforeSave Post -",
        "AfterSave Post",
        "BeforeSave Post +",
        "AfterSave Post",
        "BeforeDelete Post -",
        "AfterDelete Post",
    ];
    assert_eq!(w.hooks.taken(), expected);
}

#[tokio::test]
async fn a_hook_can_refuse_and_nothing_is_written() {
    let w = world().await;
    w.hooks.want(EventKind::BeforeSave, "Post");
    w.hooks.want(EventKind::AfterSave, "Post");
    w.hooks
        .on_before(|_| Err(refusal(Reason::ScriptFailed, "no")));
    let got = why(w
        .data
        .create(&anyone(), new("Post", vec![("n", Value::Int(1))]))
        .await);
    assert_eq!(got, (Reason::ScriptFailed, "no".to_owned()));
    assert_eq!(w.hooks.taken(), ["BeforeSave Post -"]);
    assert!(w.store.catalogue().collections.is_empty());
}

#[tokio::test]
async fn hooks_do_not_run_for_who_may_not_write() {
    let w = world().await;
    let id = w.put("Post", vec![]).await;
    w.hooks.want(EventKind::BeforeSave, "Post");
    w.hooks.want(EventKind::BeforeDelete, "Post");
    let lock = basalt_data::Update {
        acl: Some(only(&[], &[to_user("u1")])),
        ..change("Post", &id, vec![])
    };
    w.data.update(&master(), lock).await.unwrap();
    w.hooks.taken();
    let touch = change("Post", &id, vec![]);
    let touched = w.data.update(&anyone(), touch).await;
    assert_eq!(why(touched).0, Reason::ObjectNotFound);
    assert!(w.data.delete(&anyone(), gone("Post", &id)).await.is_err());
    w.set_rules("Post", Rules::closed()).await;
    assert!(
        w.data
            .create(&user("u1"), new("Post", vec![]))
            .await
            .is_err()
    );
    assert!(w.hooks.taken().is_empty());
}

#[tokio::test]
async fn what_a_hook_returns_is_checked_like_what_a_client_sends() {
    let w = world_with(|o| o.key_denylist = vec!["constructor".into()]).await;
    w.hooks.want(EventKind::BeforeSave, "Post");
    for name in ["constructor", "_hashed_password", "a-b"] {
        w.hooks
            .on_before(move |_| Ok(vec![set(name, Value::Int(1))]));
        let got = why(w.data.create(&master(), new("Post", vec![])).await);
        assert_eq!(got.0, Reason::InvalidFieldName, "{name}");
    }
}

#[tokio::test]
async fn finds_are_narrowed_before_and_changed_after() {
    let w = world().await;
    w.put("Post", vec![("n", Value::Int(1))]).await;
    let two = w.put("Post", vec![("n", Value::Int(2))]).await;
    w.put("Note", vec![("post", pointer("Post", &two))]).await;
    w.hooks.want(EventKind::BeforeFind, "Post");
    w.hooks.want(EventKind::AfterFind, "Post");
    w.hooks.narrow_finds(equals("n", Value::Int(2)));
    w.hooks.on_after_find(|records| {
        for record in records {
            record.set(&"seen".into(), Value::Bool(true));
        }
    });
    let page = w.data.find(&anyone(), query("Post")).await.unwrap();
    assert_eq!(ids(&page.records), [&*two]);
    assert!(page.records[0].get("seen").is_some());
    let mut include = Include::default();
    include.child_mut("post").here = true;
    let notes = ObjectQuery {
        include,
        ..query("Note")
    };
    let page = w.data.find(&anyone(), notes).await.unwrap();
    let post = page.included.into_values().next().unwrap();
    assert!(post.record.get("seen").is_some());
    let expected = ["BeforeFind Post", "AfterFind Post"];
    assert_eq!(w.hooks.taken(), [expected, expected].concat());
}

#[tokio::test]
async fn hooks_that_trigger_each_other_come_to_an_end() {
    let w = world().await;
    let mut call = anyone();
    call.depth = 17;
    assert_eq!(
        why(w.data.create(&call, new("Post", vec![])).await).0,
        Reason::ScriptFailed
    );
    assert_eq!(
        why(w.data.find(&call, query("Post")).await).0,
        Reason::ScriptFailed
    );
    call.depth = 16;
    w.data.create(&call, new("Post", vec![])).await.unwrap();
}

#[tokio::test]
async fn a_hook_in_a_transaction_decides_on_what_is_written() {
    let w = world().await;
    let id = w.put("Post", vec![("n", Value::Int(1))]).await;
    w.hooks.want(EventKind::BeforeSave, "Post");
    // While the first attempt is decided, somebody else writes.
    let data = w.data.clone();
    let other = id.clone();
    let raced = std::sync::atomic::AtomicBool::new(false);
    w.hooks.on_before(move |event| {
        if !raced.swap(true, std::sync::atomic::Ordering::SeqCst) {
            let touch = change("Other", &other, vec![]);
            let _ = touch;
            let data = data.clone();
            let id = other.clone();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .unwrap();
                    let write = basalt_store::WriteBatch::of(vec![increment(&id)]);
                    runtime
                        .block_on(data.deps().store.write(vec![write]))
                        .unwrap();
                });
            });
        }
        let n = event.object.get("n").and_then(Value::as_f64).unwrap();
        Ok(vec![set("copy", Value::number(n))])
    });
    let step = change("Post", &id, vec![FieldChange::set("x", Value::Int(1))]);
    w.data
        .transaction(&anyone(), vec![basalt_data::BatchStep::Update(step)])
        .await
        .unwrap();
    let read = w.read(&anyone(), "Post", &id).await.unwrap();
    assert_eq!(read.get("n"), Some(&Value::Int(11)));
    assert_eq!(read.get("copy"), Some(&Value::Int(11)));
    assert_eq!(w.hooks.taken().len(), 2);
}

fn increment(id: &str) -> basalt_store::Write {
    basalt_store::Write::Record(basalt_store::RecordWrite {
        collection: "Post".into(),
        id: id.into(),
        precondition: basalt_store::Precondition::Exists,
        action: basalt_store::Action::Update {
            ops: vec![FieldOp {
                path: Path::field("n"),
                op: Op::Increment(Value::Int(10)),
            }],
            acl: None,
            upsert: false,
        },
        at: basalt_base::Timestamp::from_millis(0),
    })
}

#[tokio::test]
async fn hooks_in_a_transaction_see_what_it_did_before() {
    let w = world_with(|o| o.allow_custom_ids = true).await;
    w.hooks.want(EventKind::BeforeSave, "Post");
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = seen.clone();
    w.hooks.on_before(move |event| {
        let n = |r: &basalt_store::Record| r.get("n").cloned();
        let line = (event.original.as_deref().and_then(n), n(&event.object));
        log.lock().unwrap().push(line);
        Ok(Vec::new())
    });
    let made = basalt_data::Create {
        id: Some("p1".to_owned()),
        ..new("Post", vec![("n", Value::Int(1))])
    };
    let add = || change("Post", "p1", vec![op("n", Op::Increment(Value::Int(2)))]);
    let steps = vec![
        basalt_data::BatchStep::Create(made),
        basalt_data::BatchStep::Update(add()),
        basalt_data::BatchStep::Update(add()),
        basalt_data::BatchStep::Delete(gone("Post", "p1")),
    ];
    w.data.transaction(&anyone(), steps).await.unwrap();
    let int = |n| Some(Value::Int(n));
    let expected = [(None, int(1)), (int(1), int(3)), (int(3), int(5))];
    assert_eq!(*seen.lock().unwrap(), expected);
    assert!(w.read(&master(), "Post", "p1").await.is_err());
}
