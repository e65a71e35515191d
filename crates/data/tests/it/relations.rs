//! Relation fields and their pairs.

use crate::support::*;
use basalt_base::{Reason, Value};
use basalt_data::{Create, FieldChange, FieldRule, ObjectQuery, Rules, Where};
use basalt_store::{Path, Test};

fn add(field: &str, collection: &str, list: &[&str]) -> FieldChange {
    let list = list.iter().map(|id| reference(collection, id)).collect();
    FieldChange::AddRelation(field.into(), list)
}

fn remove(field: &str, collection: &str, list: &[&str]) -> FieldChange {
    let list = list.iter().map(|id| reference(collection, id)).collect();
    FieldChange::RemoveRelation(field.into(), list)
}

fn related_to(collection: &str, id: &str, field: &str) -> Where {
    Where::RelatedTo {
        owner: reference(collection, id),
        field: field.into(),
    }
}

struct Likes {
    w: World,
    post: String,
    users: Vec<String>,
}

async fn likes() -> Likes {
    let w = world().await;
    let mut users = Vec::new();
    for name in ["a", "b", "c"] {
        users.push(w.put("Person", vec![("name", text(name))]).await);
    }
    let create = Create {
        fields: vec![add("likes", "Person", &[&users[0], &users[1]])],
        ..new("Post", vec![])
    };
    let post = w.put_with(create).await;
    Likes { w, post, users }
}

impl Likes {
    async fn liked_by(&self) -> Vec<String> {
        let asked = filtered("Person", related_to("Post", &self.post, "likes"));
        let page = self.w.data.find(&anyone(), asked).await.unwrap();
        ids(&page.records).into_iter().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn pairs_are_added_and_removed_with_the_owner() {
    let l = likes().await;
    assert_eq!(l.liked_by().await, l.users[..2]);
    let update = change(
        "Post",
        &l.post,
        vec![
            remove("likes", "Person", &[&l.users[0], "never"]),
            add("likes", "Person", &[&l.users[1], &l.users[2]]),
        ],
    );
    l.w.data.update(&anyone(), update).await.unwrap();
    assert_eq!(l.liked_by().await, l.users[1..]);
    // Nobody gets at the pairs by themselves, and an owner that is gone leaves none.
    let refused = why(l.w.data.find(&anyone(), query("_Join:likes:Post")).await);
    assert_eq!(refused.0, Reason::OperationForbidden);
    l.w.data
        .delete(&anyone(), gone("Post", &l.post))
        .await
        .unwrap();
    let page =
        l.w.data
            .find(&master(), query("_Join:likes:Post"))
            .await
            .unwrap();
    assert!(page.records.is_empty());
}

#[tokio::test]
async fn a_refused_owner_leaves_the_pairs_alone() {
    let l = likes().await;
    let update = change("Post", "nope", vec![add("likes", "Person", &[&l.users[2]])]);
    assert_eq!(
        why(l.w.data.update(&anyone(), update).await).0,
        Reason::ObjectNotFound
    );
    let page =
        l.w.data
            .find(&master(), query("_Join:likes:Post"))
            .await
            .unwrap();
    assert_eq!(page.records.len(), 2);
    let wrong = change("Post", &l.post, vec![add("likes", "City", &["x"])]);
    let got = why(l.w.data.update(&anyone(), wrong).await);
    let message =
        "schema mismatch for Post.likes; expected Relation<Person> but got Relation<City>";
    assert_eq!(got, (Reason::SchemaMismatch, message.to_owned()));
}

#[tokio::test]
async fn relation_fields_are_tested_by_their_pairs() {
    let l = likes().await;
    let test = |test| filtered("Post", Where::Test(Path::field("likes"), test));
    let person = |n: usize| pointer("Person", &l.users[n]);
    for (test, count) in [
        (test(Test::Eq(person(0))), 1),
        (test(Test::Eq(person(2))), 0),
        (test(Test::Ne(person(0))), 0),
        (test(Test::In(vec![person(1), person(2)])), 1),
        (test(Test::NotIn(vec![person(2)])), 1),
        (test(Test::Eq(Value::Null)), 0),
        (test(Test::Ne(Value::Null)), 1),
        (test(Test::In(vec![Value::Null, person(1)])), 1),
    ] {
        let page = l.w.data.find(&anyone(), test).await.unwrap();
        assert_eq!(page.records.len(), count);
    }
    let odd = l.w.data.find(&anyone(), test(Test::Exists(true))).await;
    assert_eq!(why(odd).0, Reason::UnsupportedQuery);
    let by_name = Where::InQuery {
        path: Path::field("likes"),
        query: Box::new(filtered("Person", equals("name", text("b")))),
        negated: false,
    };
    let page =
        l.w.data
            .find(&anyone(), filtered("Post", by_name))
            .await
            .unwrap();
    assert_eq!(ids(&page.records), [&*l.post]);
}

#[tokio::test]
async fn a_relation_shows_nothing_to_who_may_not_read_its_owner() {
    let l = likes().await;
    let lock = basalt_data::Update {
        acl: Some(only(&[to_user("u1")], &[])),
        ..change("Post", &l.post, vec![])
    };
    l.w.data.update(&master(), lock).await.unwrap();
    assert!(l.liked_by().await.is_empty());
    let asked = || filtered("Person", related_to("Post", &l.post, "likes"));
    let find = async |call| l.w.data.find(&call, asked()).await.map(|p| p.records.len());
    assert_eq!(find(user("u1")).await.unwrap(), 2);
    assert_eq!(find(user("u2")).await.unwrap(), 0);
    let hidden = Rules {
        protected_fields: vec![FieldRule {
            group: "*".into(),
            fields: vec!["likes".into()],
        }],
        ..Rules::open()
    };
    l.w.set_rules("Post", hidden).await;
    let got = why(find(user("u1")).await);
    assert_eq!(
        got.1,
        "This user is not allowed to query likes on class Post"
    );
    l.w.set_rules("Post", Rules::closed()).await;
    assert_eq!(find(user("u1")).await.unwrap(), 0);
    assert_eq!(find(master()).await.unwrap(), 2);
}

#[tokio::test]
async fn a_query_can_be_redirected_to_the_related_collection() {
    let l = likes().await;
    let asked = ObjectQuery {
        redirect_collection_for_key: Some("likes".into()),
        ..filtered("Post", related_to("Post", &l.post, "likes"))
    };
    let page = l.w.data.find(&anyone(), asked).await.unwrap();
    assert_eq!(page.redirected_to.as_deref(), Some("Person"));
    assert_eq!(page.records.len(), 2);
}

#[tokio::test]
async fn a_later_object_with_the_same_id_inherits_no_role() {
    let w = world_with(|o| o.allow_custom_ids = true).await;
    let create = Create {
        id: Some("bob".to_owned()),
        ..new("_User", vec![])
    };
    w.put_with(create.clone()).await;
    let role = Create {
        fields: vec![
            FieldChange::set("name", text("admin")),
            add("users", "_User", &["bob"]),
        ],
        ..new("_Role", vec![])
    };
    w.put_with(role).await;
    w.data
        .delete(&master(), gone("_User", "bob"))
        .await
        .unwrap();
    w.put_with(create).await;
    let pairs = w
        .data
        .find(&master(), query("_Join:users:_Role"))
        .await
        .unwrap();
    assert!(pairs.records.is_empty());
}
