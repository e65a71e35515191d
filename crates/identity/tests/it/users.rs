//! Users: uniqueness, anonymous sign-up, what no caller may set or see.

use crate::support::{anonymous, anyone, master, reason, text, world, world_with};
use basalt_base::{Reason, Value};
use basalt_data::{FieldChange, ObjectQuery};

#[tokio::test]
async fn names_and_addresses_are_unique_in_any_case_and_form() {
    let w = world().await;
    w.sign_up("Zo\u{e9}").await;
    let twin = vec![text("username", "ZOE\u{301}"), text("password", "x")];
    let twin = w.create(&anyone(), "_User", twin, None).await;
    assert_eq!(reason(twin), Some(Reason::UsernameTaken));
    let with_email = |name: &str, email: &str| {
        vec![
            text("username", name),
            text("password", "x"),
            text("email", email),
        ]
    };
    let first = with_email("a", "Me@Example.com");
    w.create(&anyone(), "_User", first, None).await.unwrap();
    let second = with_email("b", "me@example.com");
    let second = w.create(&anyone(), "_User", second, None).await;
    assert_eq!(reason(second), Some(Reason::EmailTaken));
}

#[tokio::test]
async fn a_taken_name_leaves_no_session_behind() {
    let w = world().await;
    w.sign_up("ann").await;
    let twin = vec![text("username", "ann"), text("password", "x")];
    assert!(w.create(&anyone(), "_User", twin, None).await.is_err());
    let sessions = w
        .data
        .find(&master(), ObjectQuery::of("_Session"))
        .await
        .unwrap();
    assert_eq!(sessions.records.len(), 1);
}

#[tokio::test]
async fn anonymous_users_sign_up_come_back_and_become_named() {
    let w = world().await;
    let (id, answer) = w
        .create(&anyone(), "_User", vec![anonymous("device-1")], None)
        .await
        .unwrap();
    let token = |name: &str| {
        let found = answer.iter().find(|(n, _)| &**n == name);
        found.and_then(|(_, v)| v.as_str()).unwrap().to_owned()
    };
    assert_eq!(token("username").len(), 25);
    let twin = w
        .create(&anyone(), "_User", vec![anonymous("device-1")], None)
        .await;
    assert_eq!(reason(twin), Some(Reason::AccountAlreadyLinked));
    let FieldChange::Field(op) = anonymous("device-1") else {
        unreachable!()
    };
    let basalt_store::Op::Set(data) = op.op else {
        unreachable!()
    };
    let back = w
        .identity
        .log_in_with(&anyone(), &data)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(*back.user.records[0].id, *id);
    let call = w.call(&token("sessionToken")).await.unwrap();
    let named = vec![
        text("username", "ann"),
        text("password", "secret"),
        FieldChange::set("authData", Value::Null),
    ];
    w.update(&call, "_User", &id, named).await.unwrap();
    assert!(
        w.identity
            .log_in_with(&anyone(), &data)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(w.log_in("ann", "secret").await.unwrap().id, id);
}

#[tokio::test]
async fn an_empty_provider_map_is_no_credential_and_others_are_refused() {
    let w = world().await;
    let empty = FieldChange::set("authData", Value::Map(basalt_base::Map::new()));
    let result = w.create(&anyone(), "_User", vec![empty], None).await;
    assert_eq!(reason(result), Some(Reason::UsernameMissing));
    let data = Value::Map(basalt_base::Map::from_iter([(
        "facebook".to_owned(),
        Value::Map(basalt_base::Map::from_iter([(
            "id".to_owned(),
            Value::from("1"),
        )])),
    )]));
    let other = w
        .create(
            &anyone(),
            "_User",
            vec![FieldChange::set("authData", data)],
            None,
        )
        .await;
    assert_eq!(reason(other), Some(Reason::UnsupportedService));
}

#[tokio::test]
async fn clients_can_not_verify_their_own_address() {
    let w = world().await;
    let ann = w.sign_up("ann").await;
    let call = w.call(&ann.token).await.unwrap();
    let verified = vec![FieldChange::set("emailVerified", Value::Bool(true))];
    let result = w.update(&call, "_User", &ann.id, verified).await;
    assert_eq!(reason(result), Some(Reason::OperationForbidden));
}

#[tokio::test]
async fn an_empty_acl_locks_a_user_out() {
    let w = world().await;
    let ann = w.sign_up("ann").await;
    let update = basalt_data::Update {
        collection: "_User".into(),
        id: ann.id.as_str().into(),
        fields: vec![],
        acl: Some(basalt_store::Acl {
            read: Some(vec![]),
            write: Some(vec![]),
        }),
        filter: None,
    };
    w.data.update(&master(), update).await.unwrap();
    let result = w.log_in("ann", "secret").await;
    assert_eq!(reason(result), Some(Reason::InvalidCredentials));
}

#[tokio::test]
async fn nobody_signs_in_anonymously_where_that_is_switched_off() {
    let w = world_with(|o| o.anonymous_users = false).await;
    let made = w
        .create(&anyone(), "_User", vec![anonymous("device-1")], None)
        .await;
    assert_eq!(reason(made), Some(Reason::UnsupportedService));
    let FieldChange::Field(op) = anonymous("device-1") else {
        unreachable!()
    };
    let basalt_store::Op::Set(data) = op.op else {
        unreachable!()
    };
    // Also not who signed up when it was on.
    let back = w.identity.log_in_with(&anyone(), &data).await;
    assert_eq!(reason(back), Some(Reason::UnsupportedService));
}
