//! What a node does besides answering: signs of life, and looking at the registry of apps.

use super::{BEAT, Cluster, FORGET, Note, POLL, apps_subject, nodes_subject};
use crate::apps::AppTable;
use basalt_base::{Result, Rng};
use basalt_bus::{Event, Subject, Subscription, decode};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Longest that leaving may hold up the stop.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// The tasks of a node on a shared store.
pub(crate) struct Tasks {
    cluster: Arc<Cluster>,
    tasks: Vec<JoinHandle<()>>,
}

impl Tasks {
    pub(crate) fn start(cluster: &Arc<Cluster>, apps: &Arc<AppTable>) -> Self {
        let mut tasks = Vec::new();
        if cluster.is_shared() {
            tasks.push(tokio::spawn(beat(Arc::clone(cluster))));
            let watching = watch_apps(Arc::clone(cluster), Arc::clone(apps));
            tasks.push(tokio::spawn(watching));
        }
        Self {
            cluster: Arc::clone(cluster),
            tasks,
        }
    }

    /// Ends them and takes the node off the list.
    pub(crate) async fn stop(self) {
        if self.tasks.is_empty() {
            return;
        }
        for task in self.tasks {
            task.abort();
            // Cancelled; a panic was told already.
            let _ = task.await;
        }
        let cluster = self.cluster;
        let leaving = cluster.store.system().nodes().leave(&cluster.node.id);
        if let Ok(Ok(())) = tokio::time::timeout(LEAVE_MAX, leaving).await {
            cluster.tell(&nodes_subject(), Note::default());
        } else {
            tracing::warn!("the node stays on the list until it is missed");
        }
    }
}

/// Messages on a subject, or none if the bus has none.
async fn subscribe(cluster: &Cluster, subject: &Subject) -> Option<Subscription> {
    match cluster.bus.subscribe(subject).await {
        Ok(messages) => Some(messages),
        Err(error) => {
            tracing::warn!(%subject, ?error, "the bus can't be listened to");
            None
        }
    }
}

/// Waits for a message of another node, or for the time.
async fn pause(
    cluster: &Cluster,
    subject: &Subject,
    messages: &mut Option<Subscription>,
    time: Duration,
) {
    let time = jittered(time, &*cluster.rng);
    let told = async {
        let Some(messages) = messages else {
            return std::future::pending().await;
        };
        loop {
            match messages.next().await {
                None => std::future::pending().await,
                Some(Event::Gap) => return,
                Some(Event::Message(payload)) => match decode::<Note>(&payload) {
                    None => cluster.bus.malformed(subject),
                    Some(note) if *note.from == *cluster.node.id => {}
                    Some(_) => return,
                },
            }
        }
    };
    // Being told or not, it is time to look.
    let _ = tokio::time::timeout(time, told).await;
}

/// The time give or take a tenth: nodes must not all look at the same moment.
fn jittered(time: Duration, rng: &dyn Rng) -> Duration {
    let mut byte = [0];
    rng.fill(&mut byte);
    time * (922 + u32::from(byte[0]) * 204 / 255) / 1024
}

/// Gives signs of life and learns who else does.
async fn beat(cluster: Arc<Cluster>) {
    let subject = nodes_subject();
    let mut messages = subscribe(&cluster, &subject).await;
    cluster.beat_once().await;
    cluster.tell(&subject, Note::default());
    loop {
        pause(&cluster, &subject, &mut messages, BEAT).await;
        cluster.beat_once().await;
    }
}

/// Keeps the table of apps as the registry is.
async fn watch_apps(cluster: Arc<Cluster>, apps: Arc<AppTable>) {
    let subject = apps_subject();
    let mut messages = subscribe(&cluster, &subject).await;
    let mut failed = false;
    loop {
        pause(&cluster, &subject, &mut messages, POLL).await;
        let refreshed = apps.refresh().await;
        match &refreshed {
            Err(error) if !failed => tracing::warn!(?error, "the registry can't be read"),
            _ => {}
        }
        failed = refreshed.is_err();
    }
}

impl Cluster {
    async fn beat_once(&self) {
        let begun = self.clock.monotonic();
        let beaten: Result<_> = async {
            let nodes = self.store.system().nodes();
            nodes.beat(&self.node, FORGET).await?;
            nodes.list().await
        }
        .await;
        match beaten {
            Ok(all) => {
                *self.peers.lock() = all;
                *self.beaten.lock() = Some(begun);
            }
            Err(error) => {
                let failed = self.beats_failed.fetch_add(1, Ordering::Relaxed) + 1;
                if failed.is_power_of_two() {
                    tracing::warn!(?error, failed, "no sign of life could be given");
                }
            }
        }
    }
}
