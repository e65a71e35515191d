//! Leases with their fences, and the registry of nodes.

use super::Harness;
use super::fixture::*;
use crate::{AppStore, FieldType, Filter, Lease, Leases, Node, WriteBatch};
use basalt_base::{Clock, Reason, SystemClock};
use std::time::Duration;

const LONG: Duration = Duration::from_mins(10);
const SHORT: Duration = Duration::from_millis(1);

/// Both kinds of leases.
fn each(f: &Fixture) -> [&dyn Leases; 2] {
    [f.app.leases(), f.store.system().leases()]
}

async fn take(leases: &dyn Leases, name: &str, holder: &str, time: Duration) -> Lease {
    let lease = leases.acquire(name, holder, time).await.unwrap();
    lease.unwrap_or_else(|| panic!("{name} is free for {holder}"))
}

/// Takes a lease as soon as its time is over.
async fn take_over(leases: &dyn Leases, name: &str, holder: &str) -> Lease {
    let start = SystemClock.monotonic();
    while SystemClock.monotonic().since(start) < Duration::from_secs(30) {
        if let Some(lease) = leases.acquire(name, holder, LONG).await.unwrap() {
            return lease;
        }
    }
    panic!("{name} does not run out");
}

/// A write under a lease.
async fn write_under(app: &dyn AppStore, lease: &Lease, id: &str) -> basalt_base::Result<()> {
    let batch = WriteBatch::of(vec![create("T", id, vec![])]).fenced(lease.fence());
    app.write(vec![batch]).await.unwrap().remove(0).map(drop)
}

pub async fn one_holds_it_at_a_time(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    for leases in each(&f) {
        let one = take(leases, "job", "a", LONG).await;
        assert_eq!((&*one.name, &*one.holder), ("job", "a"));
        for other in ["b", "a"] {
            assert_eq!(leases.acquire("job", other, LONG).await.unwrap(), None);
        }
        take(leases, "another job", "b", LONG).await;
        let listed = leases.list().await.unwrap();
        let names: Vec<&str> = listed.iter().map(|view| &*view.lease.name).collect();
        assert_eq!(names, ["another job", "job"]);
        assert_eq!(listed[1].lease, one);
        assert!(listed[1].left > SHORT && listed[1].left <= LONG);
    }
}

pub async fn tokens_grow_with_each_holder(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    for leases in each(&f) {
        let one = take(leases, "job", "a", LONG).await;
        assert!(leases.renew(&one, LONG).await.unwrap());
        leases.release(&one).await.unwrap();
        assert!(leases.list().await.unwrap().is_empty());
        let two = take(leases, "job", "b", SHORT).await;
        let three = take_over(leases, "job", "c").await;
        assert!(one.token < two.token && two.token < three.token);
        for former in [&one, &two] {
            assert!(!leases.renew(former, LONG).await.unwrap());
            leases.release(former).await.unwrap();
        }
        assert_eq!(leases.list().await.unwrap()[0].lease, three);
    }
}

pub async fn renewing_late_works_while_nobody_took_it(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    for leases in each(&f) {
        let lease = take(leases, "job", "a", SHORT).await;
        let start = SystemClock.monotonic();
        while leases.list().await.unwrap()[0].left > Duration::ZERO {
            assert!(SystemClock.monotonic().since(start) < Duration::from_secs(30));
        }
        assert!(leases.renew(&lease, LONG).await.unwrap());
        assert_eq!(leases.acquire("job", "b", LONG).await.unwrap(), None);
    }
}

pub async fn races_have_one_winner(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    for leases in each(&f) {
        let holders: Vec<String> = (0..16).map(|n| format!("node {n}")).collect();
        let calls = holders.iter().map(|h| leases.acquire("job", h, LONG));
        let won = join_all(calls.collect()).await;
        let won: Vec<Lease> = won.into_iter().filter_map(|w| w.unwrap()).collect();
        assert_eq!(won.len(), 1, "{won:?}");
    }
}

pub async fn a_fence_stops_whoever_was_overtaken(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[("n", FieldType::Number)]).await;
    let leases = f.app.leases();
    let paused = take(leases, "job", "a", SHORT).await;
    write_under(&*f.app, &paused, "1").await.unwrap();
    let next = take_over(leases, "job", "b").await;
    let position = f.app.position();
    refused!(write_under(&*f.app, &paused, "2").await, LeaseLost);
    assert_eq!(f.app.position(), position);
    write_under(&*f.app, &next, "3").await.unwrap();
    leases.release(&next).await.unwrap();
    refused!(write_under(&*f.app, &next, "4").await, LeaseLost);
    let unknown = Lease {
        name: "never taken".into(),
        ..next
    };
    refused!(write_under(&*f.app, &unknown, "5").await, LeaseLost);
    assert_eq!(f.matching("T", Filter::Everything).await, "1 3");
}

pub async fn a_fence_concerns_its_batch_alone(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[]).await;
    let lease = take(f.app.leases(), "job", "a", LONG).await;
    let old = Lease {
        token: lease.token + 1,
        ..lease.clone()
    };
    let batch = |id: &str| WriteBatch::of(vec![create("T", id, vec![])]);
    let batches = vec![
        batch("1"),
        batch("2").fenced(old.fence()),
        batch("3").fenced(lease.fence()),
    ];
    let done = f.app.write(batches).await.unwrap();
    let reasons: Vec<Option<Reason>> = done
        .iter()
        .map(|each| each.as_ref().err().map(basalt_base::Error::reason))
        .collect();
    assert_eq!(reasons, [None, Some(Reason::LeaseLost), None]);
    assert_eq!(f.matching("T", Filter::Everything).await, "1 3");
}

pub async fn apps_and_system_have_their_own(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[]).await;
    let other = f.store.open_app(crate::StoreId(2)).await.unwrap();
    let [app, system] = each(&f);
    take(app, "job", "a", LONG).await;
    take(system, "job", "b", LONG).await;
    let theirs = take(other.leases(), "job", "c", LONG).await;
    other.leases().release(&theirs).await.unwrap();
    assert_eq!(&*app.list().await.unwrap()[0].lease.holder, "a");
    assert_eq!(&*system.list().await.unwrap()[0].lease.holder, "b");
}

pub async fn leases_outlive_reopening_and_clearing(h: &dyn Harness) {
    let lease = {
        let f = Fixture::open(h).await;
        take(f.store.system().leases(), "job", "a", LONG).await;
        let lease = take(f.app.leases(), "job", "a", LONG).await;
        f.app.clear().await.unwrap();
        lease
    };
    let f = Fixture::open(h).await;
    for leases in each(&f) {
        assert_eq!(leases.acquire("job", "b", LONG).await.unwrap(), None);
    }
    f.define("T", &[]).await;
    write_under(&*f.app, &lease, "1").await.unwrap();
}

pub async fn odd_names_and_times_are_refused(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let long = "x".repeat(crate::LEASE_NAME_BYTES_MAX + 1);
    for leases in each(&f) {
        let cases = [
            ("", "a", LONG),
            ("job", "", LONG),
            (&*long, "a", LONG),
            ("job", &*long, LONG),
            ("job", "a", Duration::ZERO),
            ("job", "a", Duration::from_hours(25)),
        ];
        for (name, holder, time) in cases {
            refused!(leases.acquire(name, holder, time).await, InvalidValue);
        }
        take(leases, "it's a \"job\"; --\n", "ä", LONG).await;
    }
}

fn node(id: &str) -> Node {
    Node {
        id: id.into(),
        version: "1.2.3".into(),
        address: "http://10.0.0.1:1337".into(),
    }
}

pub async fn nodes_come_and_go(h: &dyn Harness) {
    let store = h.open().await;
    let nodes = store.system().nodes();
    assert!(nodes.list().await.unwrap().is_empty());
    nodes.beat(&node("b"), LONG).await.unwrap();
    nodes.beat(&node("a"), LONG).await.unwrap();
    let first = nodes.list().await.unwrap();
    nodes.beat(&node("b"), LONG).await.unwrap();
    let listed = nodes.list().await.unwrap();
    assert_eq!(listed.len(), 2);
    for view in &listed {
        assert_eq!(view.node, node(&view.node.id));
        assert!(view.silent < LONG);
        let before = first.iter().find(|v| v.node.id == view.node.id);
        assert_eq!(view.since, before.unwrap().since, "beats change no start");
    }
    assert!(listed[0].since <= listed[1].since, "oldest first");
    nodes.leave("b").await.unwrap();
    nodes.leave("nobody").await.unwrap();
    assert_eq!(nodes.list().await.unwrap().len(), 1);
    let start = SystemClock.monotonic();
    loop {
        nodes.beat(&node("c"), SHORT).await.unwrap();
        let listed = nodes.list().await.unwrap();
        if listed.len() == 1 && listed[0].node == node("c") {
            break;
        }
        assert!(SystemClock.monotonic().since(start) < Duration::from_secs(30));
    }
}

pub async fn the_registry_has_a_version(h: &dyn Harness) {
    let store = h.open().await;
    let system = store.system();
    let mut seen = vec![system.registry_version().await.unwrap().unwrap()];
    let at = basalt_base::Timestamp::from_millis(AT);
    let app = basalt_base::AppId::new("one");
    let empty = basalt_base::Map::new;
    let row = system.create_app(&app, "1", empty(), at).await.unwrap();
    seen.push(system.registry_version().await.unwrap().unwrap());
    system.apps().await.unwrap();
    let again = system.registry_version().await.unwrap().unwrap();
    assert_eq!(seen.last(), Some(&again), "reading changes nothing");
    system.update_app(row.store_id, empty()).await.unwrap();
    seen.push(system.registry_version().await.unwrap().unwrap());
    system.remove_app(row.store_id).await.unwrap();
    seen.push(system.registry_version().await.unwrap().unwrap());
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
}
