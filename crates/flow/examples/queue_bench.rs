//! What the queue costs: durable sends, receives and completions from 64 callers, one at a time and
//! ten at once, on an empty queue and before 1,000,000 tasks that wait for later.
//!
//! `bench/queue` builds and runs it. Rates depend on the machine and on what else it does; CPU per
//! task is the figure to compare.

use basalt_base::{Clock, Error, Result, SystemClock};
use basalt_flow::Queue;
use basalt_store::{Store, StoreId, TaskPut, TaskWrite, Write, WriteBatch, Written};
use basalt_store_sqlite::{Options, SqliteStore};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const CALLERS: usize = 64;
const WINDOW: Duration = Duration::from_secs(4);
const BATCH: u32 = 10;
const WAITING: u64 = 1_000_000;
const LEASE: Duration = Duration::from_mins(10);
const PAYLOAD_BYTES: usize = 200;

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// CPU time of this process, user and system, in seconds; the kernel counts it in hundredths.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

async fn put_many(queue: &Queue, count: usize, due: Duration) -> Result<()> {
    let now = queue.clock().now();
    let put = |_| {
        let mut put = TaskPut::now("q", [b'x'; PAYLOAD_BYTES], now);
        put.visible_at = now.plus(due);
        Write::Task(TaskWrite::Put(put))
    };
    queue.write((0..count).map(put).collect()).await.map(drop)
}

/// Receives up to `count` tasks and completes them in one commit; how many.
async fn take(queue: &Queue, count: u32) -> Result<u64> {
    let tasks = queue.lease(&"q".into(), count, LEASE).await?;
    if tasks.is_empty() {
        return Ok(0);
    }
    let done = tasks.iter();
    let done =
        done.map(|task| WriteBatch::of(vec![Write::Task(TaskWrite::Complete(task.receipt()))]));
    let answers = queue.store().write(done.collect()).await?;
    let failed = answers.into_iter().find_map(Result::<Vec<Written>>::err);
    failed.map_or(Ok(tasks.len() as u64), Err)
}

/// What each caller does in a closed loop until the time is over.
async fn measure<F, R>(what: &str, queue: &Queue, work: F) -> Result<()>
where
    F: Fn(Queue) -> R + Send + Sync + Clone + 'static,
    R: Future<Output = Result<u64>> + Send,
{
    let done = Arc::new(AtomicU64::new(0));
    let clock = SystemClock;
    let (cpu, begun) = (cpu_seconds(), clock.monotonic());
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (queue, done, work) = (queue.clone(), Arc::clone(&done), work.clone());
            tokio::spawn(async move {
                while SystemClock.monotonic().since(begun) < WINDOW {
                    done.fetch_add(work(queue.clone()).await?, Ordering::Relaxed);
                }
                Ok::<_, Error>(())
            })
        })
        .collect();
    for caller in callers {
        caller.await.map_err(Error::internal)??;
    }
    let seconds = clock.monotonic().since(begun).as_secs_f64();
    let done = done.load(Ordering::Relaxed) as f64;
    let cpu_us = (cpu_seconds() - cpu) / done.max(1.0) * 1e6;
    say(&format!(
        "{what:50} {:>9.0}/s   {cpu_us:>6.1} µs CPU each",
        done / seconds
    ));
    Ok(())
}

async fn round(queue: &Queue, title: &str) -> Result<()> {
    say(&format!("{title}:"));
    let one = |queue: Queue| async move { put_many(&queue, 1, Duration::ZERO).await.map(|()| 1) };
    measure("  send, one at a time", queue, one).await?;
    let ten = |queue: Queue| async move {
        put_many(&queue, BATCH as usize, Duration::ZERO).await?;
        Ok(u64::from(BATCH))
    };
    measure("  send, ten at once", queue, ten).await?;
    let one = |queue: Queue| async move { take(&queue, 1).await };
    measure("  receive and delete, one at a time", queue, one).await?;
    let ten = |queue: Queue| async move { take(&queue, BATCH).await };
    measure("  receive and delete, ten at once", queue, ten).await?;
    let both = |queue: Queue| async move {
        put_many(&queue, 1, Duration::ZERO).await?;
        take(&queue, 1).await
    };
    measure("  send, receive and delete, one at a time", queue, both).await
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let scratch = tempfile::tempdir().map_err(Error::internal)?;
    let folder = folder.unwrap_or_else(|| scratch.path().to_owned());
    let store = SqliteStore::open(&folder, Options::default())?;
    let app = store.open_app(StoreId(1)).await?;
    let queue = Queue::new(app, Arc::new(SystemClock));
    say(&format!(
        "{CALLERS} callers, {PAYLOAD_BYTES} bytes each, {} s each, SQLite with synchronous=FULL",
        WINDOW.as_secs()
    ));
    round(&queue, "an empty queue").await?;
    while take(&queue, 1_000).await? > 0 {}
    for _ in 0..WAITING / 1_000 {
        put_many(&queue, 1_000, Duration::from_hours(24)).await?;
    }
    round(&queue, "the same before 1,000,000 tasks that wait").await
}
