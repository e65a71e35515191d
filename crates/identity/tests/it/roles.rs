//! Roles: inheritance, cycles, and changes that take effect at once.

use crate::support::{World, master, reason, reference, text, world};
use basalt_base::{Reason, Reference};
use basalt_data::FieldChange;
use basalt_store::{Acl, AclEntry};

async fn role(w: &World, name: &str, users: Vec<Reference>, roles: Vec<Reference>) -> String {
    let fields = vec![
        text("name", name),
        FieldChange::AddRelation("users".into(), users),
        FieldChange::AddRelation("roles".into(), roles),
    ];
    w.create(&master(), "_Role", fields, Some(Acl::default()))
        .await
        .unwrap()
        .0
}

async fn roles_of(w: &World, token: &str) -> Vec<String> {
    let call = w.call(token).await.unwrap();
    let mut names: Vec<String> = call
        .principal
        .principals
        .entries()
        .iter()
        .filter_map(|entry| match entry {
            AclEntry::Role(name) => Some(name.to_string()),
            _ => None,
        })
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_member_of_a_role_is_one_of_those_above_and_cycles_end() {
    let w = world().await;
    let ann = w.sign_up("ann").await;
    let low = role(&w, "low", vec![reference("_User", &ann.id)], vec![]).await;
    let mid = role(&w, "mid", vec![], vec![reference("_Role", &low)]).await;
    role(&w, "top", vec![], vec![reference("_Role", &mid)]).await;
    role(&w, "other", vec![], vec![]).await;
    let cycle = FieldChange::AddRelation("roles".into(), vec![reference("_Role", &mid)]);
    w.update(&master(), "_Role", &low, vec![cycle])
        .await
        .unwrap();
    assert_eq!(roles_of(&w, &ann.token).await, ["low", "mid", "top"]);
}

#[tokio::test]
async fn leaving_a_role_takes_effect_at_once() {
    let w = world().await;
    let ann = w.sign_up("ann").await;
    let members = vec![reference("_User", &ann.id)];
    let id = role(&w, "staff", members.clone(), vec![]).await;
    assert_eq!(roles_of(&w, &ann.token).await, ["staff"]);
    let leave = FieldChange::RemoveRelation("users".into(), members);
    w.update(&master(), "_Role", &id, vec![leave])
        .await
        .unwrap();
    assert!(roles_of(&w, &ann.token).await.is_empty());
}

#[tokio::test]
async fn names_are_required_unique_and_fixed() {
    let w = world().await;
    let id = role(&w, "staff", vec![], vec![]).await;
    let unnamed = w
        .create(&master(), "_Role", vec![], Some(Acl::default()))
        .await;
    assert_eq!(reason(unnamed), Some(Reason::IncorrectType));
    let open = w
        .create(&master(), "_Role", vec![text("name", "x")], None)
        .await;
    assert_eq!(reason(open), Some(Reason::IncorrectType));
    let twin = vec![text("name", "staff")];
    let twin = w
        .create(&master(), "_Role", twin, Some(Acl::default()))
        .await;
    assert_eq!(reason(twin), Some(Reason::DuplicateValue));
    let renamed = w
        .update(&master(), "_Role", &id, vec![text("name", "y")])
        .await;
    assert_eq!(reason(renamed), Some(Reason::InvalidRoleName));
}
