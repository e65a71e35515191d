//! Following references.

use crate::support::*;
use basalt_base::{Map, Value};
use basalt_data::{FieldRule, Include, ObjectQuery, Rank, Rules};

fn including(collection: &str, paths: &[&str]) -> ObjectQuery {
    let mut include = Include::default();
    for path in paths {
        let mut node = &mut include;
        for step in path.split('.') {
            node = node.child_mut(step);
            node.here = true;
        }
    }
    ObjectQuery {
        include,
        ..query(collection)
    }
}

#[tokio::test]
async fn references_are_followed_level_by_level() {
    let w = world().await;
    let city = w.put("City", vec![("name", text("Bern"))]).await;
    let author = w
        .put("Author", vec![("city", pointer("City", &city))])
        .await;
    let map = Map::from_iter([("by".to_owned(), pointer("Author", &author))]);
    w.put(
        "Post",
        vec![
            ("author", pointer("Author", &author)),
            (
                "list",
                Value::Array(vec![pointer("Author", &author), pointer("City", &city)]),
            ),
            ("o", Value::Map(map)),
            ("dangling", pointer("City", "nope")),
        ],
    )
    .await;
    let find = async |paths: &[&str]| {
        let page = w
            .data
            .find(&anyone(), including("Post", paths))
            .await
            .unwrap();
        let mut found: Vec<_> = page.included.keys().map(|r| r.collection.clone()).collect();
        found.sort();
        found.join(" ")
    };
    assert_eq!(find(&["author"]).await, "Author");
    assert_eq!(find(&["author.city"]).await, "Author City");
    assert_eq!(find(&["list"]).await, "Author City");
    assert_eq!(find(&["o.by.city"]).await, "Author City");
    assert_eq!(find(&["dangling", "nope", "author.nope"]).await, "Author");
    let all = ObjectQuery {
        include_all: true,
        ..query("Post")
    };
    let page = w.data.find(&anyone(), all).await.unwrap();
    assert_eq!(page.included.len(), 2);
    assert!(page.include.child("author").unwrap().here);
}

#[tokio::test]
async fn included_objects_are_subject_to_the_callers_rights() {
    let w = world().await;
    let secret = basalt_data::Create {
        acl: Some(only(&[to_user("u1")], &[])),
        ..new("Author", vec![("name", text("x")), ("hidden", text("y"))])
    };
    let author = w.put_with(secret).await;
    w.put("Post", vec![("author", pointer("Author", &author))])
        .await;
    let mut rules = Rules {
        protected_fields: vec![FieldRule {
            group: "*".into(),
            fields: vec!["hidden".into()],
        }],
        ..Rules::open()
    };
    w.set_rules("Author", rules.clone()).await;
    let find = async |call| {
        let page = w
            .data
            .find(&call, including("Post", &["author"]))
            .await
            .unwrap();
        let found = page.included.into_values().next();
        found.map(|i| field_names(&i.record).join(" "))
    };
    assert_eq!(find(anyone()).await, None);
    assert_eq!(find(user("u1")).await.as_deref(), Some("name"));
    assert_eq!(find(master()).await.as_deref(), Some("name hidden"));
    rules.get = Rules::closed().get;
    w.set_rules("Author", rules).await;
    assert_eq!(find(user("u1")).await, None);
}

#[tokio::test]
async fn references_to_internal_collections_are_not_followed_for_clients() {
    let w = world().await;
    let hook = w.put("_Hooks", vec![("url", text("http://x"))]).await;
    let session = w
        .put("_Session", vec![("sessionToken", text("digest"))])
        .await;
    let list = vec![
        pointer("_Hooks", &hook),
        pointer("_Session", &session),
        pointer("_Join:users:_Role", "x"),
        pointer("_Nope", "x"),
    ];
    w.put("Post", vec![("list", Value::Array(list))]).await;
    for (call, count) in [(anyone(), 0), (user("u1"), 0), (master(), 2)] {
        let page = w
            .data
            .find(&call, including("Post", &["list"]))
            .await
            .unwrap();
        assert_eq!(page.included.len(), count);
    }
    let page = w
        .data
        .find(&ranked(Rank::ReadOnlyMaster), including("Post", &["list"]))
        .await;
    assert_eq!(page.unwrap().included.len(), 2);
}

#[tokio::test]
async fn a_hidden_reference_is_not_followed() {
    let w = world().await;
    let author = w.put("Author", vec![]).await;
    w.put("Post", vec![("author", pointer("Author", &author))])
        .await;
    let rules = Rules {
        protected_fields: vec![FieldRule {
            group: "*".into(),
            fields: vec!["author".into()],
        }],
        ..Rules::open()
    };
    w.set_rules("Post", rules).await;
    let page = w
        .data
        .find(&anyone(), including("Post", &["author"]))
        .await
        .unwrap();
    assert!(page.included.is_empty() && page.records[0].fields.is_empty());
}

#[tokio::test]
async fn fields_of_included_objects_can_be_left_out() {
    let w = world().await;
    let author = w
        .put("Author", vec![("a", Value::Int(1)), ("b", Value::Int(2))])
        .await;
    w.put("Post", vec![("author", pointer("Author", &author))])
        .await;
    let asked = ObjectQuery {
        exclude_keys: vec!["author.a".into(), "nope.x".into()],
        ..including("Post", &["author"])
    };
    let page = w.data.find(&anyone(), asked).await.unwrap();
    let keys = page.include.child("author").unwrap().keys.clone().unwrap();
    assert_eq!(keys, [Box::from("b")]);
}
