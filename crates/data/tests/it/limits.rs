//! Limits on queries.

use crate::support::*;
use basalt_base::{Map, Reason, Value};
use basalt_data::{FieldChange, Include, ObjectQuery, Where};
use basalt_store::{AclEntry, FieldOp, Op, Path, Test};

async fn refused(asked: ObjectQuery) -> String {
    let w = world_with(|o| {
        o.limits.filter_depth_max = 5;
        o.limits.filter_nodes_max = 50;
        o.limits.list_values_max = 10;
        o.limits.subquery_depth_max = 2;
        o.limits.include_depth_max = 3;
        o.limits.include_paths_max = 4;
        o.limits.skip_max = 100;
    })
    .await;
    w.put("P", vec![("n", Value::Int(1))]).await;
    w.data.find(&anyone(), query("P")).await.unwrap();
    let (reason, message) = why(w.data.find(&master(), asked).await);
    assert_eq!(reason, Reason::QueryTooComplex);
    message
}

#[tokio::test]
async fn every_dimension_of_a_query_is_limited() {
    let mut deep = equals("n", Value::Int(1));
    for _ in 0..6 {
        deep = Where::Or(vec![deep]);
    }
    let message = refused(filtered("P", deep)).await;
    assert_eq!(
        message,
        "Query condition nesting depth exceeds maximum allowed depth of 5"
    );

    let wide = (0..50).map(|n| equals("n", Value::Int(n))).collect();
    assert!(
        refused(filtered("P", Where::Or(wide)))
            .await
            .contains("conditions")
    );

    let list = Test::In((0..11).map(Value::Int).collect());
    let listed = Where::Test(Path::field("n"), list);
    assert!(refused(filtered("P", listed)).await.contains("11 values"));

    let mut nested = query("P");
    for _ in 0..3 {
        let inner = Where::InQuery {
            path: Path::field("p"),
            query: Box::new(nested),
            negated: false,
        };
        nested = filtered("P", inner);
    }
    let message = refused(nested).await;
    assert_eq!(
        message,
        "Subquery nesting depth exceeds maximum allowed depth of 2"
    );

    let far = ObjectQuery {
        skip: 101,
        ..query("P")
    };
    assert!(refused(far).await.contains("skip"));
}

#[tokio::test]
async fn includes_are_limited() {
    let mut include = Include::default();
    let mut node = &mut include;
    for step in ["a", "b", "c", "d"] {
        node = node.child_mut(step);
        node.here = true;
    }
    let deep = ObjectQuery {
        include,
        ..query("P")
    };
    assert_eq!(
        refused(deep).await,
        "Include depth of 4 exceeds maximum allowed depth of 3"
    );

    let mut include = Include::default();
    for step in ["a", "b", "c", "d", "e"] {
        include.child_mut(step).here = true;
    }
    let many = ObjectQuery {
        include,
        ..query("P")
    };
    assert_eq!(
        refused(many).await,
        "Number of include fields (5) exceeds maximum allowed (4)"
    );
}

#[tokio::test]
async fn a_sub_query_with_too_many_objects_is_an_error_and_no_wrong_answer() {
    let w = world_with(|o| o.limits.subquery_rows_max = 2).await;
    for _ in 0..3 {
        w.put("City", vec![]).await;
    }
    w.put("House", vec![]).await;
    let filter = |limit| Where::InQuery {
        path: Path::field("city"),
        query: Box::new(ObjectQuery {
            limit,
            ..query("City")
        }),
        negated: true,
    };
    let got = why(w
        .data
        .find(&anyone(), filtered("House", filter(None)))
        .await);
    assert_eq!(got.0, Reason::QueryTooComplex);
    w.data
        .find(&anyone(), filtered("House", filter(Some(2))))
        .await
        .unwrap();
}

#[tokio::test]
async fn paths_of_a_write_nest_no_deeper_than_values() {
    let w = world_with(|o| o.limits.json_depth_max = 5).await;
    let ops = [
        Op::Append(Vec::new()),
        Op::AddUnique(Vec::new()),
        Op::Remove(Vec::new()),
        Op::Increment(Value::Int(1)),
        Op::Set(Value::Int(1)),
        Op::SetOnInsert(Value::Int(1)),
        Op::Unset,
    ];
    for op in ops {
        let at = |steps: usize| {
            let path = Path::dotted(&format!("o{}", ".a".repeat(steps)));
            vec![FieldChange::Field(FieldOp {
                path,
                op: op.clone(),
            })]
        };
        let mut create = new("Post", vec![]);
        create.fields = at(6);
        let got = why(w.data.create(&anyone(), create).await);
        assert_eq!(got.0, Reason::InvalidJson, "{op:?}: {}", got.1);
        let id = w.put("Post", vec![]).await;
        let got = why(w.data.update(&anyone(), change("Post", &id, at(6))).await);
        assert_eq!(got.0, Reason::InvalidJson, "{op:?}: {}", got.1);
        let within = change("Post", &id, at(5));
        w.data.update(&anyone(), within).await.unwrap();
    }
}

#[tokio::test]
async fn a_write_names_no_more_fields_than_there_can_be() {
    let w = world_with(|o| o.limits.fields_max = 20).await;
    let id = w.put("Post", vec![("o", Value::Map(Map::new()))]).await;
    let many = |path: &dyn Fn(usize) -> String, count: usize, kind: &Op| -> Vec<FieldChange> {
        (0..count).map(|n| op(&path(n), kind.clone())).collect()
    };
    let field = |n: usize| format!("f{n}");
    let nested = |n: usize| format!("o.f{n}");
    for kind in [
        Op::Set(Value::Null),
        Op::Increment(Value::Int(1)),
        Op::Append(Vec::new()),
        Op::Unset,
    ] {
        for changes in [many(&field, 250_000, &kind), many(&nested, 250_000, &kind)] {
            let mut create = new("Post", vec![]);
            create.fields.clone_from(&changes);
            let got = why(w.data.create(&anyone(), create).await);
            assert_eq!(got.0, Reason::QuotaExceeded, "{}", got.1);
            let got = why(w.data.update(&anyone(), change("Post", &id, changes)).await);
            assert_eq!(got.0, Reason::QuotaExceeded, "{}", got.1);
        }
    }
    let changes = many(&nested, 200, &Op::Increment(Value::Int(1)));
    w.data
        .update(&anyone(), change("Post", &id, changes))
        .await
        .unwrap();
}

#[tokio::test]
async fn acls_are_limited() {
    let w = world().await;
    let users =
        |count: usize| -> Vec<AclEntry> { (0..count).map(|n| to_user(&format!("u{n}"))).collect() };
    let mut create = new("Post", vec![]);
    create.acl = Some(only(&users(1_000), &users(1_000)));
    let id = w.put_with(create.clone()).await;
    for acl in [only(&users(1_001), &[]), only(&[], &users(120_000))] {
        create.acl = Some(acl.clone());
        let got = why(w.data.create(&anyone(), create.clone()).await);
        assert_eq!(got.0, Reason::InvalidAcl, "{}", got.1);
        let mut update = change("Post", &id, vec![]);
        update.acl = Some(acl);
        let got = why(w.data.update(&master(), update).await);
        assert_eq!(got.0, Reason::InvalidAcl, "{}", got.1);
    }
}
