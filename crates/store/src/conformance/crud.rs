//! Objects: making, reading, changing, deleting.

use super::Harness;
use super::fixture::*;
use crate::{
    Access, Acl, AclEntry, Action, FieldType, Filter, Op, Precondition, Principals, Query,
    RecordWrite, Test, Write, Written,
};
use basalt_base::{Timestamp, Value};
use std::collections::HashSet;
use std::sync::Arc;

fn with(precondition: Precondition, action: Action) -> Write {
    Write::Record(RecordWrite {
        precondition,
        ..record_write("Post", "a", action)
    })
}

fn new_post(json: &str) -> Action {
    Action::Create {
        fields: fields(json),
        acl: Acl::default(),
    }
}

async fn posts(h: &dyn Harness) -> Fixture {
    let f = Fixture::open(h).await;
    let types = [("title", FieldType::String), ("n", FieldType::Number)];
    f.define("Post", &types).await;
    f
}

pub async fn created_objects_are_read_back(h: &dyn Harness) {
    let f = posts(h).await;
    let made = f.create("Post", "a", r#"{"title":"hello","n":7}"#).await;
    assert_eq!(made.created_at, Timestamp::from_millis(AT));
    assert_eq!(made.updated_at, made.created_at);
    let read = f.get("Post", "a").await.unwrap();
    assert!(same_record(&made, &read), "{made:?} {read:?}");
    let found = f.find(&Query::all("Post")).await;
    assert!(found.len() == 1 && same_record(&made, &found[0]));
    f.write(delete("Post", "a")).await.unwrap();
    assert!(f.get("Post", "a").await.is_none());
}

pub async fn restored_objects_keep_their_times(h: &dyn Harness) {
    let f = posts(h).await;
    let restore = || {
        let action = Action::Restore {
            created_at: Timestamp::new(-5, 1_999_999),
            fields: fields(r#"{"title":"old","n":null,"loose":null}"#),
            acl: Acl {
                read: Some(vec![AclEntry::User("u".into())]),
                write: None,
            },
        };
        with(Precondition::None, action)
    };
    let Written::Record { after, .. } = f.write(restore()).await.unwrap() else {
        panic!("an object is made");
    };
    let made = after.unwrap();
    assert_eq!(made.created_at, Timestamp::from_millis(-4_999));
    assert_eq!(made.updated_at, Timestamp::from_millis(AT));
    assert_eq!(made.get("loose"), Some(&Value::Null));
    let read = f.get("Post", "a").await.unwrap();
    assert!(same_record(&made, &read), "{made:?} {read:?}");
    refused!(f.write(restore()).await, DuplicateValue);
}

pub async fn every_type_keeps_its_value(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let rows = [
        ("number", FieldType::Number, "42"),
        ("fraction", FieldType::Number, "-0.1"),
        ("text", FieldType::String, r#""Grüße, 🌍""#),
        ("yes", FieldType::Boolean, "true"),
        ("no", FieldType::Boolean, "false"),
        ("at", FieldType::Date, r#"{"$t":-62135596800000}"#),
        (
            "map",
            FieldType::Object,
            r#"{"b":1,"a":[{"$t":[5,7]}],"n":null}"#,
        ),
        ("list", FieldType::Array, r#"[1,"x",null,[],{}]"#),
        ("place", FieldType::GeoPoint, r#"{"$g":[-33.5,151.25]}"#),
        (
            "file",
            FieldType::File,
            r#"{"$f":["a.txt","https://example.org/a"]}"#,
        ),
        ("bytes", FieldType::Bytes, r#"{"$b":"AP8Q"}"#),
        (
            "area",
            FieldType::Polygon,
            r#"{"$p":[[0,0],[0,1],[1,1],[0,0]]}"#,
        ),
        (
            "author",
            FieldType::Reference("_User".into()),
            r#"{"$r":["_User","u1"]}"#,
        ),
    ];
    let types: Vec<_> = rows.iter().map(|r| (r.0, r.1.clone())).collect();
    f.define("All", &types).await;
    let json: Vec<String> = rows
        .iter()
        .map(|r| format!("\"{}\":{}", r.0, r.2))
        .collect();
    f.create("All", "1", &format!("{{{}}}", json.join(",")))
        .await;
    let read = f.get("All", "1").await.unwrap();
    for (name, _, json) in &rows {
        assert_eq!(read.get(name), Some(&v(json)), "{name}");
    }
    let Some(Value::File(file)) = read.get("file") else {
        panic!("the file is a file");
    };
    assert_eq!(file.url.as_deref(), Some("https://example.org/a"));
    let names: Vec<&str> = read.fields.iter().map(|(name, _)| &**name).collect();
    let declared: Vec<&str> = rows.iter().map(|r| r.0).collect();
    assert_eq!(names, declared, "fields come in the collection's order");
}

pub async fn missing_objects_and_collections_read_as_nothing(h: &dyn Harness) {
    let f = posts(h).await;
    assert!(f.get("Post", "nobody").await.is_none());
    assert!(f.get("Nothing", "a").await.is_none());
    assert_eq!(f.matching("Nothing", Filter::Everything).await, "");
    assert_eq!(f.matching("Post", Filter::Everything).await, "");
}

pub async fn creating_twice_is_refused(h: &dyn Harness) {
    let f = posts(h).await;
    f.create("Post", "a", r#"{"n":1}"#).await;
    for precondition in [Precondition::None, Precondition::Absent] {
        refused!(
            f.write(with(precondition, new_post("{}"))).await,
            DuplicateValue
        );
    }
    assert_eq!(f.value("Post", "a", "n").await, Some(v("1")));
}

pub async fn updates_and_deletes_of_missing_objects_are_refused(h: &dyn Harness) {
    let f = posts(h).await;
    let set = || vec![("n", Op::Set(v("1")))];
    refused!(f.update("Post", "a", set()).await, ObjectNotFound);
    refused!(f.write(delete("Post", "a")).await, ObjectNotFound);
    assert!(f.get("Post", "a").await.is_none());
}

pub async fn upserts_make_or_change(h: &dyn Harness) {
    let f = posts(h).await;
    let step = || update_action(vec![("n", Op::Increment(v("2")))], true);
    for expected in [2, 4] {
        f.write(with(Precondition::None, step())).await.unwrap();
        assert_eq!(f.value("Post", "a", "n").await, Some(Value::Int(expected)));
    }
    refused!(
        f.write(with(Precondition::Absent, step())).await,
        DuplicateValue
    );
}

pub async fn preconditions_hold_or_refuse(h: &dyn Harness) {
    let f = posts(h).await;
    let set = |n: i64| update_action(vec![("n", Op::Set(Value::Int(n)))], false);
    let n_is = |n: i64| Precondition::Matches(Filter::test("n", Test::Eq(Value::Int(n))));
    refused!(
        f.write(with(Precondition::Exists, set(1))).await,
        ObjectNotFound
    );
    refused!(f.write(with(n_is(1), set(1))).await, ObjectNotFound);
    refused!(
        f.write(with(Precondition::Revision(1), set(1))).await,
        PreconditionFailed
    );
    f.write(with(Precondition::Absent, new_post(r#"{"n":1}"#)))
        .await
        .unwrap();
    f.write(with(Precondition::Exists, set(2))).await.unwrap();
    f.write(with(n_is(2), set(3))).await.unwrap();
    refused!(f.write(with(n_is(2), set(4))).await, ObjectNotFound);
    let rev = f.get("Post", "a").await.unwrap().rev;
    refused!(
        f.write(with(Precondition::Revision(rev + 1), set(4))).await,
        PreconditionFailed
    );
    f.write(with(Precondition::Revision(rev), set(5)))
        .await
        .unwrap();
    refused!(
        f.write(with(Precondition::Revision(rev), set(6))).await,
        PreconditionFailed
    );
    refused!(
        f.write(with(Precondition::Revision(rev), Action::Delete))
            .await,
        PreconditionFailed
    );
    assert_eq!(f.value("Post", "a", "n").await, Some(v("5")));
    f.write(with(n_is(5), Action::Delete)).await.unwrap();
    assert!(f.get("Post", "a").await.is_none());
}

pub async fn acls_are_kept_and_filtered(h: &dyn Harness) {
    let f = posts(h).await;
    let user = |id: &str| AclEntry::User(id.into());
    let role = |name: &str| AclEntry::Role(name.into());
    let acls = [
        (None, None),
        (Some(vec![]), Some(vec![])),
        (Some(vec![AclEntry::Public]), Some(vec![user("u1")])),
        (Some(vec![user("u1"), role("admin")]), None),
        (
            Some(vec![user("r:admin"), role("it's \"me\"")]),
            Some(vec![role("u1")]),
        ),
    ];
    for (n, (read, write)) in acls.into_iter().enumerate() {
        let acl = Acl { read, write };
        let fields = Vec::new();
        let action = Action::Create {
            fields,
            acl: acl.clone(),
        };
        let id = n.to_string();
        f.write(Write::Record(record_write("Post", &id, action)))
            .await
            .unwrap();
        assert_eq!(f.get("Post", &id).await.unwrap().acl, acl);
    }
    let allowed = async |access, entries: Vec<AclEntry>| {
        let principals = Arc::new(Principals::new(entries));
        f.matching("Post", Filter::Allows(access, principals)).await
    };
    assert_eq!(allowed(Access::Read, vec![]).await, "0 2");
    assert_eq!(allowed(Access::Read, vec![user("u1")]).await, "0 2 3");
    assert_eq!(allowed(Access::Read, vec![user("admin")]).await, "0 2");
    assert_eq!(allowed(Access::Read, vec![role("admin")]).await, "0 2 3");
    assert_eq!(
        allowed(Access::Read, vec![user("u9"), role("it's \"me\"")]).await,
        "0 2 4"
    );
    assert_eq!(allowed(Access::Write, vec![]).await, "0 3");
    assert_eq!(allowed(Access::Write, vec![user("u1")]).await, "0 2 3");
    let new = Acl {
        read: Some(vec![user("u5")]),
        write: None,
    };
    let action = Action::Update {
        ops: vec![],
        acl: Some(new.clone()),
        upsert: false,
    };
    f.write(Write::Record(record_write("Post", "0", action)))
        .await
        .unwrap();
    assert_eq!(f.get("Post", "0").await.unwrap().acl, new);
    f.update("Post", "0", vec![("n", Op::Set(v("1")))])
        .await
        .unwrap();
    assert_eq!(f.get("Post", "0").await.unwrap().acl, new, "kept");
    assert_eq!(allowed(Access::Read, vec![user("u5")]).await, "0 2");
}

pub async fn ids_are_any_text(h: &dyn Harness) {
    let f = posts(h).await;
    let ids = [
        "a",
        "A",
        "ä",
        "it's",
        "\"",
        "a b",
        "$1",
        "null",
        "0",
        "00",
        "🌍",
        &"x".repeat(500),
    ];
    for id in ids {
        f.create("Post", id, "{}").await;
        assert_eq!(&*f.get("Post", id).await.unwrap().id, id);
        assert_eq!(
            f.find(&Query::all("Post").filter(Filter::id(id)))
                .await
                .len(),
            1
        );
    }
    assert_eq!(f.find(&Query::all("Post")).await.len(), ids.len());
}

pub async fn times_are_cut_to_milliseconds(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define(
        "Post",
        &[("at", FieldType::Date), ("map", FieldType::Object)],
    )
    .await;
    let action = new_post(r#"{"at":{"$t":[-1,123456789]},"map":{"at":{"$t":[-1,123456789]}}}"#);
    let at = Timestamp::new(10, 999_999_999);
    let write = RecordWrite {
        at,
        ..record_write("Post", "a", action)
    };
    f.write(Write::Record(write)).await.unwrap();
    let read = f.get("Post", "a").await.unwrap();
    assert_eq!(read.created_at, Timestamp::from_millis(10_999));
    assert_eq!(read.get("at"), Some(&v(r#"{"$t":-877}"#)));
    assert_eq!(
        read.get("map"),
        Some(&v(r#"{"at":{"$t":[-1,123456789]}}"#)),
        "nested ones keep all"
    );
    let later = RecordWrite {
        at: Timestamp::new(20, 1),
        ..record_write("Post", "a", update_action(vec![], false))
    };
    f.write(Write::Record(later)).await.unwrap();
    let read = f.get("Post", "a").await.unwrap();
    assert_eq!(read.created_at, Timestamp::from_millis(10_999));
    assert_eq!(read.updated_at, Timestamp::from_millis(20_000));
}

pub async fn explicit_null_is_not_missing(h: &dyn Harness) {
    let f = posts(h).await;
    f.create("Post", "a", r#"{"title":null}"#).await;
    let read = f.get("Post", "a").await.unwrap();
    assert_eq!(
        (read.get("title"), read.get("n")),
        (Some(&Value::Null), None)
    );
    f.update("Post", "a", vec![("n", Op::Set(Value::Null))])
        .await
        .unwrap();
    f.update("Post", "a", vec![("title", Op::Set(v("\"x\"")))])
        .await
        .unwrap();
    let read = f.get("Post", "a").await.unwrap();
    assert_eq!(
        (read.get("title"), read.get("n")),
        (Some(&v("\"x\"")), Some(&Value::Null))
    );
    f.update("Post", "a", vec![("n", Op::Unset)]).await.unwrap();
    assert_eq!(f.value("Post", "a", "n").await, None);
}

pub async fn writes_to_unknown_collections_are_refused(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.write(create("Nothing", "a", vec![]))
        .await
        .expect_err("refused");
    assert!(f.app.catalogue().collection("Nothing").is_none());
    let gone = Write::DeleteMatching {
        collection: "Nothing".into(),
        filter: Filter::Everything,
        limit: 10,
    };
    assert!(matches!(f.write(gone).await.unwrap(), Written::Deleted(0)));
}

pub async fn deleting_by_filter_counts_and_limits(h: &dyn Harness) {
    let f = posts(h).await;
    for n in 0..10 {
        f.create("Post", &n.to_string(), &format!(r#"{{"n":{}}}"#, n % 2))
            .await;
    }
    let odd = async |limit| {
        let filter = Filter::test("n", Test::Eq(v("1")));
        let collection = "Post".into();
        match f
            .write(Write::DeleteMatching {
                collection,
                filter,
                limit,
            })
            .await
            .unwrap()
        {
            Written::Deleted(n) => n,
            other => panic!("deleting gave {other:?}"),
        }
    };
    assert_eq!(odd(2).await, 2);
    assert_eq!(
        f.matching("Post", Filter::Everything).await,
        "0 2 4 5 6 7 8 9",
        "oldest first"
    );
    assert_eq!(odd(0).await, 0);
    assert_eq!(odd(u64::MAX).await, 3);
    assert_eq!(f.matching("Post", Filter::Everything).await, "0 2 4 6 8");
}

pub async fn revisions_never_repeat(h: &dyn Harness) {
    let f = posts(h).await;
    let mut seen = HashSet::new();
    for _ in 0..3 {
        let made = f.create("Post", "a", "{}").await;
        assert!(seen.insert(made.rev));
        assert_eq!(
            made.rev,
            f.app.position().0,
            "the position of the last write"
        );
        for _ in 0..3 {
            let changed = f
                .update("Post", "a", vec![("n", Op::Set(v("1")))])
                .await
                .unwrap();
            assert!(seen.insert(changed.rev), "an update gives a new one");
            assert_eq!(f.get("Post", "a").await.unwrap().rev, changed.rev);
        }
        f.write(delete("Post", "a")).await.unwrap();
    }
}

pub async fn large_objects_are_kept(h: &dyn Harness) {
    let f = posts(h).await;
    let text = "äx\n".repeat(1_000_000);
    let fields = vec![("title".into(), Value::String(text.clone()))];
    f.write(create("Post", "a", fields)).await.unwrap();
    assert_eq!(
        f.value("Post", "a", "title").await,
        Some(Value::String(text))
    );
}
