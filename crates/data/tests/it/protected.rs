//! Fields that a caller does not see, and can't find out about.

use crate::support::*;
use basalt_base::{Reason, Value};
use basalt_data::{Call, FieldChange, FieldRule, ObjectQuery, Rank, Rules, Where};
use basalt_store::{Path, Sort, SortKey, Test};

fn rule(group: &str, fields: &[&str]) -> FieldRule {
    FieldRule {
        group: group.into(),
        fields: fields.iter().map(|f| (*f).into()).collect(),
    }
}

async fn posts(protected: Vec<FieldRule>) -> (World, String) {
    let w = world().await;
    let id = w
        .put(
            "Post",
            vec![
                ("title", text("t")),
                ("secret", text("s")),
                ("owner", pointer("_User", "u1")),
            ],
        )
        .await;
    let rules = Rules {
        protected_fields: protected,
        ..Rules::open()
    };
    w.set_rules("Post", rules).await;
    (w, id)
}

#[tokio::test]
async fn hidden_fields_are_shown_to_nobody_they_are_hidden_from() {
    let (w, id) = posts(vec![rule("*", &["secret"]), rule("userField:owner", &[])]).await;
    let seen = |record: basalt_store::Record| record.get("secret").is_some();
    assert!(!seen(w.read(&anyone(), "Post", &id).await.unwrap()));
    assert!(!seen(w.read(&user("u2"), "Post", &id).await.unwrap()));
    assert!(seen(w.read(&user("u1"), "Post", &id).await.unwrap()));
    assert!(seen(w.read(&master(), "Post", &id).await.unwrap()));
    assert!(seen(
        w.read(&ranked(Rank::ReadOnlyMaster), "Post", &id)
            .await
            .unwrap()
    ));
    // Asking for it by name, or leaving out the field that the rule needs, changes nothing.
    for (call, expected) in [(user("u1"), vec!["secret"]), (user("u2"), vec![])] {
        let asked = ObjectQuery {
            keys: Some(vec!["secret".into()]),
            ..query("Post")
        };
        let page = w.data.find(&call, asked).await.unwrap();
        assert_eq!(field_names(&page.records[0]), expected);
    }
    // Nor does writing it.
    let touch = change("Post", &id, vec![FieldChange::set("secret", text("new"))]);
    let done = w.data.update(&anyone(), touch).await.unwrap();
    assert!(done.record.get("secret").is_none());
    let more = op("secret_list", basalt_store::Op::Append(vec![text("x")]));
    let done = w
        .data
        .update(&anyone(), change("Post", &id, vec![more]))
        .await
        .unwrap();
    assert_eq!(done.changed, ["secret_list".into()]);
    let rules = Rules {
        protected_fields: vec![rule("*", &["secret_list"])],
        ..Rules::open()
    };
    w.set_rules("Post", rules).await;
    let more = op("secret_list", basalt_store::Op::Append(vec![text("x")]));
    let done = w
        .data
        .update(&anyone(), change("Post", &id, vec![more]))
        .await
        .unwrap();
    assert!(done.changed.is_empty());
    // Whether a hidden field is there can't be told from what is said to be gone.
    let none = op("secret_list", basalt_store::Op::Remove(vec![text("y")]));
    let unset = op("secret_list", basalt_store::Op::Unset);
    for step in [unset, none] {
        let touch = change("Post", &id, vec![step]);
        let done = w.data.update(&anyone(), touch).await.unwrap();
        assert!(done.changed.is_empty(), "{:?}", done.changed);
    }
}

#[tokio::test]
async fn hidden_fields_can_not_be_asked_about_at_any_depth() {
    let (w, _) = posts(vec![rule("*", &["secret"])]).await;
    let on = |path: &str| equals(path, text("s"));
    let conditions = [
        on("secret"),
        on("secret.sub"),
        Where::Or(vec![on("title"), Where::And(vec![on("secret")])]),
        Where::Not(Box::new(on("secret"))),
        Where::Test(Path::field("secret"), Test::Exists(true)),
        Where::Test(
            Path::field("secret"),
            Test::Not(Box::new(Test::Eq(text("x")))),
        ),
    ];
    for filter in conditions {
        let got = why(w
            .data
            .find(&anyone(), filtered("Post", filter.clone()))
            .await);
        assert_eq!(got.0, Reason::OperationForbidden, "{filter:?}");
        let shown = if format!("{filter:?}").contains("sub") {
            "secret.sub"
        } else {
            "secret"
        };
        assert_eq!(
            got.1,
            format!("This user is not allowed to query {shown} on class Post")
        );
        w.data
            .find(&master(), filtered("Post", filter.clone()))
            .await
            .unwrap();
        // A count is as good an answer, and so is an update that does or does not happen.
        let count = ObjectQuery {
            count: true,
            limit: Some(0),
            ..filtered("Post", filter.clone())
        };
        assert!(w.data.find(&anyone(), count).await.is_err());
        let mut update = change("Post", "x", vec![]);
        update.filter = Some(filter.clone());
        assert_eq!(
            why(w.data.update(&anyone(), update).await).0,
            Reason::OperationForbidden
        );
        // And so is what another class's query yields.
        let inner = Box::new(filtered("Post", filter));
        let outer = Where::InQuery {
            path: Path::field("post"),
            query: inner,
            negated: true,
        };
        let got = why(w.data.find(&anyone(), filtered("Comment", outer)).await);
        assert_eq!(got.0, Reason::OperationForbidden);
    }
}

#[tokio::test]
async fn hidden_fields_can_not_be_selected_or_sorted_by() {
    let (w, _) = posts(vec![rule("*", &["secret"])]).await;
    let select = Where::Select {
        path: Path::field("text"),
        key: Path::dotted("secret.sub"),
        query: Box::new(query("Post")),
        negated: false,
    };
    let got = why(w.data.find(&anyone(), filtered("Comment", select)).await);
    assert_eq!(
        got.1,
        "This user is not allowed to query secret.sub on class Post"
    );
    for path in ["secret", "secret.sub"] {
        let sort = Sort {
            key: SortKey::Path(Path::dotted(path)),
            descending: true,
        };
        let sorted = ObjectQuery {
            sort: vec![sort],
            ..query("Post")
        };
        let got = why(w.data.find(&anyone(), sorted).await);
        assert_eq!(
            got.1,
            format!("This user is not allowed to sort by {path} on class Post")
        );
    }
}

#[tokio::test]
async fn internal_fields_do_not_exist_but_for_the_maintenance_key() {
    let w = world().await;
    let maintenance = ranked(Rank::Maintenance);
    let create = new(
        "_User",
        vec![("username", text("u")), ("_hashed_password", text("$2"))],
    );
    let made = w.data.create(&maintenance, create).await.unwrap();
    assert!(made.record.get("_hashed_password").is_some());
    let id = &*made.record.id;
    let callers: [Call; 4] = [anyone(), user(id), master(), ranked(Rank::ReadOnlyMaster)];
    for call in callers {
        for root in ["_hashed_password", "_perishable_token", "_rperm"] {
            let filter = Where::Test(Path::field(root), Test::Exists(true));
            let got = why(w.data.find(&call, filtered("_User", filter)).await);
            assert_eq!(
                got,
                (
                    Reason::InvalidFieldName,
                    format!("Invalid key name: {root}")
                )
            );
            let sort = Sort {
                key: SortKey::Path(Path::field(root)),
                descending: false,
            };
            let sorted = ObjectQuery {
                sort: vec![sort],
                ..query("_User")
            };
            assert!(w.data.find(&call, sorted).await.is_err());
            let keys = ObjectQuery {
                keys: Some(vec![root.into()]),
                ..query("_User")
            };
            for record in w.data.find(&call, keys).await.unwrap().records {
                assert!(record.fields.is_empty());
            }
        }
    }
    assert!(
        w.read(&master(), "_User", id)
            .await
            .unwrap()
            .get("_hashed_password")
            .is_none()
    );
    let shown = w.read(&maintenance, "_User", id).await.unwrap();
    assert!(shown.get("_hashed_password").is_some());
    let by_hash = filtered("_User", equals("_hashed_password", text("$2")));
    assert_eq!(
        w.data
            .find(&maintenance, by_hash)
            .await
            .unwrap()
            .records
            .len(),
        1
    );
}

#[tokio::test]
async fn users_see_their_own_hidden_fields_unless_the_app_says_otherwise() {
    for exempt in [true, false] {
        let w = world_with(|o| {
            o.protected_fields = vec![("_User".into(), rule("*", &["email"]))];
            o.protected_fields_owner_exempt = exempt;
            o.private_users = false;
        })
        .await;
        let auth = Value::Map(basalt_base::Map::from_iter([("p".to_owned(), text("x"))]));
        let id = w
            .put("_User", vec![("email", text("a@b")), ("authData", auth)])
            .await;
        let own = w.read(&user(&id), "_User", &id).await.unwrap();
        assert_eq!(own.get("email").is_some(), exempt);
        assert!(own.get("authData").is_some());
        let other = w.read(&user("else"), "_User", &id).await.unwrap();
        assert!(other.get("email").is_none() && other.get("authData").is_none());
        let by_email = filtered("_User", equals("email", text("a@b")));
        assert!(w.data.find(&user(&id), by_email).await.is_err());
        let own = Where::And(vec![by_id(&id), equals("email", text("a@b"))]);
        let found = w.data.find(&user(&id), filtered("_User", own)).await;
        assert_eq!(found.is_ok(), exempt);
        let by_auth = filtered("_User", equals("authData.p", text("x")));
        assert!(w.data.find(&anyone(), by_auth).await.is_err());
    }
}
