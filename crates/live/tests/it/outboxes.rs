//! Clients that do not keep up, and clients that end.

use crate::world::{take, who, world};
use basalt_base::Value;
use basalt_data::{ObjectQuery, Rank};
use basalt_live::{Client, Cut, From, Live, Options, Subscribe};
use basalt_store::Acl;

async fn subscribed(live: &Live, number: u64, collection: &str, token: Option<&str>) -> Client {
    let client = live.connect().unwrap();
    let subscribe = Subscribe {
        number,
        who: who(Rank::Client, token),
        query: ObjectQuery::of(collection),
        fields: None,
        from: From::Now,
    };
    let mut pending = client.subscribe(subscribe).await.unwrap();
    assert!(pending.next().await.unwrap().is_none());
    drop(pending);
    client
}

#[tokio::test]
async fn e18_a_slow_reader_is_cut_and_costs_the_others_nothing() {
    let options = Options {
        queue_messages_max: 50,
        ..Options::default()
    };
    let mut world = world(1, options).await;
    let slow = subscribed(&world.live, 1, "A", None).await;
    let quick = subscribed(&world.live, 1, "A", None).await;
    take(&quick);
    let mut heard = 0;
    for n in 0..200 {
        world
            .create("A", &[("n", Value::Int(n))], Acl::default())
            .await;
        world.settle().await;
        heard += take(&quick).len();
    }
    assert_eq!(heard, 200);
    assert!(slow.outbox().is_cut());
    assert_eq!(slow.outbox().take().unwrap_err(), Cut::Slow);
    let stats = world.live.stats();
    assert_eq!((stats.cut_total, stats.queued_bytes), (1, 0));
    // Both see the same, which is written once.
    assert_eq!(stats.encoded_total, 200);
    drop((slow, quick));
    while world.live.stats().subscriptions > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn bytes_are_bounded_for_one_and_for_all() {
    for (one, all) in [(20_000, usize::MAX), (usize::MAX, 20_000)] {
        let options = Options {
            queue_bytes_max: one,
            queues_bytes_max: all,
            ..Options::default()
        };
        let mut world = world(2, options).await;
        let slow = subscribed(&world.live, 1, "A", None).await;
        let text = Value::from("x".repeat(5_000));
        for _ in 0..20 {
            world
                .create("A", &[("t", text.clone())], Acl::default())
                .await;
        }
        world.settle().await;
        assert!(slow.outbox().is_cut());
        assert_eq!(world.live.stats().queued_bytes, 0);
    }
}

#[tokio::test]
async fn too_many_are_refused() {
    let options = Options {
        clients_max: 2,
        subscriptions_max: 1,
        ..Options::default()
    };
    let world = world(3, options).await;
    let one = subscribed(&world.live, 1, "A", None).await;
    let two = world.live.connect().unwrap();
    assert!(world.live.connect().is_err());
    let subscribe = Subscribe {
        number: 1,
        who: who(Rank::Client, None),
        query: ObjectQuery::of("A"),
        fields: None,
        from: From::Now,
    };
    assert!(two.subscribe(subscribe).await.is_err());
    drop(one);
    let three = world.live.connect().unwrap();
    drop((two, three));
}

#[tokio::test]
async fn a_session_that_ends_takes_its_subscriptions_along() {
    let mut world = world(4, Options::default()).await;
    world
        .table
        .roles
        .lock()
        .unwrap()
        .insert("u".to_owned(), Vec::new());
    let ann = subscribed(&world.live, 7, "A", Some("u")).await;
    let other = subscribed(&world.live, 7, "A", None).await;
    world.table.roles.lock().unwrap().remove("u");
    world
        .create("_Role", &[("name", Value::from("x"))], Acl::default())
        .await;
    world
        .create("A", &[("n", Value::Int(1))], Acl::default())
        .await;
    world.settle().await;
    assert_eq!(
        take(&ann),
        ["7 subscribed", "7 ended Invalid session token"]
    );
    assert_eq!(take(&other).len(), 2);
    assert_eq!(world.live.stats().subscriptions, 1);
}

#[tokio::test]
async fn a_closed_engine_cuts_everybody_and_takes_nobody() {
    let world = world(5, Options::default()).await;
    let client = subscribed(&world.live, 1, "A", None).await;
    world.live.closed().await;
    assert_eq!(client.outbox().take().unwrap_err(), Cut::Closed);
    assert!(world.live.connect().is_err());
}
