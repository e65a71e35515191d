//! One suite that every bus passes, run from the bus's own tests with [`conformance_tests!`](crate::conformance_tests).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "these are tests that live in the library so that other crates can run them; a case's name says what it is about"
)]

use crate::{
    Bus, Event, PAYLOAD_BYTES_MAX, Payload, QUEUE_MESSAGES_MAX, Subject, Subscription, encode,
};
use basalt_base::{AppId, BoxFuture};
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for something that should happen at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes buses.
pub trait Harness: Send + Sync {
    /// Another handle on the same cluster, connected.
    fn join(&self) -> BoxFuture<'_, Arc<dyn Bus>>;
    /// A handle on another cluster over the same servers, connected.
    fn elsewhere(&self) -> BoxFuture<'_, Arc<dyn Bus>>;
}

/// Waits for an event.
pub async fn next(subscription: &mut Subscription) -> Event {
    let event = tokio::time::timeout(PATIENCE, subscription.next()).await;
    event.expect("an event comes").expect("the bus is there")
}

async fn message(subscription: &mut Subscription) -> Payload {
    loop {
        if let Event::Message(payload) = next(subscription).await {
            return payload;
        }
    }
}

/// Publishes until the subscription is known to work.
pub async fn settle(from: &dyn Bus, to: &mut Subscription, subject: &Subject) {
    let probe = encode(&"probe").unwrap();
    let attempts = async {
        loop {
            from.publish(subject, probe.clone());
            let soon = tokio::time::timeout(Duration::from_millis(50), to.next()).await;
            if matches!(soon, Ok(Some(Event::Message(_)))) {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, attempts)
        .await
        .expect("the subscription works");
    // Let the last probes drain.
    let end = encode(&"end").unwrap();
    from.publish(subject, end.clone());
    while message(to).await != end {}
}

fn feed(app: &str) -> Subject {
    Subject::of_app(AppId::new(app), "feed")
}

fn number(n: usize) -> Payload {
    encode(&n).unwrap()
}

pub async fn everybody_hears_in_order(h: &dyn Harness) {
    let (one, two) = (h.join().await, h.join().await);
    let subject = feed("a");
    let mut ears = [
        one.subscribe(&subject).await.unwrap(),
        two.subscribe(&subject).await.unwrap(),
        two.subscribe(&subject).await.unwrap(),
    ];
    for ear in &mut ears {
        settle(&*one, ear, &subject).await;
    }
    for n in 0..100 {
        one.publish(&subject, number(n));
    }
    for ear in &mut ears {
        let first = loop {
            // Probes that settled the others.
            let payload = message(ear).await;
            if payload == number(0) {
                break payload;
            }
        };
        assert_eq!(first, number(0));
        for n in 1..100 {
            assert_eq!(message(ear).await, number(n));
        }
    }
    assert!(one.view().published >= 100);
    assert!(one.view().connected);
}

pub async fn subjects_and_clusters_are_apart(h: &dyn Harness) {
    let (one, two, other) = (h.join().await, h.join().await, h.elsewhere().await);
    let subject = feed("a.b");
    let mut ear = two.subscribe(&subject).await.unwrap();
    settle(&*one, &mut ear, &subject).await;
    let near = [
        feed("a"),
        feed("a.b.c"),
        feed("a=2Eb"),
        feed("A.b"),
        Subject::of_app(AppId::new("a.b"), "other"),
        Subject::of_cluster("feed"),
    ];
    for subject in &near {
        one.publish(subject, number(1));
    }
    other.publish(&subject, number(2));
    one.publish(&subject, number(3));
    assert_eq!(next(&mut ear).await, Event::Message(number(3)));
}

pub async fn a_slow_listener_is_told_of_the_gap(h: &dyn Harness) {
    let bus = h.join().await;
    let subject = feed("a");
    let mut ear = bus.subscribe(&subject).await.unwrap();
    settle(&*bus, &mut ear, &subject).await;
    let start = bus.view();
    let many = QUEUE_MESSAGES_MAX + 100;
    let mut seen = 0;
    for n in 0..many {
        bus.publish(&subject, number(n));
        // Not faster than a connection carries, but without listening.
        seen = wait_for(&*bus, |view| {
            view.received + view.dropped - start.received - start.dropped > n as u64
        })
        .await
        .dropped;
    }
    assert!(seen - start.dropped >= 100);
    assert_eq!(next(&mut ear).await, Event::Gap);
    for n in 0..QUEUE_MESSAGES_MAX {
        assert_eq!(next(&mut ear).await, Event::Message(number(n)));
    }
    bus.publish(&subject, number(7));
    assert_eq!(next(&mut ear).await, Event::Message(number(7)));
}

/// Waits until the bus's counters are as wished.
pub async fn wait_for(bus: &dyn Bus, wish: impl Fn(&crate::BusView) -> bool) -> crate::BusView {
    let wait = async {
        loop {
            let view = bus.view();
            if wish(&view) {
                return view;
            }
            tokio::task::yield_now().await;
        }
    };
    let view = tokio::time::timeout(PATIENCE, wait).await;
    view.unwrap_or_else(|_| panic!("the bus gets there: {:?}", bus.view()))
}

pub async fn what_is_too_large_does_not_arrive(h: &dyn Harness) {
    let (one, two) = (h.join().await, h.join().await);
    let subject = feed("a");
    let mut ear = two.subscribe(&subject).await.unwrap();
    settle(&*one, &mut ear, &subject).await;
    one.publish(&subject, Payload::raw(vec![1; PAYLOAD_BYTES_MAX + 1]));
    one.publish(&subject, Payload::raw(vec![1; PAYLOAD_BYTES_MAX]));
    let arrived = next(&mut ear).await;
    assert_eq!(
        arrived,
        Event::Message(Payload::raw(vec![1; PAYLOAD_BYTES_MAX]))
    );
    let counted = one.view().malformed + two.view().malformed;
    assert!(counted >= 1);
}

pub async fn nobody_has_to_listen(h: &dyn Harness) {
    let bus = h.join().await;
    let subject = feed("a");
    bus.publish(&subject, number(1));
    drop(bus.subscribe(&subject).await.unwrap());
    let mut ear = bus.subscribe(&subject).await.unwrap();
    settle(&*bus, &mut ear, &subject).await;
}

/// Makes a `#[tokio::test]` of every case. `$factory` is an async expression that gives a harness.
#[macro_export]
macro_rules! conformance_tests {
    ($factory:expr) => {
        $crate::conformance_tests! { @cases $factory;
            everybody_hears_in_order
            subjects_and_clusters_are_apart
            a_slow_listener_is_told_of_the_gap
            what_is_too_large_does_not_arrive
            nobody_has_to_listen
        }
    };
    (@cases $factory:expr; $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let Some(harness) = ($factory)() else { return };
                $crate::conformance::$case(&harness).await;
            }
        )*
    };
}
