//! Passwords: what is stored, imported hashes, changed passwords.

use crate::support::{World, reason, text, world};
use basalt_base::{Clock, Reason, Value};
use basalt_store::{Action, FieldOp, Op, Path, Precondition, RecordWrite, Write, WriteBatch};

async fn stored_hash(w: &World, id: &str) -> String {
    let user = w.store.get("_User", id).await.unwrap().unwrap();
    user.get("_hashed_password")
        .and_then(Value::as_str)
        .unwrap()
        .to_owned()
}

async fn store_hash(w: &World, id: &str, hash: &str) {
    let op = FieldOp {
        path: Path::field("_hashed_password"),
        op: Op::Set(Value::from(hash)),
    };
    let write = RecordWrite {
        collection: "_User".into(),
        id: id.into(),
        precondition: Precondition::Exists,
        action: Action::Update {
            ops: vec![op],
            acl: None,
            upsert: false,
        },
        at: w.clock.now(),
    };
    let batch = WriteBatch::of(vec![Write::Record(write)]);
    for done in w.store.write(vec![batch]).await.unwrap() {
        done.unwrap();
    }
}

#[tokio::test]
async fn the_stored_hash_is_argon2id_and_the_password_nowhere() {
    let w = world().await;
    let ann = w.sign_up("ann").await;
    assert!(
        stored_hash(&w, &ann.id)
            .await
            .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
    );
    let user = w.store.get("_User", &ann.id).await.unwrap().unwrap();
    assert!(user.get("password").is_none());
}

#[tokio::test]
async fn an_imported_bcrypt_hash_is_replaced_at_the_first_log_in() {
    let w = world().await;
    let ann = w.sign_up("ann").await;
    store_hash(&w, &ann.id, &bcrypt::hash("imported", 4).unwrap()).await;
    let wrong = w.log_in("ann", "other").await;
    assert_eq!(reason(wrong), Some(Reason::InvalidCredentials));
    assert!(stored_hash(&w, &ann.id).await.starts_with("$2"));
    w.log_in("ann", "imported").await.unwrap();
    assert!(stored_hash(&w, &ann.id).await.starts_with("$argon2id$"));
    w.log_in("ann", "imported").await.unwrap();
}

#[tokio::test]
async fn a_changed_password_ends_every_other_session() {
    let w = world().await;
    let ann = w.sign_up("ann").await;
    let other = w.log_in("ann", "secret").await.unwrap();
    let call = w.call(&ann.token).await.unwrap();
    w.update(&call, "_User", &ann.id, vec![text("password", "new")])
        .await
        .unwrap();
    for token in [&ann.token, &other.token] {
        assert_eq!(reason(w.call(token).await), Some(Reason::InvalidSession));
    }
    assert_eq!(
        reason(w.log_in("ann", "secret").await),
        Some(Reason::InvalidCredentials)
    );
    w.log_in("ann", "new").await.unwrap();
}

/// Work is counted, not timed: one hash of the same parameters, whoever is asked for.
#[tokio::test]
async fn unknown_users_cost_as_much_as_known_ones() {
    let w = world().await;
    let ann = w.sign_up("ann").await;
    let anonymous = vec![crate::support::anonymous("device")];
    let (bare, _) = w
        .create(&crate::support::anyone(), "_User", anonymous, None)
        .await
        .unwrap();
    let bare = w.store.get("_User", &bare).await.unwrap().unwrap();
    let bare = bare.get("username").and_then(Value::as_str).unwrap();
    let mut messages = Vec::new();
    for (name, password) in [
        ("ann", "wrong"),
        ("nobody", "wrong"),
        (bare, "wrong"),
        ("", "x"),
    ] {
        let before = w.passwords.derived();
        let error = w.log_in(name, password).await.err().unwrap();
        let derived = w.passwords.derived() - before;
        if name.is_empty() {
            assert_eq!(derived, 0, "nobody is asked for");
        } else {
            assert_eq!(derived, 1, "{name}");
            messages.push((error.reason(), error.message().to_owned()));
        }
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "{messages:?}");
    let before = w.passwords.derived();
    w.log_in("ann", "secret").await.unwrap();
    assert_eq!(w.passwords.derived() - before, 1);
    assert!(stored_hash(&w, &ann.id).await.contains("m=19456,t=2,p=1"));
}
