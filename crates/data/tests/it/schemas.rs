//! Schemas: what can be made, changed and dropped, and how refusals read.

use crate::support::*;
use basalt_base::{Reason, Value};
use basalt_data::{FieldRule, IndexChange, Rank, Rules, SchemaChangeRequest};
use basalt_store::{FieldDef, FieldRef, FieldType, IndexColumn, IndexDef, IndexKind};

fn index(name: &str, field: &str) -> IndexDef {
    IndexDef {
        name: name.into(),
        kind: IndexKind::Ordered,
        columns: vec![IndexColumn {
            field: FieldRef::Named(field.into()),
            descending: false,
        }],
    }
}

#[tokio::test]
async fn schemas_are_made_shown_changed_and_dropped() {
    let w = world().await;
    let d = &w.data;
    let made = d
        .create_schema(
            &master(),
            schema("Post", vec![("title", FieldType::String)]),
        )
        .await
        .unwrap();
    assert_eq!((made.fields.len(), &*made.name), (1, "Post"));
    assert_eq!(*made.rules, Rules::open());
    let names: Vec<_> = d
        .schemas(&master())
        .await
        .unwrap()
        .into_iter()
        .map(|s| s.name)
        .collect();
    assert_eq!(names, ["Post".into(), "_Role".into(), "_User".into()]);
    let request = SchemaChangeRequest {
        drop_fields: vec!["title".into()],
        indexes: vec![IndexChange::Add(index("by_n", "n"))],
        ..schema(
            "Post",
            vec![
                ("n", FieldType::Number),
                ("r", FieldType::Relation("Post".into())),
            ],
        )
    };
    let changed = d.update_schema(&master(), request).await.unwrap();
    let fields: Vec<_> = changed.fields.iter().map(|f| &*f.name).collect();
    assert_eq!((fields, changed.indexes.len()), (vec!["n", "r"], 1));
    let id = w.put("Post", vec![]).await;
    let message = "Class Post is not empty, contains 1 objects, cannot drop schema.";
    let got = why(d.delete_schema(&master(), "Post").await);
    assert_eq!(got, (Reason::SchemaRefused, message.to_owned()));
    d.delete(&master(), gone("Post", &id)).await.unwrap();
    d.delete_schema(&master(), "Post").await.unwrap();
    d.delete_schema(&master(), "Post").await.unwrap();
    let got = why(d.schema(&master(), "Post").await);
    assert_eq!(
        got,
        (
            Reason::InvalidCollectionName,
            "Class Post does not exist.".to_owned()
        )
    );
}

#[tokio::test]
async fn schemas_are_for_the_master_key() {
    let w = world().await;
    let d = &w.data;
    for call in [anyone(), user("u1")] {
        assert_eq!(why(d.schemas(&call).await).0, Reason::MasterKeyRequired);
        assert_eq!(
            why(d.schema(&call, "_User").await).0,
            Reason::MasterKeyRequired
        );
        assert!(d.create_schema(&call, schema("A", vec![])).await.is_err());
        assert!(d.update_schema(&call, schema("A", vec![])).await.is_err());
        assert!(d.delete_schema(&call, "A").await.is_err());
    }
    let read_only = ranked(Rank::ReadOnlyMaster);
    d.schemas(&read_only).await.unwrap();
    let got = why(d.create_schema(&read_only, schema("A", vec![])).await);
    let message = "read-only masterKey isn't allowed to create a schema.".to_owned();
    assert_eq!(got, (Reason::ReadOnly, message));
}

#[tokio::test]
async fn refusals_say_what_is_wrong() {
    let w = world().await;
    let d = &w.data;
    w.put("Post", vec![("n", Value::Int(1)), ("p", pointer("A", "1"))])
        .await;
    let got = why(d.create_schema(&master(), schema("Post", vec![])).await);
    assert_eq!(got.1, "Class Post already exists.");
    assert_eq!(
        why(d.create_schema(&master(), schema("_User", vec![])).await).1,
        "Class _User already exists."
    );
    assert_eq!(
        why(d.update_schema(&master(), schema("Nope", vec![])).await).1,
        "Class Nope does not exist."
    );
    assert!(
        why(d.create_schema(&master(), schema("a-b", vec![])).await)
            .1
            .starts_with("Invalid classname: a-b,")
    );
    assert!(
        d.create_schema(&master(), schema("_Join:a:Post", vec![]))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn changes_that_do_not_fit_are_refused() {
    let w = world().await;
    let d = &w.data;
    w.put("Post", vec![("n", Value::Int(1)), ("p", pointer("A", "1"))])
        .await;
    let field = |name, ty| schema("Post", vec![(name, ty)]);
    let dropped = |name: &str| SchemaChangeRequest {
        drop_fields: vec![name.into()],
        ..schema("Post", vec![])
    };
    let with = |def: FieldDef| SchemaChangeRequest {
        add_fields: vec![def],
        ..schema("Post", vec![])
    };
    let indexed = |change| SchemaChangeRequest {
        indexes: vec![change],
        ..schema("Post", vec![])
    };
    let relation = || FieldType::Relation("A".into());
    let cases = [
        (
            field("n", FieldType::String),
            "Field n exists, cannot update.",
        ),
        (
            field("p", FieldType::Reference("B".into())),
            "schema mismatch for Post.p; expected Pointer<A> but got Pointer<B>",
        ),
        (dropped("nope"), "Field nope does not exist, cannot delete."),
        (dropped("objectId"), "field objectId cannot be changed"),
        (field("a-b", FieldType::String), "invalid field name: a-b"),
        (
            field("createdAt", FieldType::Date),
            "field createdAt cannot be added",
        ),
        (
            with(FieldDef {
                default: Some(text("x")),
                ..FieldDef::new("d", FieldType::Number)
            }),
            "schema mismatch for Post.d default value; expected Number but got String",
        ),
        (
            with(FieldDef {
                required: true,
                ..FieldDef::new("r", relation())
            }),
            "The 'required' option is not applicable for Relation<A>",
        ),
        (
            indexed(IndexChange::Drop("i".into())),
            "Index i does not exist, cannot delete.",
        ),
        (
            indexed(IndexChange::Add(index("i", "nope"))),
            "Field nope does not exist, cannot add index.",
        ),
        (
            schema(
                "Post",
                vec![("g1", FieldType::GeoPoint), ("g2", FieldType::GeoPoint)],
            ),
            "currently, only one GeoPoint field may exist in an object. Adding g2 when g1 already exists.",
        ),
    ];
    for (request, message) in cases {
        assert_eq!(why(d.update_schema(&master(), request).await).1, message);
    }
}

type ChangeRules = fn(&mut Rules);

#[tokio::test]
async fn rules_that_name_what_is_not_there_are_refused() {
    let w = world().await;
    w.put(
        "Post",
        vec![("n", Value::Int(1)), ("owner", pointer("_User", "u"))],
    )
    .await;
    let attempt = async |change: ChangeRules| {
        let mut rules = Rules::open();
        change(&mut rules);
        let request = SchemaChangeRequest {
            rules: Some(rules),
            ..schema("Post", vec![])
        };
        w.data.update_schema(&master(), request).await
    };
    attempt(|r| r.read_user_fields = vec!["owner".into()])
        .await
        .unwrap();
    let cases: [(ChangeRules, &str); 5] = [
        (
            |r| r.write_user_fields = vec!["n".into()],
            "'n' is not a valid column for class level pointer permissions writeUserFields",
        ),
        (
            |r| r.find.user_fields = vec!["nope".into()],
            "'nope' is not a valid column for class level pointer permissions find",
        ),
        (
            |r| r.get.users = vec!["a b".into()],
            "'a b' is not a valid key for class level permissions",
        ),
        (
            |r| {
                r.protected_fields = vec![FieldRule {
                    group: "*".into(),
                    fields: vec!["nope".into()],
                }];
            },
            "Field 'nope' in protectedFields:* does not exist",
        ),
        (
            |r| {
                r.protected_fields = vec![FieldRule {
                    group: "*".into(),
                    fields: vec!["objectId".into()],
                }];
            },
            "Default field 'objectId' can not be protected",
        ),
    ];
    for (change, message) in cases {
        assert_eq!(
            why(attempt(change).await),
            (Reason::InvalidJson, message.to_owned())
        );
    }
}

#[tokio::test]
async fn collections_made_without_rules_follow_the_setting_of_that_day() {
    let w = world_with(|o| o.new_collections_open = false).await;
    let got = why(w.data.create(&user("u1"), new("Post", vec![])).await);
    assert_eq!(got.1, "Permission denied for action create on class Post.");
    let id = w.put("Post", vec![]).await;
    assert_eq!(
        why(w.read(&user("u1"), "Post", &id).await).0,
        Reason::AccessDenied
    );
    let made = w
        .data
        .create_schema(&master(), schema("Note", vec![]))
        .await
        .unwrap();
    assert_eq!(*made.rules, Rules::closed());
    // Users can still sign up, and nobody can make a role that some permission waits for.
    let grown = new("_User", vec![("more", Value::Int(1))]);
    w.data
        .create(&anyone(), new("_User", vec![("username", text("a"))]))
        .await
        .unwrap();
    assert!(w.data.create(&anyone(), grown).await.is_err());
    assert!(
        w.data
            .create(&user("u1"), new("_Role", vec![("name", text("admin"))]))
            .await
            .is_err()
    );
}
