//! Every caller × every rule × every ACL × every operation, against a tiny oracle.

use crate::support::*;
use basalt_base::{Reason, Result, Value};
use basalt_data::{Call, Create, FieldChange, ObjectQuery, Operation, PermissionSet, Rank, Rules};
use basalt_store::{Acl, AclEntry, FieldType, Op};

/// Who may, as one entry of the generated rules.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Grant {
    Nobody,
    Everybody,
    SignedIn,
    U1,
    Staff,
    Owner,
    Members,
    GroupedOwner,
    SignedInOwner,
}

const GRANTS: [Grant; 9] = [
    Grant::Nobody,
    Grant::Everybody,
    Grant::SignedIn,
    Grant::U1,
    Grant::Staff,
    Grant::Owner,
    Grant::Members,
    Grant::GroupedOwner,
    Grant::SignedInOwner,
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Access {
    Open,
    ReadOnly,
    U2,
    Staff,
    Locked,
}

const ACCESS: [Access; 5] = [
    Access::Open,
    Access::ReadOnly,
    Access::U2,
    Access::Staff,
    Access::Locked,
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Anyone,
    U1,
    U2,
    StaffU3,
    Master,
    ReadOnlyMaster,
}

const WHO: [Who; 6] = [
    Who::Anyone,
    Who::U1,
    Who::U2,
    Who::StaffU3,
    Who::Master,
    Who::ReadOnlyMaster,
];

impl Who {
    fn call(self) -> Call {
        match self {
            Self::Anyone => anyone(),
            Self::U1 => user("u1"),
            Self::U2 => user("u2"),
            Self::StaffU3 => member("u3", "staff"),
            Self::Master => master(),
            Self::ReadOnlyMaster => ranked(Rank::ReadOnlyMaster),
        }
    }

    fn is_client(self) -> bool {
        !matches!(self, Self::Master | Self::ReadOnlyMaster)
    }
}

fn rules(grant: Grant) -> Rules {
    let mut set = PermissionSet::default();
    let mut rules = Rules::closed();
    match grant {
        Grant::Nobody => {}
        Grant::Everybody => set.public = true,
        Grant::SignedIn => set.authenticated = true,
        Grant::U1 => set.users = vec!["u1".into()],
        Grant::Staff => set.roles = vec!["staff".into()],
        Grant::Owner => set.user_fields = vec!["owner".into()],
        Grant::Members => set.user_fields = vec!["members".into()],
        Grant::GroupedOwner => {
            rules.read_user_fields = vec!["owner".into()];
            rules.write_user_fields = vec!["owner".into()];
        }
        Grant::SignedInOwner => {
            set.authenticated = true;
            set.user_fields = vec!["owner".into()];
        }
    }
    for slot in [
        &mut rules.find,
        &mut rules.count,
        &mut rules.get,
        &mut rules.create,
        &mut rules.update,
        &mut rules.delete,
        &mut rules.add_field,
    ] {
        *slot = set.clone();
    }
    rules
}

fn acl(access: Access) -> Option<Acl> {
    let staff = [AclEntry::Role("staff".into())];
    match access {
        Access::Open => None,
        Access::ReadOnly => Some(only(&[AclEntry::Public], &[])),
        Access::U2 => Some(only(&[to_user("u2")], &[to_user("u2")])),
        Access::Staff => Some(only(&staff, &staff)),
        Access::Locked => Some(only(&[], &[])),
    }
}

/// What the rules say: refused, or which objects (all, or those of which the caller is the owner
/// or a member).
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Refused(Reason),
    All,
    /// u1 owns the objects; u2 is a member of them.
    Mine(bool),
}

fn verdict(who: Who, grant: Grant, operation: Operation) -> Verdict {
    let denied = Verdict::Refused(Reason::AccessDenied);
    match who {
        Who::Master => return Verdict::All,
        Who::ReadOnlyMaster if operation.is_read() => return Verdict::All,
        Who::ReadOnlyMaster => return Verdict::Refused(Reason::ReadOnly),
        _ => {}
    }
    let by_field = |mine: bool| match operation {
        Operation::Create => denied,
        _ => Verdict::Mine(mine),
    };
    match grant {
        Grant::Nobody => denied,
        Grant::Everybody => Verdict::All,
        Grant::SignedIn if who == Who::Anyone => Verdict::Refused(Reason::ObjectNotFound),
        Grant::SignedIn => Verdict::All,
        Grant::U1 if who == Who::U1 => Verdict::All,
        Grant::Staff if who == Who::StaffU3 => Verdict::All,
        Grant::U1 | Grant::Staff => denied,
        Grant::Owner | Grant::GroupedOwner => by_field(who == Who::U1),
        Grant::Members => by_field(who == Who::U2),
        Grant::SignedInOwner if who == Who::Anyone => Verdict::Refused(Reason::ObjectNotFound),
        Grant::SignedInOwner if operation == Operation::Create => Verdict::All,
        Grant::SignedInOwner => Verdict::Mine(who == Who::U1),
    }
}

fn acl_allows(who: Who, access: Access, write: bool) -> bool {
    match access {
        _ if !who.is_client() => true,
        Access::Open => true,
        Access::ReadOnly => !write,
        Access::U2 => who == Who::U2,
        Access::Staff => who == Who::StaffU3,
        Access::Locked => false,
    }
}

/// What happens to one existing object.
fn expected(who: Who, grant: Grant, access: Access, operation: Operation) -> Result<(), Reason> {
    let allowed = match verdict(who, grant, operation) {
        Verdict::Refused(reason) => return Err(reason),
        Verdict::All => true,
        Verdict::Mine(mine) => mine,
    };
    if allowed && acl_allows(who, access, !operation.is_read()) {
        Ok(())
    } else {
        Err(Reason::ObjectNotFound)
    }
}

fn post(access: Access) -> Create {
    Create {
        acl: acl(access),
        ..new(
            "Post",
            vec![
                ("owner", pointer("_User", "u1")),
                ("members", Value::Array(vec![pointer("_User", "u2")])),
                ("n", Value::Int(1)),
            ],
        )
    }
}

fn reason<T>(result: Result<T>) -> Result<(), Reason> {
    result.map(|_| ()).map_err(|e| e.reason())
}

async fn class(w: &World, grant: Grant) {
    let fields = vec![
        ("owner", FieldType::Reference("_User".into())),
        ("members", FieldType::Array),
        ("n", FieldType::Number),
    ];
    w.data
        .create_schema(&master(), schema("Post", fields))
        .await
        .unwrap();
    w.set_rules("Post", rules(grant)).await;
}

#[tokio::test]
async fn reads_follow_rules_and_acls() {
    for grant in GRANTS {
        let w = world().await;
        class(&w, grant).await;
        let mut posts = Vec::new();
        for access in ACCESS {
            posts.push((access, w.put_with(post(access)).await));
        }
        for who in WHO {
            let call = who.call();
            let mut visible = Vec::new();
            for (access, id) in &posts {
                let case = format!("{who:?} {grant:?} {access:?}");
                let expected = expected(who, grant, *access, Operation::Get);
                let got = reason(w.read(&call, "Post", id).await);
                assert_eq!(got, expected, "get {case}");
                if expected.is_ok() {
                    visible.push(&**id);
                }
            }
            let found = w.data.find(&call, query("Post")).await;
            let counted = ObjectQuery {
                count: true,
                limit: Some(0),
                ..query("Post")
            };
            let counted = w.data.find(&call, counted).await;
            if let Verdict::Refused(why) = verdict(who, grant, Operation::Find) {
                assert_eq!(reason(found), Err(why), "find {who:?} {grant:?}");
                assert_eq!(reason(counted), Err(why), "count {who:?} {grant:?}");
            } else {
                assert_eq!(ids(&found.unwrap().records), visible, "{who:?} {grant:?}");
                assert_eq!(counted.unwrap().count, Some(visible.len() as u64));
            }
        }
    }
}

#[tokio::test]
async fn writes_follow_rules_and_acls() {
    for grant in GRANTS {
        let w = world().await;
        class(&w, grant).await;
        for who in WHO {
            let call = who.call();
            let made = w.data.create(&call, post(Access::Open)).await;
            let expected_create = match verdict(who, grant, Operation::Create) {
                Verdict::Refused(reason) => Err(reason),
                _ => Ok(()),
            };
            assert_eq!(reason(made), expected_create, "create {who:?} {grant:?}");
            for access in ACCESS {
                let case = format!("{who:?} {grant:?} {access:?}");
                let id = w.put_with(post(access)).await;
                let update = change("Post", &id, vec![FieldChange::set("n", Value::Int(2))]);
                let got = reason(w.data.update(&call, update).await);
                let expected_update = expected(who, grant, access, Operation::Update);
                assert_eq!(got, expected_update, "update {case}");
                let n = w
                    .read(&master(), "Post", &id)
                    .await
                    .unwrap()
                    .get("n")
                    .cloned();
                assert_eq!(n == Some(Value::Int(2)), expected_update.is_ok(), "{case}");
                let got = reason(w.data.delete(&call, gone("Post", &id)).await);
                assert_eq!(
                    got,
                    expected(who, grant, access, Operation::Delete),
                    "delete {case}"
                );
                let there = w.read(&master(), "Post", &id).await.is_ok();
                assert_eq!(there, got.is_err(), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn adding_fields_is_a_right_of_its_own() {
    for grant in GRANTS {
        for who in WHO {
            let w = world().await;
            class(&w, grant).await;
            let id = w.put_with(post(Access::Open)).await;
            let add_field = rules(grant).add_field;
            let grouped = rules(grant).write_user_fields;
            let rules = Rules {
                add_field,
                write_user_fields: grouped,
                ..Rules::open()
            };
            w.set_rules("Post", rules).await;
            let case = format!("{who:?} {grant:?}");
            let mut create = post(Access::Open);
            create
                .fields
                .push(FieldChange::set("on_create", Value::Int(1)));
            let expected_create = match verdict(who, grant, Operation::AddField) {
                _ if who == Who::ReadOnlyMaster => Err(Reason::ReadOnly),
                Verdict::Refused(reason) => Err(reason),
                Verdict::All => Ok(()),
                Verdict::Mine(_) => Err(Reason::AccessDenied),
            };
            assert_eq!(
                reason(w.data.create(&who.call(), create).await),
                expected_create,
                "{case}"
            );
            let fields = vec![FieldChange::set("on_update", Value::Int(1))];
            let got = reason(
                w.data
                    .update(&who.call(), change("Post", &id, fields))
                    .await,
            );
            let expected = expected(who, grant, Access::Open, Operation::AddField);
            assert_eq!(got, expected, "{case}");
            let there = w
                .store
                .catalogue()
                .collection("Post")
                .unwrap()
                .field("on_update")
                .is_some();
            assert_eq!(there, expected.is_ok(), "{case}");
            // Null makes no field, but is kept under its name all the same.
            let null = vec![FieldChange::set("no", Value::Null)];
            let got = reason(w.data.update(&who.call(), change("Post", &id, null)).await);
            assert_eq!(got, expected, "{case}");
            // What is there already, and what leaves nothing, needs no such right.
            let plain = vec![
                FieldChange::set("n", Value::Int(3)),
                op("not_there", Op::Unset),
            ];
            let plain = w.data.update(&who.call(), change("Post", &id, plain)).await;
            assert_eq!(plain.is_ok(), who != Who::ReadOnlyMaster, "{case}");
        }
    }
}

#[tokio::test]
async fn refusals_hide_their_details_where_the_app_wants_that() {
    for (sanitize, find, get) in [
        (
            false,
            "Permission denied for action find on class Post.",
            "Permission denied, user needs to be authenticated.",
        ),
        (true, "Permission denied", "Permission denied"),
    ] {
        let w = world_with(|o| o.sanitize_refusals = sanitize).await;
        let id = w.put("Post", vec![]).await;
        let rules = Rules {
            get: PermissionSet {
                authenticated: true,
                ..PermissionSet::default()
            },
            ..Rules::closed()
        };
        w.set_rules("Post", rules).await;
        let found = why(w.data.find(&anyone(), query("Post")).await);
        assert_eq!(found, (Reason::AccessDenied, find.to_owned()));
        let got = why(w.read(&anyone(), "Post", &id).await);
        assert_eq!(got, (Reason::ObjectNotFound, get.to_owned()));
    }
}
