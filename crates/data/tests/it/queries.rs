//! Queries: limits, sub-queries, projections, counts.

use crate::support::*;
use basalt_base::{Map, Reason, Timestamp, Value};
use basalt_data::{Include, ObjectQuery, Rules, Where};
use basalt_store::{FieldRef, Path, Sort, SortKey, Test};

#[tokio::test]
async fn limits_and_counts_are_what_was_asked_for() {
    let w = world_with(|o| {
        o.limits.query_rows_default = 3;
        o.query_rows_max = Some(4);
    })
    .await;
    for n in 0..6 {
        w.put("N", vec![("n", Value::Int(n))]).await;
    }
    let rows = async |limit: Option<u64>, skip: u64| {
        let asked = ObjectQuery {
            limit,
            skip,
            count: true,
            ..query("N")
        };
        let page = w.data.find(&anyone(), asked).await.unwrap();
        (page.records.len(), page.count)
    };
    assert_eq!(rows(None, 0).await, (3, Some(6)));
    assert_eq!(rows(Some(100), 0).await, (4, Some(6)));
    assert_eq!(rows(Some(0), 0).await, (0, Some(6)));
    assert_eq!(rows(Some(4), 5).await, (1, Some(6)));
    let page = w.data.find(&anyone(), query("Nope")).await.unwrap();
    assert!(page.records.is_empty() && page.collection.is_none());
}

#[tokio::test]
async fn clients_learn_of_collections_only_where_they_may_make_them() {
    let w = world_with(|o| o.allow_client_collection_creation = false).await;
    let message = "This user is not allowed to access non-existent class: Nope".to_owned();
    let refused = (Reason::OperationForbidden, message);
    assert_eq!(why(w.data.find(&anyone(), query("Nope")).await), refused);
    assert_eq!(
        why(w.data.create(&anyone(), new("Nope", vec![])).await),
        refused
    );
    let inner = Where::InQuery {
        path: Path::field("x"),
        query: Box::new(query("Nope")),
        negated: false,
    };
    w.put("Here", vec![]).await;
    assert_eq!(
        why(w.data.find(&anyone(), filtered("Here", inner)).await),
        refused
    );
    assert!(
        w.data
            .find(&master(), query("Nope"))
            .await
            .unwrap()
            .records
            .is_empty()
    );
    assert!(
        w.data
            .find(&anyone(), query("_User"))
            .await
            .unwrap()
            .records
            .is_empty()
    );
    let w = world_with(|o| {
        o.allow_client_collection_creation = false;
        o.sanitize_refusals = true;
    })
    .await;
    assert_eq!(
        why(w.data.find(&anyone(), query("Nope")).await).1,
        "Permission denied"
    );
}

#[tokio::test]
async fn sub_queries_run_with_the_callers_rights() {
    let w = world().await;
    let open = w
        .put(
            "City",
            vec![("name", text("Bern")), ("size", Value::Int(1))],
        )
        .await;
    let locked = basalt_data::Create {
        acl: Some(only(&[to_user("u1")], &[])),
        ..new("City", vec![("name", text("Rom")), ("size", Value::Int(2))])
    };
    let locked = w.put_with(locked).await;
    for city in [&open, &locked] {
        w.put("House", vec![("city", pointer("City", city))]).await;
    }
    w.put("House", vec![("size", Value::Int(2))]).await;
    let in_city = |negated| Where::InQuery {
        path: Path::field("city"),
        query: Box::new(query("City")),
        negated,
    };
    let same_size = |negated| Where::Select {
        path: Path::field("size"),
        key: Path::field("size"),
        query: Box::new(query("City")),
        negated,
    };
    let count = async |call, filter| {
        let page = w.data.find(&call, filtered("House", filter)).await;
        page.map(|p| p.records.len())
    };
    assert_eq!(count(anyone(), in_city(false)).await.unwrap(), 1);
    assert_eq!(count(user("u1"), in_city(false)).await.unwrap(), 2);
    assert_eq!(count(user("u1"), in_city(true)).await.unwrap(), 1);
    assert_eq!(count(anyone(), same_size(false)).await.unwrap(), 0);
    assert_eq!(count(master(), same_size(false)).await.unwrap(), 1);
    assert_eq!(count(master(), same_size(true)).await.unwrap(), 2);
    let nested = Where::Or(vec![in_city(false), same_size(false)]);
    assert_eq!(count(master(), nested).await.unwrap(), 3);
    w.set_rules("City", Rules::closed()).await;
    assert_eq!(
        why(count(user("u1"), in_city(false)).await).0,
        Reason::AccessDenied
    );
}

#[tokio::test]
async fn values_of_a_subquery_come_out_of_lists_and_references() {
    let w = world().await;
    let a = w.put("Person", vec![("n", Value::Int(1))]).await;
    let b = w.put("Person", vec![("n", Value::Int(2))]).await;
    let members = Value::Array(vec![pointer("Person", &a)]);
    let group = vec![("members", members), ("owner", pointer("Person", &b))];
    w.put("Group", group).await;
    w.put("Group", vec![]).await;
    w.put("Post", vec![("author", pointer("Person", &a))]).await;
    w.put("Post", vec![("author", pointer("Person", &b))]).await;
    let select = |path: Path, key: &str, negated| Where::Select {
        path,
        key: Path::dotted(key),
        query: Box::new(query("Group")),
        negated,
    };
    let count = async |collection, filter| {
        let page = w.data.find(&anyone(), filtered(collection, filter)).await;
        page.unwrap().records.len()
    };
    for negated in [false, true] {
        let author = select(Path::field("author"), "members", negated);
        assert_eq!(count("Post", author).await, 1);
        for key in ["owner.objectId", "members.objectId"] {
            let id = select(Path::system(FieldRef::Id), key, negated);
            assert_eq!(count("Person", id).await, 1, "{key}");
        }
    }
}

#[tokio::test]
async fn tests_about_times_need_a_field_that_can_hold_some() {
    let w = world().await;
    let at = Value::Timestamp(Timestamp::from_millis(5));
    let map = Value::Map(Map::from([("at".to_owned(), at.clone())]));
    let n = ("n", Value::Int(1));
    w.put("T", vec![("at", at), ("map", map), n]).await;
    let early = |path| {
        let bound = Value::Timestamp(Timestamp::from_millis(9));
        let path = match path {
            "createdAt" => Path::system(FieldRef::CreatedAt),
            path => Path::dotted(path),
        };
        filtered("T", Where::OnTime(path, Test::Lt(bound)))
    };
    for (path, found) in [("at", 1), ("map.at", 1), ("createdAt", 0), ("unknown", 0)] {
        let page = w.data.find(&anyone(), early(path)).await.unwrap();
        assert_eq!(page.records.len(), found, "{path}");
    }
    for path in ["n", "map"] {
        let refused = w.data.find(&anyone(), early(path)).await;
        let message = match path {
            "n" => "The field n holds no times.",
            _ => "The field map holds no times.",
        };
        assert_eq!(why(refused), (Reason::InvalidJson, message.to_owned()));
    }
}

#[tokio::test]
async fn a_find_by_id_needs_the_permission_to_get() {
    let w = world().await;
    let id = w.put("Post", vec![("n", Value::Int(1))]).await;
    let rules = Rules {
        find: Rules::closed().find,
        ..Rules::open()
    };
    w.set_rules("Post", rules).await;
    let page = w
        .data
        .find(&anyone(), filtered("Post", by_id(&id)))
        .await
        .unwrap();
    assert_eq!(ids(&page.records), [&*id]);
    let more = Where::And(vec![by_id(&id), equals("n", Value::Int(1))]);
    let got = why(w.data.find(&anyone(), filtered("Post", more)).await);
    assert_eq!(got.1, "Permission denied for action find on class Post.");
}

#[tokio::test]
async fn only_wanted_fields_are_shown() {
    let w = world().await;
    w.put(
        "P",
        vec![
            ("a", Value::Int(1)),
            ("b", Value::Int(2)),
            ("c", Value::Int(3)),
        ],
    )
    .await;
    let shown = async |keys: Option<&[&str]>, exclude: &[&str]| {
        let boxed = |list: &[&str]| list.iter().map(|k| Box::from(*k)).collect::<Vec<_>>();
        let asked = ObjectQuery {
            keys: keys.map(boxed),
            exclude_keys: boxed(exclude),
            ..query("P")
        };
        let page = w.data.find(&anyone(), asked).await.unwrap();
        field_names(&page.records[0]).join("")
    };
    assert_eq!(shown(None, &[]).await, "abc");
    assert_eq!(shown(Some(&["a", "c.x", "nope"]), &[]).await, "ac");
    assert_eq!(shown(Some(&[]), &[]).await, "");
    assert_eq!(shown(None, &["a"]).await, "bc");
    assert_eq!(shown(Some(&["a", "b"]), &["a"]).await, "b");
}

#[tokio::test]
async fn order_is_checked_and_unknown_fields_sort_nothing() {
    let w = world().await;
    for n in [2, 1, 3] {
        w.put("N", vec![("n", Value::Int(n))]).await;
    }
    let by = |path: &str| ObjectQuery {
        sort: vec![Sort {
            key: SortKey::Path(Path::dotted(path)),
            descending: true,
        }],
        ..query("N")
    };
    let page = w.data.find(&anyone(), by("n")).await.unwrap();
    let numbers: Vec<_> = page
        .records
        .iter()
        .filter_map(|r| r.get("n")?.as_f64())
        .collect();
    assert_eq!(numbers, [3.0, 2.0, 1.0]);
    assert_eq!(
        w.data
            .find(&anyone(), by("nope"))
            .await
            .unwrap()
            .records
            .len(),
        3
    );
    let got = why(w.data.find(&anyone(), by("a'b")).await);
    assert_eq!(
        got,
        (
            Reason::InvalidFieldName,
            "Invalid field name: a'b.".to_owned()
        )
    );
    for key in ["a-b", "a b", "x.$y", "1", "a.b');--"] {
        let filter = Where::Test(Path::dotted(key), Test::Exists(true));
        let got = why(w.data.find(&master(), filtered("N", filter)).await);
        assert_eq!(
            got,
            (Reason::InvalidFieldName, format!("Invalid key name: {key}"))
        );
    }
    let acl = Where::Test(Path::field("ACL"), Test::Exists(true));
    let got = why(w.data.find(&anyone(), filtered("N", acl)).await);
    assert_eq!(
        got,
        (Reason::InvalidQuery, "Cannot query on ACL.".to_owned())
    );
}

#[tokio::test]
async fn plans_are_for_the_master_key() {
    let w = world().await;
    w.put("N", vec![]).await;
    let asked = || ObjectQuery {
        explain: true,
        ..query("N")
    };
    let got = why(w.data.find(&anyone(), asked()).await);
    assert_eq!(
        got.1,
        "Using the explain query parameter requires the master key"
    );
    assert!(
        w.data
            .find(&master(), asked())
            .await
            .unwrap()
            .explain
            .is_some()
    );
}

#[tokio::test]
async fn distinct_values_are_for_the_master_key() {
    let w = world().await;
    for n in [2, 1, 2] {
        w.put("N", vec![("n", Value::Int(n))]).await;
    }
    let path = Path::field("n");
    let got = why(w.data.distinct(&anyone(), query("N"), &path).await);
    assert_eq!(got.0, Reason::MasterKeyRequired);
    let values = w.data.distinct(&master(), query("N"), &path).await.unwrap();
    assert_eq!(values, [Value::Int(1), Value::Int(2)]);
    assert!(
        w.data
            .distinct(&master(), query("Nope"), &path)
            .await
            .unwrap()
            .is_empty()
    );
    let hash = Path::field("_hashed_password");
    assert!(
        w.data
            .distinct(&master(), query("_User"), &hash)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn an_include_of_everything_with_keys_shows_the_references_too() {
    let w = world().await;
    let a = w.put("A", vec![("x", Value::Int(1))]).await;
    w.put(
        "P",
        vec![
            ("ref", pointer("A", &a)),
            ("n", Value::Int(1)),
            ("m", Value::Int(2)),
        ],
    )
    .await;
    let asked = ObjectQuery {
        include_all: true,
        keys: Some(vec!["n".into()]),
        include: Include::default(),
        ..query("P")
    };
    let page = w.data.find(&anyone(), asked).await.unwrap();
    assert_eq!(field_names(&page.records[0]), ["ref", "n"]);
    assert_eq!(page.included.len(), 1);
}

#[tokio::test]
async fn system_fields_can_be_tested_and_sorted_by() {
    let w = world().await;
    let id = w.put("N", vec![]).await;
    w.clock.advance(std::time::Duration::from_secs(1));
    let later = w.put("N", vec![]).await;
    let sort = Sort {
        key: SortKey::Path(Path::system(FieldRef::CreatedAt)),
        descending: true,
    };
    let asked = ObjectQuery {
        sort: vec![sort],
        ..query("N")
    };
    let page = w.data.find(&anyone(), asked).await.unwrap();
    assert_eq!(ids(&page.records), [&*later, &*id]);
}
