//! One peer under test: its running server, its data, and one round of a workload against it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::child::Server;
use crate::clock;
use crate::drive::{Edge, Lane, Tally, Window, drive};
use crate::http::Client;
use crate::peers::Peer;
use crate::stats::{grouped, percentile_ms};
use crate::usage::{self, Cpu};
use crate::wire::{By, Class, Wire};
use crate::work::{Flow, Kind, LIGHT_CALLERS, LIGHT_REST_MS, Work};
use crate::world::{BATCH, World};

/// What one lane did in one round.
pub struct Sample {
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Processor time for each request; absent where several lanes share it.
    pub cpu: Option<CpuMs>,
    pub memory_mb: f64,
    pub database_memory_mb: Option<f64>,
    pub refused: u64,
    pub first_refusal: Option<String>,
}

/// Milliseconds of processor time for each request.
#[derive(Clone, Copy)]
pub struct CpuMs {
    pub server: f64,
    pub database: Option<f64>,
    pub client: f64,
}

/// Acknowledged writes of a workload, and those whose outcome is open.
#[derive(Clone, Copy, Default)]
struct Ledger {
    accepted: u64,
    refused: u64,
}

/// A running server with its data.
pub struct Arena {
    pub wire: Box<dyn Wire>,
    pub world: World,
    pub server: Server,
    pub folder: PathBuf,
    hot: Ledger,
    random: Ledger,
    notes: Ledger,
}

impl Arena {
    /// Starts `peer` on a new folder and stores `rows` items.
    pub fn open(peer: &mut dyn Peer, folder: &Path, rows: usize) -> Result<Self> {
        let server = peer.start(folder)?;
        peer.admit(folder)?;
        let mut wire = peer.wire();
        let mut http = Client::connect(server.addr)?;
        wire.set_up(&mut http).context("set-up")?;
        let world = World::found(&mut http, &*wire)?;
        let mut arena = Self {
            wire,
            world,
            server,
            folder: folder.to_owned(),
            hot: Ledger::default(),
            random: Ledger::default(),
            notes: Ledger::default(),
        };
        arena.grow(peer, rows)?;
        Ok(arena)
    }

    /// Brings the items up to `rows`.
    pub fn grow(&mut self, peer: &dyn Peer, rows: usize) -> Result<()> {
        let start = clock::now();
        let before = self.world.items.len();
        self.world.grow(&self.server.addrs(), &*self.wire, rows)?;
        peer.settle(&self.folder)?;
        let seconds = start.elapsed().as_secs_f64();
        let added = grouped((rows - before) as u64);
        eprintln!("{}: {added} rows loaded in {seconds:.1} s", peer.name());
        Ok(())
    }

    /// Asks once and reads the answer: that a workload measures what it says, also that private
    /// items stay private.
    pub fn probe(&self, kind: Kind) -> Result<()> {
        let mut http = Client::connect(self.server.addr)?;
        let (world, mut request) = (&self.world, Vec::new());
        match kind {
            Kind::Read => {
                let (id, owner) = world.items.first().context("no items")?;
                let stranger = &world.users[(owner + 1) % world.users.len()];
                let read = |user| {
                    let mut request = Vec::new();
                    self.wire
                        .read(By::User(user), Class::Item, id, &mut request);
                    request
                };
                http.ok(&read(&world.users[*owner]))?;
                let answer = http.send(&read(stranger))?;
                ensure!(answer.status >= 400, "a stranger can read a private item");
            }
            Kind::Query { include } => {
                let owner = world.owner_of_board(0);
                self.wire.query(owner, 0, include, &mut request);
                let hits = self.wire.hits(&http.ok(&request)?, include)?;
                ensure!(hits == 20, "{hits} whole rows instead of 20");
                request.clear();
                let stranger = world.owner_of_board(1);
                self.wire.query(stranger, 0, include, &mut request);
                let hits = self.wire.hits(&http.ok(&request)?, include)?;
                ensure!(hits == 0, "a stranger sees {hits} private rows");
            }
            Kind::Login => {
                self.wire.login(&world.users[0], &mut request);
                http.ok(&request)?;
            }
            Kind::Create | Kind::Batch | Kind::IncrementHot | Kind::IncrementRandom => {}
        }
        Ok(())
    }

    /// One round: a sample for each lane, the workload's own first.
    pub fn round(&mut self, work: &Work, window: Window, seed: u64) -> Result<Vec<Sample>> {
        let window = work.stretch(window);
        let mut flow = Flow::new(work.kind, &*self.wire, &self.world, seed);
        let mut light = Flow::new(Kind::Read, &*self.wire, &self.world, seed);
        let mut lanes = vec![Lane {
            callers: work.callers,
            rest: None,
            traffic: &mut flow,
        }];
        if work.kind == Kind::Login {
            lanes.push(Lane {
                callers: LIGHT_CALLERS,
                rest: Some(Duration::from_millis(LIGHT_REST_MS)),
                traffic: &mut light,
            });
        }
        let (server, database) = (&self.server.pids()[..], self.server.database_pid);
        let mut readings = Vec::with_capacity(2);
        let mut read = |_: Edge| {
            readings.push(Reading::take(server, database));
            Ok(())
        };
        let tallies = drive(&self.server.addrs(), &mut lanes, Some(window), &mut read)?;
        let [from, to] = &readings[..] else {
            anyhow::bail!("the load ended before its window");
        };
        let samples = tallies
            .iter()
            .enumerate()
            .map(|(lane, tally)| sample(tally, from, to, lane == 0, server, database))
            .collect();
        self.book(work.kind, &tallies[0]);
        Ok(samples)
    }

    fn book(&mut self, kind: Kind, tally: &Tally) {
        let (ledger, each) = match kind {
            Kind::IncrementHot => (&mut self.hot, 1),
            Kind::IncrementRandom => (&mut self.random, 1),
            Kind::Create => (&mut self.notes, 1),
            Kind::Batch => (&mut self.notes, BATCH as u64),
            _ => return,
        };
        ledger.accepted += tally.accepted * each;
        ledger.refused += tally.refused * each;
    }

    /// After all rounds: compares what is stored with what was acknowledged. `None` for reads.
    pub fn check(&self, kind: Kind) -> Result<Option<String>> {
        let mut http = Client::connect(self.server.addr)?;
        let (ledger, stored) = match kind {
            Kind::IncrementHot => (self.hot, self.counters(&mut http, 0..1)?),
            Kind::IncrementRandom => {
                let all = 1..self.world.counters.len();
                (self.random, self.counters(&mut http, all)?)
            }
            Kind::Create | Kind::Batch => {
                let mut request = Vec::new();
                self.wire.count(Class::Note, &mut request);
                (self.notes, self.wire.counted(&http.ok(&request)?)?)
            }
            _ => return Ok(None),
        };
        let (accepted, most) = (ledger.accepted, ledger.accepted + ledger.refused);
        Ok(Some(match stored {
            _ if (accepted..=most).contains(&stored) => "exact".to_owned(),
            _ if stored < accepted => format!(
                "**lost {} of {}**",
                grouped(accepted - stored),
                grouped(accepted)
            ),
            _ => format!("**{} too many**", grouped(stored - most)),
        }))
    }

    fn counters(&self, http: &mut Client, which: std::ops::Range<usize>) -> Result<u64> {
        let mut sum = 0;
        for id in &self.world.counters[which] {
            let mut request = Vec::new();
            self.wire.read(By::Admin, Class::Counter, id, &mut request);
            sum += self.wire.counter(&http.ok(&request)?)?;
        }
        Ok(sum)
    }

    /// Starts the server again on its data; milliseconds until it answered a read of an item.
    pub fn restart(mut self, peer: &mut dyn Peer) -> Result<(Self, f64)> {
        drop(self.server);
        self.server = peer.start(&self.folder)?;
        let (id, owner) = self.world.items.first().context("no items")?;
        let user = &self.world.users[*owner];
        let mut request = Vec::new();
        self.wire
            .read(By::User(user), Class::Item, id, &mut request);
        Client::connect(self.server.addr)?.ok(&request)?;
        let ms = clock::ms_since(self.server.process.spawned_at);
        Ok((self, ms))
    }

    /// Memory of the server and of its database.
    pub fn memory_mb(&self) -> (f64, Option<f64>) {
        memory_mb(&self.server)
    }
}

/// Memory of a server and of its database.
pub fn memory_mb(server: &Server) -> (f64, Option<f64>) {
    let database = server.database_pid.map(|pid| usage::memory_mb(&[pid]));
    (usage::memory_mb(&server.pids()), database)
}

struct Reading {
    at: Instant,
    server: Cpu,
    database: Option<Cpu>,
    client: Cpu,
}

impl Reading {
    fn take(server: &[u32], database: Option<u32>) -> Self {
        Self {
            at: clock::now(),
            server: usage::cpu(server),
            database: database.map(|pid| usage::cpu(&[pid])),
            client: usage::own_cpu(),
        }
    }
}

fn sample(
    tally: &Tally,
    from: &Reading,
    to: &Reading,
    owns_cpu: bool,
    server: &[u32],
    database: Option<u32>,
) -> Sample {
    let requests = tally.measured.max(1) as f64;
    let mut sorted = tally.latencies_us.clone();
    sorted.sort_unstable();
    let cpu = (owns_cpu && tally.measured > 0).then(|| CpuMs {
        server: (to.server - from.server) / requests,
        database: to
            .database
            .zip(from.database)
            .map(|(to, from)| (to - from) / requests),
        client: (to.client - from.client) / requests,
    });
    Sample {
        per_second: tally.measured as f64 / (to.at - from.at).as_secs_f64(),
        p50_ms: percentile_ms(&sorted, 50.0),
        p99_ms: percentile_ms(&sorted, 99.0),
        cpu,
        memory_mb: usage::memory_mb(server),
        database_memory_mb: database.map(|pid| usage::memory_mb(&[pid])),
        refused: tally.refused,
        first_refusal: tally.first_refusal.clone(),
    }
}
