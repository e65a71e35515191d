//! What goes in comes out.

use crate::support::{Place, at, fill, postgres, sqlite};
use basalt_base::{Map, Value};
use basalt_store::{Query, ReadOptions};
use basalt_transfer::{Totals, inspect, is_importing};

/// Through a file and back: both stores hash to the same, and so do both files.
async fn round_trip(one: &Place, other: &Place, seed: u64) -> Totals {
    fill(&*one.make("shop").await, seed).await;
    let (there, back) = (one.file("there"), other.file("back"));
    let first = one.export("shop", &there, false).await.unwrap();
    let imported = other.import(&there, false).await.unwrap();
    assert!(imported.is_new && imported.app == "shop");
    assert_eq!(imported.totals, first, "seed {seed}");
    let second = other.export("shop", &back, false).await.unwrap();
    assert_eq!(second, first, "seed {seed}");
    assert_eq!(inspect(&back).unwrap().totals, first);
    first
}

#[tokio::test]
async fn random_apps_come_back_the_same() {
    for seed in 0..6 {
        let (one, other) = (sqlite(), sqlite());
        let totals = round_trip(&one, &other, seed).await;
        assert!(totals.objects() >= 60, "{totals:?}");
        let (a, b) = (one.app("shop").await, other.app("shop").await);
        for sum in &totals.collections {
            let query = Query::all(sum.name.clone());
            let found = a.find(&query, ReadOptions::default()).await.unwrap();
            let copies = b.find(&query, ReadOptions::default()).await.unwrap();
            for (mut record, copy) in found.records.into_iter().zip(copies.records) {
                // Positions are a store's own.
                record.rev = copy.rev;
                assert!(basalt_store::conformance::same_record(&record, &copy));
            }
            let (a, b) = (a.catalogue(), b.catalogue());
            let (a, b) = (
                a.collection(&sum.name).unwrap(),
                b.collection(&sum.name).unwrap(),
            );
            assert_eq!((&a.rules, &a.indexes), (&b.rules, &b.indexes));
            let defs = |c: &basalt_store::Collection| -> Vec<_> {
                c.fields.iter().map(|f| f.def.clone()).collect()
            };
            assert_eq!(defs(a), defs(b));
        }
    }
}

#[tokio::test]
async fn random_apps_pass_through_postgresql() {
    for seed in 20..23 {
        let Some(middle) = postgres().await else {
            return;
        };
        let one = sqlite();
        let totals = round_trip(&one, &middle, seed).await;
        let (path, last) = (middle.file("back"), sqlite());
        let imported = last.import(&path, false).await.unwrap();
        assert_eq!(imported.totals, totals, "seed {seed}");
    }
}

#[tokio::test]
async fn the_registry_entry_comes_along() {
    let (one, other) = (sqlite(), sqlite());
    fill(&*one.make("shop").await, 1).await;
    let path = one.file("f");
    one.export("shop", &path, false).await.unwrap();
    other.import(&path, false).await.unwrap();
    let row = other.row("shop").await.unwrap();
    let settings = Map::from_iter([("parse".to_owned(), Value::from("{}"))]);
    assert_eq!(
        (row.account.as_str(), row.created_at),
        ("000000000001", at())
    );
    assert_eq!(row.settings, settings);
    // A second copy beside the first: another id, and the account number is taken.
    let quiet = crate::support::quiet();
    let copy = other.import_as(&path, Some("copy"), false, &quiet).await;
    assert_eq!(copy.unwrap().app, "copy");
    let row = other.row("copy").await.unwrap();
    assert_eq!(row.account, "999999999999");
    assert!(!is_importing(&row.settings));
}

#[tokio::test]
async fn an_empty_app_is_filled_and_a_full_one_is_not() {
    let (one, other) = (sqlite(), sqlite());
    fill(&*one.make("shop").await, 2).await;
    let path = one.file("f");
    one.export("shop", &path, false).await.unwrap();
    other.make("shop").await;
    assert!(!other.import(&path, false).await.unwrap().is_new);
    let before = other.app("shop").await.position();
    let error = other.import(&path, false).await.map(|_| ()).unwrap_err();
    assert!(error.message().contains("is not empty"), "{error}");
    let row = other.row("shop").await.unwrap();
    assert!(!is_importing(&row.settings));
    assert_eq!(other.app("shop").await.position(), before);
}
