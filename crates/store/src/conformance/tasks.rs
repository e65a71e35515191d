//! Tasks: what each step of the queue does.

use super::Harness;
use super::fixture::*;
use super::tasks_fixture::*;
use crate::{
    FieldType, Hold, Op, Receipt, StoreId, TaskDone, TaskPage, TaskPick, TaskState, TaskWatch,
    TaskWrite, Write, WriteBatch,
};
use basalt_base::{AppId, Map, Reason, Timestamp};
use std::sync::{Arc, Mutex, Weak};

pub async fn tasks_are_leased_in_order(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.put(later(put("q", "late"), 50)).await;
    f.put(put("q", "first")).await;
    f.put(put("q", "second")).await;
    f.put(urgent(later(put("q", "urgent late"), 50), 9)).await;
    f.put(urgent(put("q", "urgent"), 3)).await;
    f.put(put("other", "x")).await;
    assert_eq!(f.lease("q", 2, 0).await, "urgent first");
    assert_eq!(f.lease("q", 10, 49).await, "second");
    assert_eq!(f.lease("q", 10, 49).await, "");
    assert_eq!(f.lease("q", 10, 50).await, "urgent late late");
    assert_eq!(f.lease("nobody", 10, 50).await, "");
}

pub async fn a_task_is_read_back_whole(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let mut wanted = urgent(later(put("q", "\u{0}bytes"), 7), 4);
    wanted.group = Some("g".into());
    wanted.attempts_max = 3;
    let id = f.put(wanted).await;
    let task = f.app.task(id).await.unwrap().unwrap();
    assert_eq!((&*task.queue, &*task.payload), ("q", &b"\0bytes"[..]));
    assert_eq!((task.state, task.priority), (TaskState::Waiting, 4));
    assert_eq!((task.put_at, task.visible_at), (at(0), at(7)));
    assert_eq!((task.attempts, task.attempts_max), (0, 3));
    assert_eq!((task.group.as_deref(), task.error), (Some("g"), None));
    assert!(task.first_at.is_none());
    let leased = f.take("q", 10).await;
    assert_eq!(leased.state, TaskState::Leased);
    assert_eq!((leased.attempts, leased.first_at), (1, Some(at(10))));
    assert_eq!(leased.visible_at, at(10 + LEASE));
    let read = f.app.task(id).await.unwrap().unwrap();
    assert_eq!(read, leased);
    assert_eq!(
        read.receipt().to_string().parse::<Receipt>().unwrap(),
        leased.receipt()
    );
}

pub async fn completed_tasks_are_gone(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let id = f.put(put("q", "a")).await;
    let receipt = f.take("q", 0).await.receipt();
    f.end(TaskWrite::Complete(receipt)).await.unwrap();
    assert!(f.app.task(id).await.unwrap().is_none());
    refused!(f.end(TaskWrite::Complete(receipt)).await, StaleReceipt);
    assert_eq!(f.stand("q").await, "0+0+0 dead 0");
    assert!(f.app.queues().await.unwrap().is_empty());
}

pub async fn leases_run_out(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.put(put("q", "a")).await;
    let first = f.take("q", 0).await.receipt();
    assert_eq!(f.lease("q", 1, LEASE - 1).await, "");
    let until = at(2 * LEASE);
    let extend = TaskWrite::Extend {
        receipt: first,
        until,
    };
    f.end(extend.clone()).await.unwrap();
    assert_eq!(f.lease("q", 1, LEASE).await, "");
    let again = f.take("q", 2 * LEASE).await;
    assert_eq!(again.attempts, 2);
    assert_ne!(again.receipt(), first);
    for stale in [
        TaskWrite::Complete(first),
        extend,
        release(first, 0),
        bury(first, "no"),
    ] {
        refused!(f.end(stale).await, StaleReceipt);
    }
    // Late, but nobody else took it.
    assert_eq!(f.stand("q").await, "0+1+0 dead 0");
    f.end(TaskWrite::Complete(again.receipt())).await.unwrap();
}

pub async fn released_tasks_come_back(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.put(put("q", "a")).await;
    let receipt = f.take("q", 0).await.receipt();
    f.end(release(receipt, 40)).await.unwrap();
    refused!(f.end(TaskWrite::Complete(receipt)).await, StaleReceipt);
    assert_eq!(f.lease("q", 1, 39).await, "");
    let task = f.take("q", 40).await;
    assert_eq!((task.attempts, task.error.as_deref()), (2, Some("failed")));
    assert_eq!(task.first_at, Some(at(0)));
    let back = TaskWrite::Release {
        receipt: task.receipt(),
        visible_at: at(40),
        counts: false,
        error: None,
    };
    f.end(back).await.unwrap();
    let task = f.take("q", 40).await;
    assert_eq!((task.attempts, task.error.as_deref()), (2, Some("failed")));
}

pub async fn effects_and_completion_commit_together(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[("n", FieldType::Number)]).await;
    f.create("T", "a", r#"{"n":0}"#).await;
    f.put(put("q", "a")).await;
    let receipt = f.take("q", 0).await.receipt();
    let effect = || update("T", "a", vec![("n", Op::Increment(v("1")))]);
    let done = || Write::Task(TaskWrite::Complete(receipt));
    let follow = || Write::Task(TaskWrite::Put(put("q", "next")));
    f.batch(vec![effect(), follow(), done()]).await.unwrap();
    assert_eq!(f.value("T", "a", "n").await, Some(v("1")));
    let position = f.app.position();
    refused!(
        f.batch(vec![effect(), follow(), done()]).await,
        StaleReceipt
    );
    refused!(f.batch(vec![done(), effect()]).await, StaleReceipt);
    assert_eq!(f.value("T", "a", "n").await, Some(v("1")));
    assert_eq!(f.app.position(), position, "tasks have no positions");
    assert_eq!(f.lease("q", 9, 0).await, "next");
}

pub async fn refused_batches_leave_no_tasks(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let steps = vec![
        Write::Task(TaskWrite::Put(keyed(put("new", "a"), "k", Hold::Task))),
        update("T", "nobody", vec![]),
    ];
    let batches = vec![
        WriteBatch::of(steps.clone()),
        WriteBatch::of(vec![Write::Task(TaskWrite::Put(put("new", "b")))]),
        WriteBatch::of(steps),
    ];
    let answers = f.app.write(batches).await.unwrap();
    let ok: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(ok, [false, true, false]);
    assert_eq!(f.stand("new").await, "1+0+0 dead 0");
    assert!(f.put_fresh(keyed(put("new", "a"), "k", Hold::Task)).await);
    assert_eq!(f.lease("new", 9, 0).await, "b a");
}

pub async fn groups_are_done_in_order(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    for name in ["a1", "a2", "b1", "a3", "free"] {
        let mut task = put("q", name);
        task.group = match &name[..1] {
            "f" => None,
            group => Some(group.into()),
        };
        f.put(task).await;
    }
    assert_eq!(f.stand("q").await, "3+0+2 dead 0");
    assert_eq!(f.lease("q", 9, 0).await, "a1 b1 free");
    assert_eq!(f.lease("q", 9, 1).await, "");
    f.complete("a1").await;
    assert_eq!(f.lease("q", 9, 2).await, "a2");
    // A pause of the front task holds the others up; its death does not.
    f.end(release(f.receipt("a2").await, 50)).await.unwrap();
    assert_eq!(f.lease("q", 9, 49).await, "");
    assert_eq!(f.lease("q", 9, 50).await, "a2");
    f.end(bury(f.receipt("a2").await, "no")).await.unwrap();
    assert_eq!(f.lease("q", 9, 50).await, "a3");
    // Back from the dead it waits its turn.
    f.end(retry("q", TaskPick::Dead, 60)).await.unwrap();
    assert_eq!(f.lease("q", 9, 60).await, "");
    f.complete("a3").await;
    assert_eq!(f.lease("q", 9, 60).await, "a2");
}

pub async fn groups_belong_to_their_queue(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    for (queue, name) in [("p", "p1"), ("q", "q1"), ("p", "p2")] {
        let mut task = put(queue, name);
        task.group = Some("same".into());
        f.put(task).await;
    }
    assert_eq!(f.lease("p", 9, 0).await, "p1");
    assert_eq!(f.lease("q", 9, 0).await, "q1");
    let purge = TaskWrite::Purge {
        queue: "p".into(),
        pick: TaskPick::All,
        limit: 1,
    };
    assert_eq!(f.count(purge.clone()).await, 1);
    assert_eq!(f.lease("p", 9, 0).await, "p2");
    assert_eq!(f.count(purge.clone()).await, 1);
    assert_eq!(f.count(purge).await, 0);
    assert_eq!(f.stand("p").await, "0+0+0 dead 0");
}

pub async fn doubles_are_refused_quietly(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let until = Hold::Until(at(100));
    let first = f.put(keyed(put("q", "a"), "k", until)).await;
    let (id, fresh) = f.try_put(keyed(put("q", "b"), "k", until)).await.unwrap();
    assert_eq!((id, fresh), (first, false));
    assert!(f.put_fresh(keyed(put("other", "c"), "k", until)).await);
    assert!(f.put_fresh(keyed(put("q", "d"), "K", until)).await);
    assert_eq!(f.lease("q", 9, 0).await, "a d");
    f.complete("a").await;
    // The window outlives the task, and ends with its time.
    let mut again = keyed(put("q", "e"), "k", Hold::Until(at(200)));
    again.at = at(99);
    assert!(!f.put_fresh(again.clone()).await);
    again.at = at(100);
    assert!(f.put_fresh(again.clone()).await);
    assert!(!f.put_fresh(again).await);
}

pub async fn keys_live_with_their_task(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let task = |name| keyed(put("q", name), "k", Hold::Task);
    f.put(task("a")).await;
    f.take("q", 0).await;
    let mut much_later = task("b");
    much_later.at = at(1_000_000);
    assert!(!f.put_fresh(much_later).await);
    f.complete("a").await;
    assert!(f.put_fresh(task("b")).await);
    f.end(bury(f.take("q", 0).await.receipt(), "no"))
        .await
        .unwrap();
    assert!(f.put_fresh(task("c")).await);
    f.end(retry("q", TaskPick::Dead, 0)).await.unwrap();
    let purge = |pick| TaskWrite::Purge {
        queue: "q".into(),
        pick,
        limit: 9,
    };
    let c = f.named("c").await.id;
    assert_eq!(f.count(purge(TaskPick::Ids(vec![c, c]))).await, 1);
    assert!(f.put_fresh(task("d")).await);
    assert!(!f.put_fresh(task("e")).await);
    assert_eq!(f.count(purge(TaskPick::Idle)).await, 2);
    assert!(f.put_fresh(task("f")).await);
}

pub async fn used_up_attempts_end_in_death(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let mut task = put("q", "killer");
    task.attempts_max = 2;
    let id = f.put(task).await;
    f.put(put("q", "good")).await;
    assert_eq!(f.take("q", 0).await.attempts, 1);
    f.complete_next("q", 1).await;
    assert_eq!(f.take("q", LEASE).await.attempts, 2);
    f.put(put("q", "next")).await;
    let (names, buried) = f.lease_all("q", 9, 2 * LEASE).await;
    assert_eq!((&*names, buried), ("next", vec![id]));
    let dead = f.app.task(id).await.unwrap().unwrap();
    assert_eq!(
        (dead.state, dead.visible_at),
        (TaskState::Dead, at(2 * LEASE))
    );
    assert_eq!(dead.error.as_deref(), Some(crate::task::ATTEMPTS_USED_UP));
    assert_eq!(f.stand("q").await, "0+1+0 dead 1");
    assert_eq!(f.count(retry("q", TaskPick::Ids(vec![id]), 0)).await, 1);
    assert_eq!(f.take("q", 2 * LEASE).await.attempts, 1);
}

pub async fn the_dead_can_be_seen_retried_moved_and_purged(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    for name in ["a", "b", "c", "d"] {
        f.put(put("q", name)).await;
    }
    for _ in 0..3 {
        let receipt = f.take("q", 0).await.receipt();
        f.end(bury(receipt, "broken")).await.unwrap();
    }
    assert_eq!(f.stand("q").await, "1+0+0 dead 3");
    let mut page = TaskPage {
        queue: "q".into(),
        dead: true,
        after: None,
        limit: 2,
    };
    let dead = f.app.tasks(&page).await.unwrap();
    assert_eq!(names(&dead), "a b");
    assert!(dead.iter().all(|t| t.error.as_deref() == Some("broken")));
    page.after = Some(dead[1].id);
    assert_eq!(names(&f.app.tasks(&page).await.unwrap()), "c");
    page = TaskPage {
        dead: false,
        after: None,
        ..page
    };
    assert_eq!(names(&f.app.tasks(&page).await.unwrap()), "d");
    let ids = vec![dead[0].id];
    assert_eq!(f.count(retry("q", TaskPick::Ids(ids), 5)).await, 1);
    let moved = TaskWrite::Move {
        queue: "q".into(),
        pick: TaskPick::Dead,
        to: "r".into(),
        visible_at: at(0),
        limit: 1,
    };
    assert_eq!(f.count(moved).await, 1);
    assert_eq!(f.stand("q").await, "2+0+0 dead 1");
    assert_eq!(f.lease("r", 9, 0).await, "b");
    assert_eq!(f.lease("q", 9, 5).await, "d a");
    let purge = |pick| TaskWrite::Purge {
        queue: "q".into(),
        pick,
        limit: 9,
    };
    assert_eq!(f.count(purge(TaskPick::Idle)).await, 0, "leased ones stay");
    assert_eq!(f.count(purge(TaskPick::Dead)).await, 1);
    let receipt = f.receipt("d").await;
    assert_eq!(f.count(purge(TaskPick::All)).await, 2);
    refused!(f.end(TaskWrite::Complete(receipt)).await, StaleReceipt);
}

pub async fn queues_say_how_they_stand(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.put(later(put("b", "x"), 70)).await;
    f.put(urgent(later(put("b", "y"), 30), 5)).await;
    f.put(put("a", "z")).await;
    let all = f.app.queues().await.unwrap();
    let brief: Vec<_> = all
        .iter()
        .map(|s| (&*s.queue, s.depth(), s.next_due))
        .collect();
    assert_eq!(brief, [("a", 1, Some(at(0))), ("b", 2, Some(at(30)))]);
    assert_eq!(all[1].oldest_put, Some(at(0)));
    f.take("a", 3).await;
    let a = f.app.queue("a").await.unwrap();
    assert_eq!((a.leased, a.next_due), (1, Some(at(3 + LEASE))));
    let none = f.app.queue("none").await.unwrap();
    assert_eq!((none.depth(), none.dead, none.next_due), (0, 0, None));
}

#[derive(Default)]
struct Heard(Mutex<Vec<(String, Timestamp)>>);

impl TaskWatch for Heard {
    fn due(&self, queue: &Arc<str>, due: Timestamp) {
        self.0.lock().unwrap().push((queue.to_string(), due));
    }
}

pub async fn watchers_hear_of_commits(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let heard = Arc::new(Heard::default());
    let weak: Weak<Heard> = Arc::downgrade(&heard);
    f.app.watch_tasks(weak);
    let told = || std::mem::take(&mut *heard.0.lock().unwrap());
    f.put(later(put("q", "a"), 20)).await;
    assert_eq!(told(), [("q".to_owned(), at(20))]);
    f.define("T", &[]).await;
    let failing = vec![
        Write::Task(TaskWrite::Put(put("q", "b"))),
        update("T", "nobody", vec![]),
    ];
    f.batch(failing).await.unwrap_err();
    assert!(told().is_empty());
    let receipt = f.take("q", 20).await.receipt();
    told();
    f.end(release(receipt, 33)).await.unwrap();
    assert_eq!(told(), [("q".to_owned(), at(33))]);
    drop(heard);
    f.put(put("q", "c")).await;
}

pub async fn what_is_too_much_is_refused(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let mut large = put("q", "");
    large.payload = vec![0; crate::task::TASK_PAYLOAD_BYTES_MAX + 1].into();
    assert_eq!(
        f.try_put(large).await.unwrap_err().reason(),
        Reason::ObjectTooLarge
    );
    let mut group = put("q", "");
    group.group = Some("g".repeat(513).into());
    for bad in [
        put("", ""),
        put(&"q".repeat(257), ""),
        urgent(put("q", ""), 10),
        group,
    ] {
        assert_eq!(
            f.try_put(bad).await.unwrap_err().reason(),
            Reason::InvalidValue
        );
    }
    let mut most = put(&"q".repeat(256), "");
    most.payload = vec![7; crate::task::TASK_PAYLOAD_BYTES_MAX].into();
    f.put(most).await;
    assert!(f.app.queue("q").await.unwrap().depth() == 0);
}

pub async fn tasks_outlive_reopening(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.put(keyed(put("q", "a"), "k", Hold::Until(at(100)))).await;
    f.put(put("q", "b")).await;
    let receipt = f.take("q", 0).await.receipt();
    drop(f);
    let f = Fixture::open(h).await;
    assert!(
        !f.put_fresh(keyed(put("q", "c"), "k", Hold::Until(at(100))))
            .await
    );
    assert_eq!(f.stand("q").await, "1+1+0 dead 0");
    let b = f.take("q", 0).await;
    assert_ne!(b.receipt().lease, receipt.lease);
    f.end(TaskWrite::Complete(receipt)).await.unwrap();
    let fresh = f.put(put("q", "d")).await;
    assert!(fresh > b.id, "numbers are not given again");
    assert_eq!(f.app.verify().await.unwrap(), Vec::<String>::new());
}

pub async fn clearing_removes_tasks(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let first = f.put(keyed(put("q", "a"), "k", Hold::Task)).await;
    f.app.clear().await.unwrap();
    assert!(f.app.task(first).await.unwrap().is_none());
    assert!(f.app.queues().await.unwrap().is_empty());
    let (id, fresh) = f
        .try_put(keyed(put("q", "b"), "k", Hold::Task))
        .await
        .unwrap();
    assert!(fresh && id > first);
}

pub async fn every_task_is_leased_once(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let puts = (0..200).map(|n| vec![Write::Task(TaskWrite::Put(put("q", &n.to_string())))]);
    for answer in f.race(puts.collect()).await {
        answer.unwrap();
    }
    let lease = || {
        Write::Task(TaskWrite::Lease {
            queue: "q".into(),
            count: 7,
            until: at(LEASE),
            at: at(0),
        })
    };
    let mut seen = std::collections::HashSet::new();
    for answer in f.race((0..40).map(|_| vec![lease()]).collect()).await {
        for written in answer.unwrap() {
            let crate::Written::Task(TaskDone::Leased { tasks, .. }) = written else {
                panic!("a lease answers with tasks");
            };
            for task in tasks {
                assert!(seen.insert(task.id), "leased twice");
            }
        }
    }
    assert_eq!(seen.len(), 200);
    assert_eq!(f.stand("q").await, "0+200+0 dead 0");
}

pub async fn hints_of_due_work(h: &dyn Harness) {
    let store = h.open().await;
    let system = store.system();
    let mut ids = Vec::new();
    for name in ["one", "two"] {
        let account = format!("{name:0>12}");
        let app = system
            .create_app(&AppId::new(name), &account, Map::new(), at(0))
            .await;
        ids.push(app.unwrap().store_id);
    }
    assert!(system.next_due().await.unwrap().is_empty());
    system.set_next_due(ids[1], Some(at(5))).await.unwrap();
    system.set_next_due(ids[0], Some(at(9))).await.unwrap();
    system.set_next_due(ids[0], None).await.unwrap();
    system.set_next_due(StoreId(77), Some(at(1))).await.unwrap();
    assert_eq!(system.next_due().await.unwrap(), [(ids[1], at(5))]);
    system.remove_app(ids[1]).await.unwrap();
    assert!(system.next_due().await.unwrap().is_empty());
}
