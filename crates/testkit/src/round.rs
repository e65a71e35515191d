//! A run over one data folder: load, a blow, a new start, a check, and again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::json;

use crate::check::{self, Seen};
use crate::draw::Draw;
use crate::history::{History, Tally, Tracked};
use crate::http::Client;
use crate::load::{Plan, Signals, Stage, Worker};
use crate::parse::{Parse, text};
use crate::server::{Server, Setup};
use crate::wait;

const LOAD_BEGINS_LIMIT: Duration = Duration::from_secs(20);
/// Objects of earlier rounds that a thread goes on with.
const INHERITED: usize = 40;
/// Sessions looked at in each round.
const SESSIONS: usize = 3;

/// A data folder with what is known about it.
#[derive(Debug)]
pub struct Run {
    /// How its server is started.
    pub setup: Setup,
    /// Everything that was attempted on it.
    pub history: History,
    stage: Stage,
    seed: u64,
    round: u64,
}

/// How long and how hard to write.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Threads that write, one request each at a time.
    pub threads: usize,
    /// From the first acknowledged write to the blow.
    pub time: Duration,
}

impl Run {
    /// Creates what all rounds share, on a running server.
    pub fn begin(setup: Setup, server: &Server, seed: u64) -> anyhow::Result<Self> {
        Self::begin_at(setup, server.address, seed)
    }

    /// The same through an address that leads to servers.
    pub fn begin_at(setup: Setup, address: SocketAddr, seed: u64) -> anyhow::Result<Self> {
        let stage = Stage::prepare(&mut Parse::rest(address))?;
        Ok(Self {
            setup,
            history: History::default(),
            stage,
            seed,
            round: 0,
        })
    }

    /// Lets threads fight for ids of their own choice, which the servers must allow.
    #[must_use]
    pub fn with_own_ids(mut self) -> Self {
        self.stage.own_ids = true;
        self
    }

    /// The choices of the next round.
    pub fn draw(&mut self) -> Draw {
        self.round += 1;
        Draw::new(Plan::seed(self.seed, self.round))
    }

    /// Writes from many threads and strikes the `blow` while they do. They stop when it returns, or
    /// when the server is gone. What they did is in the history afterwards.
    ///
    /// Errors: the load does not begin, or a thread loses the server before the blow.
    pub fn load(
        &mut self,
        address: SocketAddr,
        draw: &Draw,
        effort: Effort,
        blow: impl FnOnce(&mut History, &Signals) -> anyhow::Result<()>,
    ) -> anyhow::Result<Tally> {
        self.load_with(Signals::default(), address, draw, effort, blow)
    }

    /// The same with signals of the caller's making.
    pub fn load_with(
        &mut self,
        signals: Signals,
        address: SocketAddr,
        draw: &Draw,
        effort: Effort,
        blow: impl FnOnce(&mut History, &Signals) -> anyhow::Result<()>,
    ) -> anyhow::Result<Tally> {
        let mut client = Parse::rest(address);
        let plan = Plan::prepare(&mut client, &self.stage, self.round, draw.number())?;
        let before = self.history.tally;
        let (sender, ended) = channel();
        let shares: Vec<_> = (0..effort.threads).map(|_| self.share(draw)).collect();
        let struck = std::thread::scope(|scope| {
            for (number, mine) in shares.into_iter().enumerate() {
                let worker = Worker::new(number, &plan, &signals, address, mine);
                let sender = sender.clone();
                scope.spawn(move || {
                    // Heard when all have ended, if not before.
                    let _ = sender.send(worker.run());
                });
            }
            let struck = wait::until(LOAD_BEGINS_LIMIT, "the first write", || {
                signals.begun.load(Ordering::Relaxed).then_some(())
            })
            .and_then(|()| match ended.recv_timeout(effort.time) {
                Err(RecvTimeoutError::Timeout) => Ok(()),
                ended => {
                    self.history.add(ended.unwrap_or_default());
                    bail!("a thread lost the server under load")
                }
            })
            .and_then(|()| blow(&mut self.history, &signals));
            signals.stop.store(true, Ordering::Relaxed);
            struck
        });
        drop(sender);
        for history in ended {
            self.history.add(history);
        }
        struck?;
        Ok(self.history.tally.since(before))
    }

    /// Objects of earlier rounds for one thread; they are in no history until it ends.
    fn share(&mut self, draw: &Draw) -> Vec<(String, Tracked)> {
        let keys: Vec<&String> = self.history.objects.keys().collect();
        let keys: Vec<String> = (0..INHERITED)
            .filter_map(|_| draw.pick(&keys).map(|key| (*key).clone()))
            .collect();
        let mut mine = Vec::new();
        for key in keys {
            let usable = |tracked: &Tracked| tracked.now.is_some() && tracked.pending.is_none();
            if self.history.objects.get(&key).is_some_and(usable) {
                mine.extend(self.history.objects.remove_entry(&key));
            }
        }
        mine
    }

    /// Compares what the server serves with what was acknowledged; how many objects there are, and
    /// each broken promise.
    pub fn check(&mut self, server: &Server) -> anyhow::Result<(usize, Vec<String>)> {
        let checked = self.check_at(server.address);
        checked.with_context(|| format!("reading back failed; the server's log:\n{}", server.log()))
    }

    /// The same through an address that leads to servers.
    pub fn check_at(&mut self, address: SocketAddr) -> anyhow::Result<(usize, Vec<String>)> {
        let health = Client::new(address, &[]).send("GET", "/health", None)?;
        let mut broken = Vec::new();
        if health.status != 200 {
            broken.push(format!("/health: {} {}", health.status, health.body));
        }
        let seen = Seen::read(&mut Parse::master(address), &self.history)?;
        broken.extend(check::promises(&seen, &mut self.history));
        broken.extend(self.sessions(address)?);
        broken.append(&mut self.history.surprises);
        Ok((seen.len(), broken))
    }

    /// Whether those who were told that they signed up are signed in, and one can sign in again.
    fn sessions(&mut self, address: SocketAddr) -> anyhow::Result<Vec<String>> {
        let mut broken = Vec::new();
        let mut fresh: BTreeMap<&str, (&str, String)> = BTreeMap::new();
        for ((_, name), claim) in &mut self.history.claims {
            if let (Some(token), [winner]) = (claim.token.take(), claim.winners.as_slice()) {
                fresh.insert(name, (winner, token));
            }
        }
        for (name, (winner, token)) in fresh.iter().take(SESSIONS) {
            let me = Parse::user(address, token).send("GET", "/users/me", None)?;
            if me.status != 200 || text(&me.body, "objectId") != *winner {
                broken.push(format!("session of {name}: {} {}", me.status, me.body));
            }
        }
        if let Some((name, (winner, _))) = fresh.first_key_value() {
            let body = json!({"username": name, "password": format!("secret of {name}")});
            let user = Parse::rest(address).send("POST", "/login", Some(&body))?;
            if user.status != 200 || text(&user.body, "objectId") != *winner {
                broken.push(format!("login of {name}: {} {}", user.status, user.body));
            }
        }
        Ok(broken)
    }

    /// Runs `basalt verify` on the stopped server's folder; what it complains about.
    pub fn verify(&self) -> anyhow::Result<Vec<String>> {
        self.setup.verify()
    }
}
