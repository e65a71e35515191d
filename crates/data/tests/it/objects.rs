//! Creates, updates and deletes of one object.

use crate::support::*;
use basalt_base::{GeoPoint, Map, Reason, Timestamp, Value};
use basalt_data::{Create, FieldChange, Rank, SchemaChangeRequest};
use basalt_store::{AclEntry, FieldDef, FieldType, Op};

#[tokio::test]
async fn an_object_is_made_read_changed_and_deleted() {
    let w = world().await;
    let made = w
        .data
        .create(
            &anyone(),
            new("Post", vec![("title", text("a")), ("likes", Value::Int(1))]),
        )
        .await
        .unwrap();
    assert_eq!(made.record.id.len(), 10);
    assert_eq!(made.collection.fields.len(), 2);
    assert!(made.changed.is_empty());
    let id = &*made.record.id;
    let update = change(
        "Post",
        id,
        vec![
            op("likes", Op::Increment(Value::Int(2))),
            FieldChange::set("title", text("b")),
        ],
    );
    let updated = w.data.update(&anyone(), update).await.unwrap();
    assert_eq!(updated.changed, ["likes".into()]);
    assert_eq!(updated.record.get("likes"), Some(&Value::Int(3)));
    let read = w.read(&anyone(), "Post", id).await.unwrap();
    assert_eq!(read.get("title"), Some(&text("b")));
    w.data.delete(&anyone(), gone("Post", id)).await.unwrap();
    for result in [
        why(w.read(&anyone(), "Post", id).await),
        why(w.data.delete(&anyone(), gone("Post", id)).await),
        why(w.data.update(&anyone(), change("Post", id, vec![])).await),
        why(w.data.update(&master(), change("Nope", id, vec![])).await),
    ] {
        assert_eq!(
            result,
            (Reason::ObjectNotFound, "Object not found.".to_owned())
        );
    }
}

#[tokio::test]
async fn operations_work_on_new_objects() {
    let w = world().await;
    let list = || vec![text("a"), text("b")];
    let create = Create {
        fields: vec![
            op("n", Op::Increment(Value::Int(4))),
            op("added", Op::Append(list())),
            op("unique", Op::AddUnique(list())),
            op("removed", Op::Remove(list())),
            op("gone", Op::Unset),
            op("first", Op::SetOnInsert(text("x"))),
            op("o.deep", Op::Set(Value::Int(1))),
        ],
        ..new("Post", vec![])
    };
    let made = w.data.create(&anyone(), create).await.unwrap();
    let get = |name: &str| made.record.get(name).cloned();
    assert_eq!(get("n"), Some(Value::Int(4)));
    assert_eq!(get("added"), Some(Value::Array(list())));
    assert_eq!(get("unique"), Some(Value::Array(list())));
    assert_eq!(get("first"), Some(text("x")));
    assert_eq!(get("gone"), None);
    assert!(made.collection.field("gone").is_none());
    assert_eq!(
        made.collection.field("removed").unwrap().def.ty,
        FieldType::Array
    );
    let o = made.record.get("o").and_then(Value::as_map).unwrap();
    assert_eq!(o.get("deep"), Some(&Value::Int(1)));
}

#[tokio::test]
async fn names_are_checked() {
    let w = world().await;
    for name in [
        "1a",
        "a-b",
        "_Nope",
        "a.b",
        "a'); --",
        "length",
        "__proto__",
    ] {
        let (reason, message) = why(w.data.create(&master(), new(name, vec![])).await);
        assert_eq!(reason, Reason::InvalidCollectionName, "{name}");
        assert!(
            message.ends_with("must start with an alpha character "),
            "{message}"
        );
    }
    for name in [
        "1a",
        "a-b",
        "_x",
        "length",
        "className",
        "objectId",
        "createdAt",
        "ACL",
        "a\"b",
    ] {
        let create = Create {
            fields: vec![FieldChange::set(name, Value::Int(1))],
            ..new("Post", vec![])
        };
        let got = why(w.data.create(&anyone(), create).await);
        assert_eq!(
            got,
            (
                Reason::InvalidFieldName,
                format!("Invalid field name: {name}.")
            )
        );
    }
    assert!(w.store.catalogue().collections.is_empty());
}

#[tokio::test]
async fn denied_keys_and_bad_nested_keys_are_found_at_any_depth() {
    let constructor = r#"{"key":"constructor"}"#;
    let w = world_with(|o| o.key_denylist = vec!["__proto__".into(), constructor.into()]).await;
    let nest = |key: &str| {
        let inner = Map::from_iter([(key.to_owned(), Value::Int(1))]);
        let outer = Map::from_iter([
            ("first".to_owned(), Value::Map(Map::new())),
            ("list".to_owned(), Value::Array(vec![Value::Map(inner)])),
        ]);
        new("Post", vec![("o", Value::Map(outer))])
    };
    let got = why(w.data.create(&master(), nest("constructor")).await);
    let message = r#"Prohibited keyword in request data: {"key":"constructor"}."#;
    assert_eq!(got, (Reason::InvalidFieldName, message.to_owned()));
    for key in ["a.b", "$inc", "a$"] {
        let got = why(w.data.create(&anyone(), nest(key)).await);
        let message = "Nested keys should not contain the '$' or '.' characters";
        assert_eq!(got, (Reason::InvalidNestedKey, message.to_owned()));
    }
    w.data.create(&anyone(), nest("_rperm")).await.unwrap();
    let dotted = change(
        "Post",
        "x",
        vec![op("o.constructor.x", Op::Set(Value::Int(1)))],
    );
    assert_eq!(
        why(w.data.update(&anyone(), dotted).await).0,
        Reason::InvalidFieldName
    );
}

#[tokio::test]
async fn types_are_kept() {
    let w = world().await;
    let id = w
        .put("Post", vec![("n", Value::Int(1)), ("p", pointer("A", "1"))])
        .await;
    let refused = [
        (("n", text("x")), "Post.n; expected Number but got String"),
        (
            ("p", pointer("B", "1")),
            "Post.p; expected Pointer<A> but got Pointer<B>",
        ),
        (
            ("n", Value::Array(vec![])),
            "Post.n; expected Number but got Array",
        ),
    ];
    for ((field, value), text) in refused {
        let message = format!("schema mismatch for {text}");
        let create = new("Post", vec![(field, value.clone())]);
        let got = why(w.data.create(&anyone(), create).await);
        assert_eq!(got, (Reason::SchemaMismatch, message.clone()));
        let update = change("Post", &id, vec![FieldChange::set(field, value)]);
        assert_eq!(why(w.data.update(&anyone(), update).await).1, message);
    }
    let nested = change("Post", &id, vec![op("n.x", Op::Set(Value::Int(1)))]);
    let message = "schema mismatch for Post.n; expected Number but got Object";
    assert_eq!(why(w.data.update(&anyone(), nested).await).1, message);
    let point = || Value::Geo(GeoPoint::new(1.0, 2.0).unwrap());
    let two = new("Post", vec![("a", point()), ("b", point())]);
    let message = "there can only be one geopoint field in a class";
    assert_eq!(why(w.data.create(&anyone(), two).await).1, message);
    let first = change("Post", &id, vec![FieldChange::set("a", point())]);
    w.data.update(&anyone(), first).await.unwrap();
    let second = change("Post", &id, vec![FieldChange::set("b", point())]);
    assert_eq!(why(w.data.update(&anyone(), second).await).1, message);
    let null = change("Post", &id, vec![FieldChange::set("n", Value::Null)]);
    let done = w.data.update(&anyone(), null).await.unwrap();
    assert!(matches!(done.record.get("n"), Some(Value::Null)));
}

#[tokio::test]
async fn nulls_are_kept_and_removals_start_lists() {
    let w = world().await;
    let create = basalt_data::Create {
        fields: vec![
            FieldChange::set("nothing", Value::Null),
            op("list", Op::Remove(vec![Value::Int(1)])),
        ],
        ..new("Post", vec![])
    };
    let done = w.data.create(&anyone(), create).await.unwrap();
    assert!(matches!(done.record.get("nothing"), Some(Value::Null)));
    assert_eq!(done.record.get("list"), Some(&Value::Array(vec![])));
    let catalogue = w.store.catalogue();
    assert!(
        catalogue
            .collection("Post")
            .unwrap()
            .field("nothing")
            .is_none()
    );
    // On what is there already, removing from nothing leaves nothing.
    let remove = op("other", Op::Remove(vec![Value::Int(1)]));
    let update = change("Post", &done.record.id, vec![remove]);
    let done = w.data.update(&anyone(), update).await.unwrap();
    assert!(done.record.get("other").is_none());
}

#[tokio::test]
async fn too_many_nulls_are_too_many_fields() {
    let w = world_with(|o| o.limits.fields_max = 3).await;
    let nulls = |names: &[&'static str]| {
        let each = names.iter().map(|name| (*name, Value::Null));
        new("Post", each.collect())
    };
    let refused = w.data.create(&anyone(), nulls(&["a", "b", "c", "d"])).await;
    assert_eq!(why(refused).0, Reason::QuotaExceeded);
    w.data
        .create(&anyone(), nulls(&["a", "b", "c"]))
        .await
        .unwrap();
}

#[tokio::test]
async fn required_fields_and_defaults_hold() {
    let w = world().await;
    let request = SchemaChangeRequest {
        add_fields: vec![
            FieldDef {
                required: true,
                ..FieldDef::new("need", FieldType::String)
            },
            FieldDef {
                required: true,
                default: Some(Value::Int(7)),
                ..FieldDef::new("given", FieldType::Number)
            },
        ],
        ..schema("Strict", vec![])
    };
    w.data.create_schema(&master(), request).await.unwrap();
    for fields in [
        vec![],
        vec![("need", text(""))],
        vec![("need", Value::Null)],
    ] {
        let got = why(w.data.create(&anyone(), new("Strict", fields)).await);
        assert_eq!(
            got,
            (Reason::ValidationFailed, "need is required".to_owned())
        );
    }
    let made = w
        .data
        .create(&anyone(), new("Strict", vec![("need", text("x"))]))
        .await;
    let made = made.unwrap();
    assert_eq!(made.changed, ["given".into()]);
    assert_eq!(made.record.get("given"), Some(&Value::Int(7)));
    let id = &made.record.id;
    for change_to in [
        op("need", Op::Unset),
        FieldChange::set("given", Value::Null),
    ] {
        let got = why(w
            .data
            .update(&anyone(), change("Strict", id, vec![change_to]))
            .await);
        assert_eq!(got.0, Reason::ValidationFailed);
    }
    let other = change("Strict", id, vec![FieldChange::set("given", Value::Int(1))]);
    w.data.update(&anyone(), other).await.unwrap();
}

#[tokio::test]
async fn ids_are_chosen_only_where_allowed() {
    let chosen = |id: &str| Create {
        id: Some(id.to_owned()),
        ..new("Post", vec![])
    };
    let w = world().await;
    let got = why(w.data.create(&master(), chosen("mine")).await);
    assert_eq!(got.1, "objectId is an invalid field name.");
    let w = world_with(|o| o.allow_custom_ids = true).await;
    assert_eq!(w.put_with(chosen("mine")).await, "mine");
    let got = why(w.data.create(&anyone(), chosen("mine")).await);
    assert_eq!(got.0, Reason::DuplicateValue);
    let got = why(w.data.create(&anyone(), chosen("")).await);
    let message = "objectId must not be empty, null or undefined".to_owned();
    assert_eq!(got, (Reason::MissingObjectId, message));
    assert!(w.data.create(&anyone(), chosen("a\nb")).await.is_err());
}

#[tokio::test]
async fn only_the_maintenance_key_chooses_times() {
    let w = world().await;
    let at = Timestamp::from_millis;
    let timed = |created: i64, updated: i64| Create {
        created_at: Some(at(created)),
        updated_at: Some(at(updated)),
        ..new("Post", vec![])
    };
    let now = at(1_700_000_000_000);
    let made = w.data.create(&master(), timed(5, 9)).await.unwrap();
    assert_eq!((made.record.created_at, made.record.updated_at), (now, now));
    let maintenance = ranked(Rank::Maintenance);
    let made = w.data.create(&maintenance, timed(5, 9)).await.unwrap();
    assert_eq!(
        (made.record.created_at, made.record.updated_at),
        (at(5), at(9))
    );
    let got = why(w.data.create(&maintenance, timed(9, 5)).await);
    assert_eq!(got.1, "updatedAt cannot occur before createdAt");
}

#[tokio::test]
async fn a_condition_on_an_update_is_checked_with_the_write() {
    let w = world().await;
    let id = w.put("Post", vec![("n", Value::Int(1))]).await;
    let mut update = change("Post", &id, vec![FieldChange::set("n", Value::Int(2))]);
    update.filter = Some(equals("n", Value::Int(1)));
    w.data.update(&anyone(), update.clone()).await.unwrap();
    let got = why(w.data.update(&anyone(), update).await);
    assert_eq!(got.0, Reason::ObjectNotFound);
}

#[tokio::test]
async fn values_that_are_too_large_or_too_deep_are_refused() {
    let w = world_with(|o| {
        o.limits.object_bytes_max = 100;
        o.limits.json_depth_max = 5;
        o.limits.fields_max = 3;
    })
    .await;
    let long = new("Post", vec![("t", Value::String("x".repeat(101)))]);
    assert_eq!(
        why(w.data.create(&anyone(), long).await).0,
        Reason::ObjectTooLarge
    );
    let mut deep = Value::Int(1);
    for _ in 0..6 {
        deep = Value::Array(vec![deep]);
    }
    let deep = new("Post", vec![("t", deep)]);
    assert_eq!(
        why(w.data.create(&anyone(), deep).await).0,
        Reason::InvalidJson
    );
    let nul = new("Post", vec![("t", text("a\0"))]);
    assert_eq!(
        why(w.data.create(&anyone(), nul).await).0,
        Reason::InvalidJson
    );
    let wide = ["a", "b", "c", "d"].map(|n| (n, Value::Int(1))).to_vec();
    assert_eq!(
        why(w.data.create(&anyone(), new("Post", wide)).await).0,
        Reason::QuotaExceeded
    );
}

#[tokio::test]
async fn objects_of_a_collection_get_its_default_acl() {
    let w = world().await;
    let mut rules = basalt_data::Rules::open();
    rules.default_acl = Some(vec![
        ("currentUser".into(), true, true),
        ("role:staff".into(), true, false),
    ]);
    let request = SchemaChangeRequest {
        rules: Some(rules),
        ..schema("Note", vec![])
    };
    w.data.create_schema(&master(), request).await.unwrap();
    let made = w
        .data
        .create(&user("u1"), new("Note", vec![]))
        .await
        .unwrap();
    let staff = AclEntry::Role("staff".into());
    let expected = only(&[to_user("u1"), staff.clone()], &[to_user("u1")]);
    assert_eq!(made.record.acl, expected);
    let made = w.data.create(&anyone(), new("Note", vec![])).await.unwrap();
    assert_eq!(made.record.acl, only(&[staff], &[]));
    // An update brings no default with it.
    let own = Create {
        acl: Some(only(&[to_user("u2")], &[to_user("u2")])),
        ..new("Note", vec![])
    };
    let id = w.put_with(own).await;
    let done = w
        .data
        .update(&user("u2"), change("Note", &id, vec![]))
        .await
        .unwrap();
    assert_eq!(done.record.acl, only(&[to_user("u2")], &[to_user("u2")]));
}

#[tokio::test]
async fn purge_deletes_everything_and_is_for_the_master_key() {
    let w = world().await;
    for _ in 0..3 {
        w.put("Post", vec![]).await;
    }
    assert_eq!(
        why(w.data.purge(&anyone(), "Post").await).0,
        Reason::MasterKeyRequired
    );
    let read_only = ranked(Rank::ReadOnlyMaster);
    let got = why(w.data.purge(&read_only, "Post").await);
    assert_eq!(
        got.1,
        "read-only masterKey isn't allowed to purge a schema."
    );
    w.data.purge(&master(), "Post").await.unwrap();
    w.data.purge(&master(), "Nope").await.unwrap();
    assert!(
        w.data
            .find(&master(), query("Post"))
            .await
            .unwrap()
            .records
            .is_empty()
    );
}
