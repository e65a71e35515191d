//! Apps: the registry, separation, reopening.

use super::Harness;
use super::fixture::*;
use crate::{FieldType, Filter, IndexKind, Op, Position, StoreId};
use basalt_base::{AppId, Map, Timestamp, Value};

fn settings(n: i64) -> Map {
    [("n".to_owned(), Value::Int(n))].into_iter().collect()
}

pub async fn the_registry(h: &dyn Harness) {
    let store = h.open().await;
    let system = store.system();
    assert!(system.apps().await.unwrap().is_empty());
    let at = Timestamp::from_millis(AT);
    let make = async |id: &str, account: &str, n| {
        system
            .create_app(&AppId::new(id), account, settings(n), at)
            .await
    };
    let one = make("one", "000000000001", 1).await.unwrap();
    let two = make("Two's \"app\"", "000000000002", 2).await.unwrap();
    assert_ne!(one.store_id, two.store_id);
    assert_eq!(
        (one.app_id.as_str(), &*one.account),
        ("one", "000000000001")
    );
    assert_eq!((one.created_at, &one.settings), (at, &settings(1)));
    refused!(make("one", "000000000003", 3).await, DuplicateValue);
    system.update_app(two.store_id, settings(9)).await.unwrap();
    let listed = system.apps().await.unwrap();
    let brief: Vec<_> = listed
        .iter()
        .map(|a| (a.app_id.as_str(), a.settings.clone()))
        .collect();
    assert_eq!(
        brief,
        [("one", settings(1)), ("Two's \"app\"", settings(9))]
    );
    system.remove_app(two.store_id).await.unwrap();
    let three = make("Two's \"app\"", "000000000002", 4).await.unwrap();
    assert_ne!(
        three.store_id, two.store_id,
        "internal numbers are not reused"
    );
    drop(store);
    let store = h.open().await;
    let listed = store.system().apps().await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[1].store_id, three.store_id);
    assert_eq!(listed[1].created_at, at);
}

pub async fn apps_are_separate(h: &dyn Harness) {
    let one = Fixture::open(h).await;
    let two = Fixture {
        store: one.store.clone(),
        app: one.store.open_app(StoreId(2)).await.unwrap(),
    };
    one.define("T", &[("n", FieldType::Number)]).await;
    assert!(two.app.catalogue().collections.is_empty());
    two.define("T", &[("n", FieldType::String)]).await;
    one.create("T", "a", r#"{"n":1}"#).await;
    assert!(two.get("T", "a").await.is_none());
    assert_eq!(two.app.position(), Position(0));
    two.create("T", "a", r#"{"n":"x"}"#).await;
    assert_eq!(one.value("T", "a", "n").await, Some(v("1")));
    two.app.clear().await.unwrap();
    assert_eq!(one.value("T", "a", "n").await, Some(v("1")));
}

pub async fn handles_share(h: &dyn Harness) {
    let one = Fixture::open(h).await;
    let again = one.store.open_app(StoreId(1)).await.unwrap();
    one.define("T", &[("n", FieldType::Number)]).await;
    assert!(again.catalogue().collection("T").is_some());
    one.create("T", "a", "{}").await;
    assert!(again.get("T", "a").await.unwrap().is_some());
    assert_eq!(again.position(), one.app.position());
    let Fixture { store, app } = one;
    drop(app);
    assert!(
        again.get("T", "a").await.unwrap().is_some(),
        "other handles live on"
    );
    drop(again);
    let app = store.open_app(StoreId(1)).await.unwrap();
    assert!(app.get("T", "a").await.unwrap().is_some());
}

pub async fn deleted_apps_are_gone(h: &dyn Harness) {
    let Fixture { store, app } = {
        let f = Fixture::open(h).await;
        f.define("T", &[]).await;
        f.create("T", "a", "{}").await;
        f
    };
    drop(app);
    store.delete_app(StoreId(1)).await.unwrap();
    let app = store.open_app(StoreId(1)).await.unwrap();
    assert!(app.catalogue().collections.is_empty());
    assert!(app.get("T", "a").await.unwrap().is_none());
}

pub async fn clearing_leaves_nothing(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[("n", FieldType::Number)]).await;
    f.change(create_index("T", "i", IndexKind::Unique, &["n"]))
        .await
        .unwrap();
    f.create("T", "a", r#"{"n":1}"#).await;
    f.app.clear().await.unwrap();
    assert!(f.app.catalogue().collections.is_empty());
    assert!(f.get("T", "a").await.is_none());
    f.define("T", &[("n", FieldType::String)]).await;
    assert_eq!(f.matching("T", Filter::Everything).await, "");
    f.create("T", "a", r#"{"n":"x"}"#).await;
    assert!(f.app.verify().await.unwrap().is_empty());
    drop(f);
    let f = Fixture::open(h).await;
    assert_eq!(f.value("T", "a", "n").await, Some(v("\"x\"")));
}

pub async fn everything_outlives_reopening(h: &dyn Harness) {
    let types = [
        ("n", FieldType::Number),
        ("gone", FieldType::Number),
        ("m", FieldType::Object),
    ];
    let (made, position, old_field, catalogue) = {
        let f = Fixture::open(h).await;
        f.define("T", &types).await;
        f.change(create_index("T", "i", IndexKind::Unique, &["n"]))
            .await
            .unwrap();
        f.create("T", "b", r#"{"n":2,"gone":1}"#).await;
        f.create("T", "a", r#"{"n":null,"m":{"deep":[{"$t":[1,5]}]}}"#)
            .await;
        let gone = f.collection("T").field("gone").unwrap().id;
        let (collection, name) = ("T".into(), "gone".into());
        let drop_field = crate::SchemaChange::DropField { collection, name };
        f.change(drop_field).await.unwrap();
        let made = f.get("T", "a").await.unwrap();
        (made, f.app.position(), gone, f.app.catalogue())
    };
    let f = Fixture::open(h).await;
    assert!(same_record(&made, &f.get("T", "a").await.unwrap()));
    assert_eq!(f.app.position(), position);
    assert_eq!(
        f.matching("T", Filter::Everything).await,
        "b a",
        "the order of creation too"
    );
    let again = f.app.catalogue();
    assert_eq!(again.version, catalogue.version);
    let (old, new) = (&catalogue.collections["T"], &again.collections["T"]);
    assert_eq!(
        (old.id, old.version, &old.indexes),
        (new.id, new.version, &new.indexes)
    );
    let ids = |c: &crate::Collection| c.fields.iter().map(|f| f.id).collect::<Vec<_>>();
    assert_eq!(ids(old), ids(new));
    refused!(
        f.write(create("T", "c", fields(r#"{"n":2}"#))).await,
        DuplicateValue
    );
    f.define("T", &[("gone", FieldType::Number)]).await;
    assert_ne!(
        f.collection("T").field("gone").unwrap().id,
        old_field,
        "also after reopening"
    );
    assert_eq!(f.value("T", "b", "gone").await, None);
    let changed = f
        .update("T", "a", vec![("n", Op::Set(v("7")))])
        .await
        .unwrap();
    assert_eq!(changed.rev, position.0 + 1, "positions go on");
    let log = f.app.changes(position, 10).await.unwrap().unwrap();
    assert!(log.len() == 1 && same_record(log[0].before.as_ref().unwrap(), &made));
}

pub async fn verify_finds_nothing(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    assert!(f.app.verify().await.unwrap().is_empty());
    f.define("T", &[("n", FieldType::Number), ("l", FieldType::Array)])
        .await;
    f.change(create_index("T", "i", IndexKind::Ordered, &["n"]))
        .await
        .unwrap();
    for n in 0..20 {
        f.create(
            "T",
            &n.to_string(),
            &format!(r#"{{"n":{n},"l":[{n},null]}}"#),
        )
        .await;
    }
    f.write(delete("T", "3")).await.unwrap();
    assert_eq!(f.app.verify().await.unwrap(), Vec::<String>::new());
}
