//! Exports and imports that were broken off.

use crate::support::{Place, fill_large, sqlite};
use basalt_store::conformance::dice::Dice;
use basalt_transfer::{Progress, Report, inspect, is_importing};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Notify;

async fn exported() -> (Place, PathBuf) {
    let place = sqlite();
    fill_large(&*place.make("shop").await).await;
    let path = place.file("whole");
    place.export("shop", &path, false).await.unwrap();
    (place, path)
}

#[tokio::test]
async fn an_export_goes_on_wherever_it_was() {
    let (place, path) = exported().await;
    let whole = std::fs::read(&path).unwrap();
    let dice = Dice::new(3);
    let part = place.file("part");
    let mut cuts: Vec<usize> = (0..4).map(|_| dice.below(whole.len())).collect();
    cuts.extend([0, 1, whole.len() - 1]);
    for cut in cuts {
        std::fs::write(&part, &whole[..cut]).unwrap();
        let error = inspect(&part).map(|_| ()).unwrap_err();
        assert!(error.message().contains("cut off"), "{cut}: {error}");
        assert!(place.export("shop", &part, false).await.is_err());
        place.export("shop", &part, true).await.unwrap();
        assert!(std::fs::read(&part).unwrap() == whole, "cut at {cut}");
    }
}

#[tokio::test]
async fn an_export_goes_on_in_the_same_state_only() {
    let (place, path) = exported().await;
    let refusal = |error: basalt_base::Error| error.message().to_owned();
    let complete = place.export("shop", &path, true).await.unwrap_err();
    assert!(refusal(complete).contains("is complete"));
    let whole = std::fs::read(&path).unwrap();
    let half = &whole[..whole.len() / 2];
    std::fs::write(&path, half).unwrap();
    place.make_other().await;
    let other = place.export("other", &path, true).await.unwrap_err();
    assert!(refusal(other).contains("is an export of app shop"));
    let app = place.app("shop").await;
    crate::support::write(&*app, vec![crate::support::create("Big", "new", 1, vec![])]).await;
    let moved = place.export("shop", &path, true).await.unwrap_err();
    assert!(refusal(moved).contains("was written to since"));
    assert_eq!(std::fs::read(&path).unwrap(), half);
    // Something else is never written over.
    std::fs::write(&path, "a diary\n{}\n{\"kind\":\"chunk\"}\n").unwrap();
    assert!(place.export("shop", &path, true).await.is_err());
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .starts_with("a diary")
    );
}

impl Place {
    async fn make_other(&self) {
        let system = self.store.system();
        let id = basalt_base::AppId::new("other");
        let made = system.create_app(
            &id,
            "000000000002",
            basalt_base::Map::new(),
            crate::support::at(),
        );
        made.await.unwrap();
    }
}

/// Gives up an import at the given report of written objects.
async fn import_until(place: &Place, path: &Path, reports: u64, resume: bool) -> bool {
    let (stop, told) = (
        Arc::new(Notify::new()),
        std::sync::atomic::AtomicU64::new(0),
    );
    let stopper = Arc::clone(&stop);
    let report: Report = Arc::new(move |progress| {
        let written = matches!(progress, Progress::Objects { .. });
        let before = told.fetch_add(u64::from(written), std::sync::atomic::Ordering::Relaxed);
        if written && before + 1 == reports {
            stopper.notify_one();
        }
    });
    tokio::select! {
        biased;
        () = stop.notified() => false,
        done = place.import_as(path, None, resume, &report) => done.map(|_| true).unwrap(),
    }
}

#[tokio::test]
async fn an_import_goes_on_where_it_was() {
    let (_source, path) = exported().await;
    let totals = inspect(&path).unwrap().totals;
    let place = sqlite();
    assert!(!import_until(&place, &path, 2, false).await);
    let row = place.row("shop").await.unwrap();
    assert!(is_importing(&row.settings));
    let error = place.import(&path, false).await.map(|_| ()).unwrap_err();
    assert!(error.message().contains("Go on with --resume"), "{error}");
    for reports in [1, 2, 3] {
        assert!(!import_until(&place, &path, reports, true).await);
    }
    let imported = place.import(&path, true).await.unwrap();
    assert_eq!(imported.totals, totals);
    let row = place.row("shop").await.unwrap();
    assert!(!is_importing(&row.settings));
    let again = place.import(&path, true).await.map(|_| ()).unwrap_err();
    assert!(again.message().contains("is not empty"), "{again}");
}

#[tokio::test]
async fn another_file_does_not_go_on() {
    let (source, path) = exported().await;
    let place = sqlite();
    assert!(!import_until(&place, &path, 2, false).await);
    let app = source.app("shop").await;
    crate::support::write(&*app, vec![crate::support::create("Big", "new", 1, vec![])]).await;
    let newer = source.file("newer");
    source.export("shop", &newer, false).await.unwrap();
    let error = place.import(&newer, true).await.map(|_| ()).unwrap_err();
    assert!(error.message().contains("another file"), "{error}");
    // Neither does one into an app that somebody else wrote to.
    let app = place.app("shop").await;
    crate::support::write(
        &*app,
        vec![crate::support::create("Big", "stranger", 1, vec![])],
    )
    .await;
    let error = place.import(&path, true).await.map(|_| ()).unwrap_err();
    assert!(
        error.message().contains("stays marked as unfinished"),
        "{error}"
    );
    assert!(is_importing(&place.row("shop").await.unwrap().settings));
}
