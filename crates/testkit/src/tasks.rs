//! Durable hooks and jobs under load and `kill -9`: what was acknowledged is told, in order per
//! object, and never again once its success was recorded.
//!
//! A receiver in this process is the code behind both. Before each blow the queue is read: what the
//! receiver has answered well and what is not in the queue any more was recorded.

mod load;
mod receiver;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::http::Client;
use crate::parse::{Parse, text};
use crate::server::{APP_ID, Server, Setup};
use crate::wait;

use load::{Acknowledged, Signals};
use receiver::{Call, Receiver};

const OPERATOR: &str = "tasks-operator";
const CLASS: &str = "Task";
const JOB: &str = "work";
const LOAD_BEGINS_LIMIT: Duration = Duration::from_secs(20);
/// Leases of a server that died on a shared store last half a minute.
const SETTLE_LIMIT: Duration = Duration::from_mins(2);
/// Queues with what is to be told and to be run.
const QUEUES: [&str; 2] = ["basalt.hooks", "basalt.jobs"];

/// A run over one data folder.
pub struct Run {
    setup: Setup,
    receiver: Receiver,
    acknowledged: Acknowledged,
    /// Writes whose answer never came: they may be told or not.
    unknown: u64,
    round: u64,
}

impl Run {
    /// Declares the hook and the job.
    pub fn begin(mut setup: Setup) -> anyhow::Result<(Self, Server)> {
        let token = ("BASALT_OPERATOR_TOKEN".to_owned(), OPERATOR.to_owned());
        setup.environment.push(token);
        let receiver = Receiver::start()?;
        let server = setup.start()?;
        let mut master = Parse::master(server.address);
        let url = receiver.url();
        let hook =
            json!({"className": CLASS, "triggerName": "afterSave", "url": url, "durable": true});
        declare(&mut master, "/hooks/triggers", &hook)?;
        let job = json!({"functionName": JOB, "url": url});
        declare(&mut master, "/hooks/functions", &job)?;
        let run = Self {
            setup,
            receiver,
            acknowledged: Acknowledged::default(),
            unknown: 0,
            round: 0,
        };
        Ok((run, server))
    }

    /// Writes from `threads` threads for a while, strikes the `blow`, which ends the server, and
    /// starts it again. A blow may say that what is acknowledged from then on is in doubt. Says what was acknowledged in this round, and how many successes are known to be
    /// recorded.
    pub fn round(
        &mut self,
        server: Server,
        threads: u64,
        time: Duration,
        blow: impl FnOnce(Server, &AtomicBool) -> anyhow::Result<()>,
    ) -> anyhow::Result<(Server, String)> {
        self.round += 1;
        let signals = Signals::default();
        let address = server.address;
        let (mut told, mut unknown) = (Acknowledged::default(), 0);
        let struck = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..threads)
                .map(|number| {
                    let name = format!("r{}w{number}", self.round);
                    let signals = &signals;
                    scope.spawn(move || load::write(address, &name, signals))
                })
                .collect();
            let struck = wait::until(LOAD_BEGINS_LIMIT, "the first write", || {
                signals.begun.load(Ordering::Relaxed).then_some(())
            })
            .and_then(|()| {
                wait::last(time);
                let recorded = self.recorded(address)?;
                blow(server, &signals.doubt)?;
                Ok(recorded)
            });
            signals.stop.store(true, Ordering::Relaxed);
            for writer in writers {
                match writer.join() {
                    Ok((done, lost)) => {
                        told.add(done);
                        unknown += lost;
                    }
                    Err(_) => bail!("a thread panicked"),
                }
            }
            struck
        })?;
        let (writes, jobs) = (told.writes(), told.jobs.len());
        self.acknowledged.add(told);
        self.unknown += unknown;
        let server = self.setup.start()?;
        let found = format!(
            "{writes} writes and {jobs} jobs acknowledged, {unknown} unknown, {struck} recorded; ready in {} ms",
            server.ready_after.as_millis()
        );
        Ok((server, found))
    }

    /// Successes that are recorded: answered well by the receiver, and not in a queue afterwards.
    fn recorded(&self, address: SocketAddr) -> anyhow::Result<usize> {
        let good = self.receiver.good();
        let open = open_tasks(address)?;
        let recorded: HashSet<String> = good.difference(&open).cloned().collect();
        let count = recorded.len();
        self.receiver.must_not_come_again(recorded);
        Ok(count)
    }

    /// Waits until all is told and run, then says what is broken.
    pub fn check(&mut self, server: &Server) -> anyhow::Result<(String, Vec<String>)> {
        let began = wait::now();
        let settled = wait::until(SETTLE_LIMIT, "the queues to be empty", || {
            open_tasks(server.address)
                .is_ok_and(|open| open.is_empty())
                .then_some(())
        });
        settled.with_context(|| format!("the server's log:\n{}", server.log()))?;
        let took = wait::now().since(began).as_millis();
        let calls = self.receiver.calls();
        let mut broken = self.receiver.repeated();
        broken.extend(self.lost_writes(&calls));
        broken.extend(disorder(&calls));
        broken.extend(self.lost_jobs(server.address, &calls)?);
        let good = calls.iter().filter(|call| call.good).count();
        let again = good - self.receiver.good().len();
        let found = format!(
            "{} writes and {} jobs, {} unknown: told by {} calls, {again} of which again because their success was not recorded; settled in {took} ms",
            self.acknowledged.writes(),
            self.acknowledged.jobs.len(),
            self.unknown,
            calls.len(),
        );
        Ok((found, broken))
    }

    fn lost_writes(&self, calls: &[Call]) -> Vec<String> {
        let told: HashSet<(&str, u64)> = calls
            .iter()
            .filter(|call| call.good)
            .filter_map(|call| Some((&**call.object.as_ref()?, call.seq)))
            .collect();
        let mut lost = Vec::new();
        for (object, last) in &self.acknowledged.objects {
            for seq in 0..=*last {
                if !told.contains(&(object, seq)) {
                    lost.push(format!("write {seq} of {object} was never told"));
                }
            }
        }
        lost
    }

    fn lost_jobs(&self, address: SocketAddr, calls: &[Call]) -> anyhow::Result<Vec<String>> {
        let mut master = Parse::master(address);
        let mut rows = HashMap::new();
        for row in master.all("_JobStatus")? {
            rows.insert(text(&row["params"], "key").to_owned(), row);
        }
        let ran: HashSet<&str> = calls.iter().map(|call| &*call.key).collect();
        let mut broken = Vec::new();
        for key in &self.acknowledged.jobs {
            let row = rows.get(key);
            let status = row.map_or("missing", |row| text(row, "status"));
            let has_run = ran.contains(&**key);
            if status != "succeeded" || !has_run {
                broken.push(format!("job {key}: {status}, ran: {has_run}: {row:?}"));
            }
        }
        Ok(broken)
    }

    /// Runs `basalt verify` on the stopped server's folder; what it complains about.
    pub fn verify(&self) -> anyhow::Result<Vec<String>> {
        self.setup.verify()
    }
}

fn declare(master: &mut Parse, path: &str, body: &Value) -> anyhow::Result<()> {
    let answer = master.send("POST", path, Some(body))?;
    if answer.status != 200 {
        bail!("POST {path}: {} {}", answer.status, answer.body);
    }
    Ok(())
}

/// The events and jobs that lie in the queues.
fn open_tasks(address: SocketAddr) -> anyhow::Result<HashSet<String>> {
    let token = format!("Bearer {OPERATOR}");
    let mut client = Client::new(address, &[("Authorization", &token)]);
    let mut open = HashSet::new();
    for (queue, dead) in QUEUES.iter().flat_map(|queue| [(queue, 0), (queue, 1)]) {
        let mut after = 0;
        loop {
            let path = format!("/admin/apps/{APP_ID}/queues/{queue}?dead={dead}&after={after}");
            let answer = client.send("GET", &path, None)?;
            let tasks = answer.body["tasks"].as_array();
            let tasks =
                tasks.with_context(|| format!("{path}: {} {}", answer.status, answer.body))?;
            let Some(last) = tasks.last() else {
                break;
            };
            after = last["id"].as_u64().unwrap_or(u64::MAX);
            open.extend(tasks.iter().map(key_of));
        }
    }
    Ok(open)
}

/// The event of a hook's task, or the key that a job was started with.
fn key_of(task: &Value) -> String {
    let payload = text(task, "payload");
    let head = payload.lines().next().unwrap_or_default();
    let head: Value = serde_json::from_str(head).unwrap_or_default();
    let job = head["params"]["key"].as_str();
    job.unwrap_or_else(|| text(&head, "event")).to_owned()
}

/// Whether each object's events were told in the order of its writes, looking at first successes.
fn disorder(calls: &[Call]) -> Vec<String> {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut seen = HashSet::new();
    let mut broken = Vec::new();
    for call in calls.iter().filter(|call| call.good) {
        let Some(object) = call.object.as_deref() else {
            continue;
        };
        if !seen.insert(&call.key) {
            continue;
        }
        if let Some(before) = last
            .insert(object, call.seq)
            .filter(|before| *before >= call.seq)
        {
            broken.push(format!("{object}: {} was told after {before}", call.seq));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(key: &str, object: &str, seq: u64, good: bool) -> Call {
        Call {
            key: key.to_owned(),
            object: Some(object.to_owned()),
            seq,
            good,
        }
    }

    #[test]
    fn disorder_is_seen() {
        let fine = [
            call("a", "x", 0, true),
            call("b", "x", 1, false),
            call("c", "y", 0, true),
            call("b", "x", 1, true),
            call("a", "x", 0, true),
        ];
        assert_eq!(disorder(&fine), Vec::<String>::new(), "a repeat is none");
        let wrong = [call("b", "x", 1, true), call("a", "x", 0, true)];
        assert_eq!(disorder(&wrong).len(), 1);
    }

    #[test]
    fn tasks_are_known_by_their_payload() {
        let hook = json!({"payload": "{\"event\":\"e1\",\"class\":\"A\"}\n{\"object\":{}}"});
        assert_eq!(key_of(&hook), "e1");
        let job = json!({"payload": "{\"id\":\"r\",\"params\":{\"key\":\"k1\"}}"});
        assert_eq!(key_of(&job), "k1");
    }
}
