//! The system collections, seen without identity's guard.

use crate::support::*;
use basalt_base::{BoxFuture, Reason, Result, Value};
use basalt_data::{Call, Create, Draft, FieldChange, Guard, ObjectQuery, Update};
use basalt_store::{FieldType, Record};
use std::sync::{Arc, Mutex};

#[tokio::test]
async fn internal_collections_are_unreachable_for_clients_by_every_operation() {
    let w = world().await;
    let internal = [
        "_JobStatus",
        "_PushStatus",
        "_Hooks",
        "_GlobalConfig",
        "_GraphQLConfig",
        "_JobSchedule",
        "_Audience",
        "_Idempotency",
        "_Join:users:_Role",
    ];
    for name in internal {
        for call in [anyone(), user("u1"), member("u1", "admin")] {
            let said = |word: &str| {
                let text = format!(
                    "Clients aren't allowed to perform the {word} operation on the {name} collection."
                );
                (Reason::OperationForbidden, text)
            };
            assert_eq!(why(w.data.find(&call, query(name)).await), said("find"));
            assert_eq!(why(w.data.get(&call, "x", query(name)).await), said("get"));
            assert_eq!(
                why(w.data.create(&call, new(name, vec![])).await),
                said("create")
            );
            assert_eq!(
                why(w.data.update(&call, change(name, "x", vec![])).await),
                said("update")
            );
            assert_eq!(
                why(w.data.delete(&call, gone(name, "x")).await),
                said("delete")
            );
            let count = ObjectQuery {
                count: true,
                limit: Some(0),
                ..query(name)
            };
            assert_eq!(why(w.data.find(&call, count).await), said("find"));
        }
    }
    let installations = why(w.data.find(&anyone(), query("_Installation")).await);
    let text =
        "Clients aren't allowed to perform the find operation on the installation collection.";
    assert_eq!(installations.1, text);
    w.data
        .create(
            &anyone(),
            new("_Installation", vec![("deviceType", text_of("ios"))]),
        )
        .await
        .unwrap();
}

fn text_of(t: &str) -> Value {
    Value::from(t)
}

#[tokio::test]
async fn system_collections_come_with_their_columns() {
    let w = world().await;
    let config = Create {
        id: Some("1".to_owned()),
        ..new("_GlobalConfig", vec![])
    };
    assert_eq!(w.put_with(config).await, "1");
    let made = w
        .data
        .create(&master(), new("_Session", vec![]))
        .await
        .unwrap();
    let user = made.collection.field("user").unwrap();
    assert_eq!(user.def.ty, FieldType::Reference("_User".into()));
    let wrong = new("_User", vec![("emailVerified", text("yes"))]);
    let message = "schema mismatch for _User.emailVerified; expected Boolean but got String";
    assert_eq!(why(w.data.create(&master(), wrong).await).1, message);
    let product = new("_Product", vec![("title", text("x"))]);
    let got = why(w.data.create(&master(), product).await);
    assert_eq!(
        got,
        (
            Reason::IncorrectType,
            "productIdentifier is required.".to_owned()
        )
    );
    let once = || new("_Idempotency", vec![("reqId", text("r"))]);
    w.put_with(once()).await;
    assert_eq!(
        why(w.data.create(&master(), once()).await).0,
        Reason::DuplicateValue
    );
}

#[tokio::test]
async fn users_are_private_and_can_not_lock_themselves_out() {
    let w = world().await;
    let made = w
        .data
        .create(&anyone(), new("_User", vec![("username", text("a"))]))
        .await
        .unwrap();
    let id = &*made.record.id;
    assert_eq!(made.record.acl, only(&[to_user(id)], &[to_user(id)]));
    let lock = Update {
        acl: Some(only(&[], &[])),
        ..change("_User", id, vec![])
    };
    let done = w.data.update(&user(id), lock.clone()).await.unwrap();
    assert_eq!(done.record.acl, only(&[to_user(id)], &[to_user(id)]));
    let got = why(w
        .data
        .update(&user("else"), change("_User", id, vec![]))
        .await);
    assert_eq!(
        got,
        (Reason::SessionMissing, "Insufficient auth.".to_owned())
    );
    let done = w.data.update(&master(), lock).await.unwrap();
    assert_eq!(done.record.acl, only(&[], &[]));
}

/// Adds to writes, asks about them, and hears of them.
#[derive(Default)]
struct Watch(Mutex<Vec<String>>);

impl Guard for Watch {
    fn rewrite_query(&self, _: &Call, query: &mut ObjectQuery) -> Result<()> {
        if &*query.collection == "_Session" {
            let own = equals("user", pointer("_User", "u1"));
            let asked = std::mem::replace(&mut query.filter, own.clone());
            query.filter = basalt_data::Where::And(vec![asked, own]);
        }
        Ok(())
    }

    fn check_input(&self, _: &Call, draft: &Draft) -> Result<()> {
        let bad = draft
            .changes
            .iter()
            .any(|c| format!("{c:?}").contains("emailVerified"));
        if bad {
            return Err(refusal(Reason::OperationForbidden, "guarded"));
        }
        Ok(())
    }

    fn prepare<'a>(&'a self, _: &'a Call, draft: &'a mut Draft) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if &*draft.collection == "_User" {
                let name = format!("{:?} {}", draft.kind, draft.before.is_some());
                self.0.lock().unwrap().push(name);
                draft.changes.push(FieldChange::set("_secret", text("s")));
                draft.changes.push(FieldChange::set("email", text("lower")));
                draft.answer.push(("token".into(), text("t")));
            }
            Ok(())
        })
    }

    fn committed(&self, collection: &str, before: Option<&Record>, after: Option<&Record>) {
        let note = format!("{collection} {} {}", before.is_some(), after.is_some());
        self.0.lock().unwrap().push(note);
    }

    fn duplicate(&self, collection: &str, index: &str) -> Option<basalt_base::Error> {
        (collection == "_Idempotency" && index == "_reqId")
            .then(|| refusal(Reason::DuplicateRequest, "Duplicate request"))
    }

    fn conceal(&self, _: &Call, collection: &str, record: &mut Record) {
        if collection == "_Session" {
            record.remove("sessionToken");
        }
    }
}

#[tokio::test]
async fn the_guard_takes_part_in_every_write_and_read() {
    let watch = Arc::new(Watch::default());
    let taken = || std::mem::take(&mut *watch.0.lock().unwrap());
    let w = world_guarded(watch.clone(), |_| {}).await;
    let made = w
        .data
        .create(&anyone(), new("_User", vec![("email", text("UPPER"))]))
        .await
        .unwrap();
    assert_eq!(made.answer, [("token".into(), text("t"))]);
    assert_eq!(made.changed, ["email".into()]);
    assert!(made.record.get("_secret").is_none());
    let id = &*made.record.id;
    assert_eq!(taken(), ["Create false", "_User false true"]);
    w.data
        .update(&user(id), change("_User", id, vec![]))
        .await
        .unwrap();
    assert_eq!(taken(), ["Update true", "_User true true"]);
    let role = Create {
        fields: vec![FieldChange::AddRelation(
            "users".into(),
            vec![reference("_User", id)],
        )],
        ..new("_Role", vec![])
    };
    w.put_with(role).await;
    assert_eq!(
        taken(),
        ["_Role false true", "_Join:users:_Role false true"]
    );
    w.data.delete(&user(id), gone("_User", id)).await.unwrap();
    let expected = [
        "Delete true",
        "_User true false",
        "_Join:users:_Role false false",
    ];
    assert_eq!(taken(), expected);

    let verified = new("_User", vec![("emailVerified", Value::Bool(true))]);
    assert_eq!(why(w.data.create(&anyone(), verified).await).1, "guarded");
    for (who, sees) in [("u1", 1), ("u2", 0)] {
        w.data.purge(&master(), "_Session").await.unwrap();
        let session = new(
            "_Session",
            vec![("user", pointer("_User", who)), ("sessionToken", text("x"))],
        );
        let id = w.put_with(session).await;
        let found = w.data.find(&anyone(), query("_Session")).await.unwrap();
        assert_eq!(found.records.len(), sees);
        assert!(
            found
                .records
                .iter()
                .all(|r| r.get("sessionToken").is_none())
        );
        assert_eq!(w.read(&anyone(), "_Session", &id).await.is_ok(), sees == 1);
    }
    let once = || new("_Idempotency", vec![("reqId", text("r"))]);
    w.put_with(once()).await;
    assert_eq!(
        why(w.data.create(&master(), once()).await).0,
        Reason::DuplicateRequest
    );
}
