//! Sessions: their end, their revocation, their secrecy.

use crate::support::{anyone, master, reason, text, world, world_with};
use basalt_base::{Clock, Reason, Timestamp, Value};
use basalt_data::{Delete, FieldChange, ObjectQuery};
use basalt_store::{Action, Precondition, Query, ReadOptions, RecordWrite, Write, WriteBatch};
use std::time::Duration;

#[tokio::test]
async fn a_session_ends_on_time_also_when_it_is_cached() {
    let w = world_with(|o| {
        o.session_length = Some(Duration::from_mins(1));
        o.cache_time = Duration::from_hours(1);
    })
    .await;
    let user = w.sign_up("ann").await;
    assert!(w.call(&user.token).await.is_ok());
    w.clock.advance(Duration::from_secs(59));
    assert!(w.call(&user.token).await.is_ok());
    w.clock.advance(Duration::from_secs(1));
    assert_eq!(
        reason(w.call(&user.token).await),
        Some(Reason::InvalidSession)
    );
}

#[tokio::test]
async fn what_another_node_ended_is_refused_within_the_cache_time() {
    let cache_time = Duration::from_millis(2500);
    let w = world_with(|o| o.cache_time = cache_time).await;
    let user = w.sign_up("ann").await;
    assert!(w.call(&user.token).await.is_ok());
    // Behind the guard's back, as if nobody told this node.
    let query = Query::all("_Session");
    let found = w.store.find(&query, ReadOptions::default()).await;
    let id = found.unwrap().records.remove(0).id;
    let write = RecordWrite {
        collection: "_Session".into(),
        id,
        precondition: Precondition::Exists,
        action: Action::Delete,
        at: w.clock.now(),
    };
    let batch = WriteBatch::of(vec![Write::Record(write)]);
    let mut done = w.store.write(vec![batch]).await.unwrap();
    done.remove(0).unwrap();
    // Using it does not make it last.
    w.clock
        .advance(cache_time.saturating_sub(Duration::from_nanos(1)));
    assert!(w.call(&user.token).await.is_ok());
    w.clock.advance(Duration::from_nanos(1));
    assert_eq!(
        reason(w.call(&user.token).await),
        Some(Reason::InvalidSession)
    );
}

#[tokio::test]
async fn use_moves_the_end_on_where_asked() {
    let w = world_with(|o| {
        o.session_length = Some(Duration::from_hours(72));
        o.extend_session_on_use = true;
    })
    .await;
    let user = w.sign_up("ann").await;
    for _ in 0..5 {
        w.clock.advance(Duration::from_hours(48));
        assert!(w.call(&user.token).await.is_ok());
    }
    w.clock.advance(Duration::from_hours(73));
    assert_eq!(
        reason(w.call(&user.token).await),
        Some(Reason::InvalidSession)
    );
}

#[tokio::test]
async fn log_out_and_deletion_revoke_at_once() {
    let w = world().await;
    let (ann, bob) = (w.sign_up("ann").await, w.sign_up("bob").await);
    let call = w.call(&ann.token).await.unwrap();
    w.identity.log_out(&call).await.unwrap();
    assert_eq!(
        reason(w.call(&ann.token).await),
        Some(Reason::InvalidSession)
    );
    let call = w.call(&bob.token).await.unwrap();
    let delete = Delete {
        collection: "_User".into(),
        id: bob.id.as_str().into(),
    };
    w.data.delete(&call, delete).await.unwrap();
    assert_eq!(
        reason(w.call(&bob.token).await),
        Some(Reason::InvalidSession)
    );
}

#[tokio::test]
async fn one_session_for_each_installation() {
    let w = world().await;
    w.sign_up("ann").await;
    let log_in = || basalt_identity::LogIn {
        username: Some("ann".to_owned()),
        email: None,
        password: basalt_base::Secret::new("secret"),
    };
    let mut call = anyone();
    call.installation_id = Some("phone".into());
    let first = w.identity.log_in(&call, log_in()).await.unwrap();
    let second = w.identity.log_in(&call, log_in()).await.unwrap();
    let old = w.call(first.session_token.expose()).await;
    assert_eq!(reason(old), Some(Reason::InvalidSession));
    assert!(w.call(second.session_token.expose()).await.is_ok());
}

#[tokio::test]
async fn clients_see_their_own_sessions_and_forge_none() {
    let w = world().await;
    let ann = w.sign_up("ann").await;
    w.sign_up("bob").await;
    let call = w.call(&ann.token).await.unwrap();
    let page = w
        .data
        .find(&call, ObjectQuery::of("_Session"))
        .await
        .unwrap();
    assert_eq!(page.records.len(), 1);
    let shown = page.records[0].get("sessionToken").and_then(Value::as_str);
    assert_eq!(shown, Some(ann.token.as_str()));
    let all = w
        .data
        .find(&master(), ObjectQuery::of("_Session"))
        .await
        .unwrap();
    assert_eq!(all.records.len(), 2);
    assert!(all.records.iter().all(|r| r.get("sessionToken").is_none()));
    let other = all
        .records
        .iter()
        .find(|r| r.id != page.records[0].id)
        .unwrap();
    let foreign = w
        .update(&call, "_Session", &other.id, vec![text("note", "x")])
        .await;
    assert_eq!(reason(foreign), Some(Reason::ObjectNotFound));
    let far = Value::Timestamp(Timestamp::new(w.clock.now().seconds() * 2, 0));
    for change in [
        text("sessionToken", "r:00000000000000000000000000000000"),
        FieldChange::set("expiresAt", far),
    ] {
        let own = &page.records[0].id;
        let update = w.update(&call, "_Session", own, vec![change.clone()]).await;
        assert_eq!(reason(update), Some(Reason::InvalidFieldName));
        let create = w.create(&call, "_Session", vec![change], None).await;
        assert_eq!(reason(create), Some(Reason::InvalidFieldName));
    }
}

#[tokio::test]
async fn a_session_is_its_makers_whomever_it_names() {
    let w = world().await;
    let (ann, bob) = (w.sign_up("ann").await, w.sign_up("bob").await);
    let call = w.call(&ann.token).await.unwrap();
    let of = |id: &str| Value::Reference(crate::support::reference("_User", id));
    let naming = |id: &str| vec![FieldChange::set("user", of(id))];
    let made = w.create(&call, "_Session", naming(&bob.id), None).await;
    let (made, answer) = made.unwrap();
    let told = answer.iter().find(|(name, _)| &**name == "user");
    assert_eq!(told.map(|(_, user)| user), Some(&of(&ann.id)));
    let other = w.update(&call, "_Session", &made, naming(&bob.id)).await;
    assert_eq!(reason(other), Some(Reason::InvalidFieldName));
    let same = w.update(&call, "_Session", &made, naming(&ann.id)).await;
    assert_eq!(reason(same), None);
}

#[tokio::test]
async fn a_session_that_has_ended_makes_nothing_that_lasts() {
    let w = world().await;
    let user = w.sign_up("ann").await;
    // Known since before the end, as in another request under way or on another node.
    let call = w.call(&user.token).await.unwrap();
    w.identity.log_out(&call).await.unwrap();
    let made = w.create(&call, "_Session", vec![], None).await;
    assert_eq!(reason(made), Some(Reason::InvalidSession));
    for field in ["password", "email", "username"] {
        let changed = w.update(&call, "_User", &user.id, vec![text(field, "m@example.com")]);
        assert_eq!(
            reason(changed.await),
            Some(Reason::InvalidSession),
            "{field}"
        );
    }
    assert!(w.log_in("ann", "secret").await.is_ok());
}

#[tokio::test]
async fn a_session_without_acl_is_its_users_only() {
    let w = world().await;
    let (ann, bob) = (w.sign_up("ann").await, w.sign_up("bob").await);
    let fields = vec![
        FieldChange::set(
            "user",
            Value::Reference(crate::support::reference("_User", &ann.id)),
        ),
        text("sessionToken", "r:0123456789abcdef0123456789abcdef"),
    ];
    let (id, _) = w.create(&master(), "_Session", fields, None).await.unwrap();
    let delete = |call| {
        let delete = Delete {
            collection: "_Session".into(),
            id: id.as_str().into(),
        };
        let data = w.data.clone();
        async move { data.delete(&call, delete).await }
    };
    let stranger = w.call(&bob.token).await.unwrap();
    assert_eq!(
        reason(delete(stranger.clone()).await),
        Some(Reason::ObjectNotFound)
    );
    let changed = w
        .update(&stranger, "_Session", &id, vec![text("note", "x")])
        .await;
    assert_eq!(reason(changed), Some(Reason::ObjectNotFound));
    assert!(delete(w.call(&ann.token).await.unwrap()).await.is_ok());
}
