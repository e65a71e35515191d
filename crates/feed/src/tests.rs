//! Over a real store, on which another handle writes behind the feed's back.

use super::*;
use basalt_base::{Map, OsRng, SystemClock, Timestamp};
use basalt_store::{
    Acl, Action, AppStore, Precondition, RecordWrite, SchemaChange, Store, StoreId, Write,
    WriteBatch,
};
use basalt_store_sqlite::{Options, SqliteStore};
use std::sync::Arc;
use std::time::Duration;

struct Bench {
    /// Writes that the feed is not told of, as another node's are.
    other: Arc<dyn AppStore>,
    /// Writes of this node.
    own: Arc<dyn AppStore>,
    feed: Feed,
    _dir: tempfile::TempDir,
}

async fn bench(poll: Option<Duration>, options: Options) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), options).unwrap();
    let other = store.open_app(StoreId(1)).await.unwrap();
    let ensure = SchemaChange::EnsureCollection {
        name: "T".into(),
        rules: Map::new(),
    };
    write(&*other, vec![Write::Schema(ensure)]).await;
    let options = FeedOptions {
        poll,
        clock: Arc::new(SystemClock),
        rng: Arc::new(OsRng),
    };
    let (feed, own) = Feed::over(Arc::clone(&other), options);
    Bench {
        other,
        own,
        feed,
        _dir: dir,
    }
}

async fn write(store: &dyn AppStore, writes: Vec<Write>) {
    let batches = vec![WriteBatch::of(writes)];
    store.write(batches).await.unwrap().remove(0).unwrap();
}

async fn create(store: &dyn AppStore, ids: std::ops::Range<u32>) {
    let writes = ids.map(|id| {
        Write::Record(RecordWrite {
            collection: "T".into(),
            id: id.to_string().into(),
            precondition: Precondition::Absent,
            action: Action::Create {
                fields: Vec::new(),
                acl: Acl::default(),
            },
            at: Timestamp::from_millis(0),
        })
    });
    write(store, writes.collect()).await;
}

async fn next(subscription: &mut Subscription) -> Event {
    let event = tokio::time::timeout(Duration::from_secs(30), subscription.next()).await;
    event.expect("an event comes").expect("the feed goes on")
}

/// Expects these changes and nothing in between.
async fn expect(subscription: &mut Subscription, ids: std::ops::Range<u32>) {
    for id in ids {
        match next(subscription).await {
            Event::Change(change) => assert_eq!(*change.id, *id.to_string()),
            other => panic!("{other:?} instead of {id}"),
        }
    }
}

#[tokio::test]
async fn own_writes_come_at_once_and_in_order() {
    let b = bench(None, Options::default()).await;
    let mut early = b.feed.subscribe_from_now();
    create(&*b.own, 0..3).await;
    expect(&mut early, 0..3).await;
    let mut late = b.feed.subscribe(basalt_store::Position(1));
    create(&*b.own, 3..500).await;
    expect(&mut early, 3..500).await;
    expect(&mut late, 1..500).await;
    assert_eq!(early.position(), b.own.position());
    assert_eq!(b.feed.view().followers, 2);
}

#[tokio::test]
async fn writes_of_others_come_by_looking() {
    let b = bench(Some(Duration::from_millis(5)), Options::default()).await;
    let mut follower = b.feed.subscribe_from_now();
    create(&*b.other, 0..10).await;
    expect(&mut follower, 0..10).await;
}

#[tokio::test]
async fn waking_is_enough_where_nobody_looks() {
    let b = bench(None, Options::default()).await;
    let mut follower = b.feed.subscribe_from_now();
    create(&*b.other, 0..10).await;
    b.feed.wake();
    expect(&mut follower, 0..10).await;
    create(&*b.other, 10..11).await;
    b.feed.look().await.unwrap();
    assert_eq!(b.feed.view().head.position.0, 11);
    assert_eq!(b.feed.view().behind, 0);
    expect(&mut follower, 10..11).await;
}

#[tokio::test]
async fn a_slow_follower_reads_the_log_and_misses_nothing() {
    let b = bench(None, Options::default()).await;
    let mut slow = b.feed.subscribe_from_now();
    for start in (0..3000).step_by(500) {
        create(&*b.own, start..start + 500).await;
        b.feed.look().await.unwrap();
    }
    expect(&mut slow, 0..3000).await;
}

#[tokio::test]
async fn who_is_too_late_is_told_to_start_over() {
    let options = Options {
        change_bytes_max: 500,
        ..Options::default()
    };
    let b = bench(None, options).await;
    create(&*b.own, 0..50).await;
    for id in 50..100 {
        create(&*b.own, id..id + 1).await;
    }
    let mut late = b.feed.subscribe(basalt_store::Position(1));
    let at = match next(&mut late).await {
        Event::Missed(at) => at,
        other => panic!("{other:?}"),
    };
    let next_id = u32::try_from(at.0).unwrap();
    create(&*b.own, 100..101).await;
    expect(&mut late, next_id..101).await;
}

#[tokio::test]
async fn a_cleared_app_and_a_new_catalogue_are_told() {
    let b = bench(None, Options::default()).await;
    let mut follower = b.feed.subscribe_from_now();
    create(&*b.own, 0..2).await;
    expect(&mut follower, 0..2).await;
    let name = "U".into();
    let rules = Map::new();
    let ensure = SchemaChange::EnsureCollection { name, rules };
    write(&*b.own, vec![Write::Schema(ensure)]).await;
    let version = b.own.catalogue().version;
    assert!(matches!(next(&mut follower).await, Event::Catalogue(v) if v == version));
    b.own.clear().await.unwrap();
    let mut told = [next(&mut follower).await, next(&mut follower).await];
    told.sort_by_key(|event| matches!(event, Event::Missed(_)));
    assert!(
        matches!(told, [Event::Catalogue(_), Event::Missed(_)]),
        "{told:?}"
    );
}

#[tokio::test]
async fn own_commits_are_told_to_whoever_tells_others() {
    let b = bench(None, Options::default()).await;
    let mut own = b.feed.own_commits();
    create(&*b.other, 0..1).await;
    assert!(!own.has_changed().unwrap());
    create(&*b.own, 1..2).await;
    own.changed().await.unwrap();
    assert_eq!(own.borrow_and_update().position.0, 2);
}

#[tokio::test]
async fn a_closed_feed_lets_go_of_the_store() {
    let b = bench(Some(Duration::from_millis(5)), Options::default()).await;
    let mut follower = b.feed.subscribe_from_now();
    b.feed.close().await;
    assert!(follower.next().await.is_none());
    let weak = Arc::downgrade(&b.other);
    drop((follower, b));
    assert_eq!(weak.strong_count(), 0);
}

#[tokio::test]
async fn a_write_whose_caller_goes_away_is_told_all_the_same() {
    // Nothing but the signal wakes this feed.
    let bench = bench(None, Options::default()).await;
    let mut changes = bench.feed.subscribe_from_now();
    let mut own = bench.feed.own_commits();
    own.mark_unchanged();
    for id in 0..20 {
        let mut writing = Box::pin(create(&*bench.own, id..id + 1));
        let handed_in = std::future::poll_fn(|context| {
            let _ = writing.as_mut().poll(context);
            std::task::Poll::Ready(())
        });
        handed_in.await;
        drop(writing);
        expect(&mut changes, id..id + 1).await;
        let told = tokio::time::timeout(Duration::from_secs(30), own.changed()).await;
        told.expect("the other nodes are told").unwrap();
    }
}
