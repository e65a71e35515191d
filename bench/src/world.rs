//! The data set, the same for every peer: users, authors, items (private to their owner, 100 to a
//! board) and counters.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use crate::drive::{Lane, Traffic, drive};
use crate::http::Client;
use crate::wire::{By, Class, Wire};

pub const USERS: usize = 40;
pub const AUTHORS: usize = 1000;
pub const COUNTERS: usize = 1000;
pub const BATCH: usize = 50;
const BOARD_ITEMS: usize = 100;
const LOAD_CALLERS: usize = 4;

/// A user with a live session.
#[derive(Clone)]
pub struct User {
    pub id: String,
    pub name: String,
    pub password: String,
    pub token: String,
}

/// The numbers that one record's contents follow from.
#[derive(Clone, Copy)]
pub struct Row {
    pub seed: u64,
    /// Every item of a board has the same owner.
    pub board: usize,
    pub owner: usize,
    pub author: usize,
}

/// What the harness knows about one peer's data.
#[derive(Default)]
pub struct World {
    pub users: Vec<User>,
    pub authors: Vec<String>,
    pub counters: Vec<String>,
    /// Id and owner of each item.
    pub items: Vec<(String, usize)>,
}

impl World {
    /// Signs up the users and stores the authors and counters.
    pub fn found(http: &mut Client, wire: &dyn Wire) -> Result<Self> {
        let mut world = Self::default();
        for number in 0..USERS {
            let (name, password) = (format!("caller{number}"), format!("correct horse {number}"));
            let user = wire
                .sign_up(http, &name, &password)
                .with_context(|| format!("sign-up of {name}"))?;
            world.users.push(user);
        }
        for (class, amount) in [(Class::Author, AUTHORS), (Class::Counter, COUNTERS)] {
            let mut ids = Vec::new();
            for from in (0..amount).step_by(BATCH) {
                let rows: Vec<Row> = (from..from + BATCH)
                    .map(|n| Row::new(n as u64, 0))
                    .collect();
                let mut request = Vec::new();
                wire.batch(By::Admin, class, &rows, &world, &mut request);
                ids.extend(wire.created_ids(&http.ok(&request)?)?);
            }
            match class {
                Class::Author => world.authors = ids,
                _ => world.counters = ids,
            }
        }
        Ok(world)
    }

    /// Brings the items up to `rows` through the peer's batch call.
    pub fn grow(&mut self, addrs: &[SocketAddr], wire: &dyn Wire, rows: usize) -> Result<()> {
        let (from, to) = (self.items.len(), rows);
        if to <= from {
            return Ok(());
        }
        let mut loader = Loader {
            wire,
            world: self,
            from,
            to,
            next: from,
            ids: vec![Vec::new(); (to - from).div_ceil(BATCH)],
            problem: None,
        };
        let mut lanes = [Lane {
            callers: LOAD_CALLERS,
            rest: None,
            traffic: &mut loader,
        }];
        let tallies = drive(addrs, &mut lanes, None, &mut |_| Ok(()))?;
        let ids = std::mem::take(&mut loader.ids);
        if let Some(problem) = loader.problem.take() {
            return Err(problem).context("load");
        }
        if let Some(refusal) = tallies
            .first()
            .and_then(|tally| tally.first_refusal.clone())
        {
            anyhow::bail!("load refused: {refusal}");
        }
        let owners: Vec<usize> = (from..to).map(|n| owner(board(n, from, to))).collect();
        self.items.extend(ids.into_iter().flatten().zip(owners));
        anyhow::ensure!(self.items.len() == to, "the load lost rows");
        Ok(())
    }

    /// Boards that hold their full number of items.
    pub fn boards(&self) -> usize {
        (self.items.len() / BOARD_ITEMS).max(1)
    }

    pub fn owner_of_board(&self, board: usize) -> &User {
        &self.users[owner(board)]
    }
}

fn owner(board: usize) -> usize {
    board % USERS
}

/// Spreads the items of a load over the boards that it fills, so that those of one board are not
/// neighbours on the disk.
fn board(number: usize, from: usize, to: usize) -> usize {
    let first = from / BOARD_ITEMS;
    let boards = (to / BOARD_ITEMS - first).max(1);
    first + (number - from) % boards
}

struct Loader<'a> {
    wire: &'a dyn Wire,
    world: &'a World,
    from: usize,
    to: usize,
    next: usize,
    ids: Vec<Vec<String>>,
    problem: Option<anyhow::Error>,
}

impl Traffic for Loader<'_> {
    fn next(&mut self, out: &mut Vec<u8>) -> Option<u64> {
        if self.next >= self.to || self.problem.is_some() {
            return None;
        }
        let first = self.next;
        self.next = (first + BATCH).min(self.to);
        let rows: Vec<Row> = (first..self.next)
            .map(|n| Row::new(n as u64, board(n, self.from, self.to)))
            .collect();
        self.wire
            .batch(By::Admin, Class::Item, &rows, self.world, out);
        Some(((first - self.from) / BATCH) as u64)
    }

    fn accept(&mut self, tag: u64, status: u16, body: &[u8]) -> bool {
        if !(200..300).contains(&status) {
            return false;
        }
        match self.wire.created_ids(body) {
            Ok(ids) => self.ids[tag as usize] = ids,
            Err(error) => self.problem = Some(error),
        }
        true
    }
}

/// Well spread bits of a number (the finaliser of splitmix64).
pub fn mix(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Random choices that are the same for every peer.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// A number below `end`, which is above 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        mix(self.0) as usize % end
    }
}

impl Row {
    /// The row number `seed` on `board`.
    pub fn new(seed: u64, board: usize) -> Self {
        Self {
            seed,
            board,
            owner: owner(board),
            author: mix(seed) as usize % AUTHORS,
        }
    }

    /// The order field.
    pub fn score(&self) -> u64 {
        mix(self.seed ^ 0x5eed) % 1_000_000
    }

    /// Text that needs no escaping in JSON and differs from row to row.
    pub fn text(&self) -> &'static str {
        let from = mix(self.seed) as usize % (WORDS.len() - TEXT_BYTES);
        &WORDS[from..from + TEXT_BYTES]
    }

    /// The date field, as its date and its time of day in UTC.
    pub fn due(&self) -> (String, String) {
        let bits = mix(self.seed ^ 0xda7e);
        let date = format!("2026-03-{:02}", bits % 28 + 1);
        let (hour, minute, second, ms) = (bits % 24, bits / 60 % 60, bits % 60, bits % 1000);
        (date, format!("{hour:02}:{minute:02}:{second:02}.{ms:03}Z"))
    }
}

const TEXT_BYTES: usize = 220;

/// Plain words for bodies.
const WORDS: &str = "the harbour lay quiet under a low sky while the ferry turned its nose to the \
wind and the last crates came aboard one by one past the old scales where nobody had weighed a \
thing since the war and the clerk counted them twice because the first count had been spoiled by \
a gull that took his pencil for a fish and would not give it back until he threw his sandwich at \
the railing so the books of that day say ninety crates of lemons and one of rope and a lunch that \
was never claimed from the company which is why people on the quay still ask for lunch when they \
mean that a sum does not add up";
