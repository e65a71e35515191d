//! The workloads: a table, and what each one sends.

use std::fmt::Write;
use std::time::Duration;

use crate::drive::{Traffic, Window};
use crate::wire::{By, Class, Wire};
use crate::world::{BATCH, Dice, Row, World};

/// One kind of load.
#[derive(Clone, Copy)]
pub struct Work {
    pub name: &'static str,
    pub title: &'static str,
    pub callers: usize,
    pub kind: Kind,
}

impl Work {
    /// The window for this workload: 200 logins at once take seconds to come round, so a short
    /// window would see none of them or one burst.
    pub fn stretch(&self, window: Window) -> Window {
        if self.kind != Kind::Login {
            return window;
        }
        Window {
            warm_up: window.warm_up.max(LOGIN_WARM_UP),
            measure: window.measure.max(LOGIN_MEASURE),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Read,
    Query { include: bool },
    Create,
    IncrementHot,
    IncrementRandom,
    Batch,
    Login,
}

pub const LOADS: &[Work] = &[
    Work {
        name: "read",
        title: "object read by id, with session and ACL",
        callers: 32,
        kind: Kind::Read,
    },
    QUERY,
    Work {
        name: "include",
        title: "the same query with an include",
        callers: 32,
        kind: Kind::Query { include: true },
    },
    Work {
        name: "create",
        title: "create, acknowledged when durable, 500 bytes in 8 fields",
        callers: 64,
        kind: Kind::Create,
    },
    Work {
        name: "increment-hot",
        title: "increment of one hot object",
        callers: 32,
        kind: Kind::IncrementHot,
    },
    Work {
        name: "increment-random",
        title: "increment of random objects",
        callers: 32,
        kind: Kind::IncrementRandom,
    },
    Work {
        name: "batch",
        title: "batch of 50 creates",
        callers: 8,
        kind: Kind::Batch,
    },
    LOGIN,
];

pub const QUERY: Work = Work {
    name: "query",
    title: "indexed query, 20 rows in order, with session and ACL",
    callers: 32,
    kind: Kind::Query { include: false },
};

pub const LOGIN: Work = Work {
    name: "login",
    title: "password login, with a few light reads alongside",
    callers: 200,
    kind: Kind::Login,
};

/// Callers of the light reads beside the logins; each rests between its reads.
pub const LIGHT_CALLERS: usize = 4;
pub const LIGHT_REST_MS: u64 = 10;
const LOGIN_WARM_UP: Duration = Duration::from_secs(3);
const LOGIN_MEASURE: Duration = Duration::from_secs(10);

/// Measurements that are no request load.
const OTHERS: &[(&str, &str)] = &[
    ("start", "start to first 200, empty and with the data set"),
    ("memory", "memory idle and after the other workloads"),
    ("size", "size of the program on the disk"),
    (GROW, "the query as the data set grows (only when named)"),
];

pub const GROW: &str = "grow";

pub fn exists(name: &str) -> bool {
    LOADS.iter().any(|work| work.name == name) || OTHERS.iter().any(|other| other.0 == name)
}

pub fn names_by_default() -> Vec<String> {
    let loads = LOADS.iter().map(|work| work.name);
    let others = OTHERS.iter().map(|other| other.0);
    loads
        .chain(others)
        .filter(|name| *name != GROW)
        .map(str::to_owned)
        .collect()
}

/// The lists of peers and workloads for the help text.
pub fn help(peers: &[&str]) -> String {
    let mut out = format!("Peers: {}\n\nWorkloads:\n", peers.join(", "));
    for work in LOADS {
        let line = format!("{} ({} callers)", work.title, work.callers);
        let _ = writeln!(out, "  {:<17} {line}", work.name);
    }
    for (name, title) in OTHERS {
        let _ = writeln!(out, "  {name:<17} {title}");
    }
    out
}

/// The requests of one kind of load against one peer.
pub struct Flow<'a> {
    kind: Kind,
    wire: &'a dyn Wire,
    world: &'a World,
    dice: Dice,
}

impl<'a> Flow<'a> {
    /// `seed` differs from round to round and is the same for every peer.
    pub fn new(kind: Kind, wire: &'a dyn Wire, world: &'a World, seed: u64) -> Self {
        Self {
            kind,
            wire,
            world,
            dice: Dice::new(seed),
        }
    }

    fn fresh_row(&mut self) -> Row {
        let seed = self.dice.below(1_000_000_000) as u64;
        let board = self.dice.below(self.world.boards());
        Row::new(seed, board)
    }
}

impl Traffic for Flow<'_> {
    fn next(&mut self, out: &mut Vec<u8>) -> Option<u64> {
        let (wire, world) = (self.wire, self.world);
        match self.kind {
            Kind::Read => {
                let (id, owner) = &world.items[self.dice.below(world.items.len())];
                wire.read(By::User(&world.users[*owner]), Class::Item, id, out);
            }
            Kind::Query { include } => {
                let board = self.dice.below(world.boards());
                wire.query(world.owner_of_board(board), board, include, out);
            }
            Kind::Create => {
                let row = self.fresh_row();
                let user = &world.users[row.owner];
                wire.create(By::User(user), Class::Note, &row, world, out);
            }
            Kind::IncrementHot | Kind::IncrementRandom => {
                let counter = match self.kind {
                    Kind::IncrementHot => 0,
                    _ => 1 + self.dice.below(world.counters.len() - 1),
                };
                let user = &world.users[self.dice.below(world.users.len())];
                wire.increment(user, &world.counters[counter], out);
            }
            Kind::Batch => {
                let first = self.fresh_row();
                let rows: Vec<Row> = (0..BATCH as u64)
                    .map(|n| Row::new(first.seed + n, first.board))
                    .collect();
                let user = &world.users[first.owner];
                wire.batch(By::User(user), Class::Note, &rows, world, out);
            }
            Kind::Login => {
                let user = &world.users[self.dice.below(world.users.len())];
                wire.login(user, out);
            }
        }
        Some(0)
    }

    fn accept(&mut self, _tag: u64, status: u16, body: &[u8]) -> bool {
        (200..300).contains(&status)
            && match self.kind {
                // Refusals inside a batch come with status 200.
                Kind::Batch => memchr::memmem::find(body, b"\"error\"").is_none(),
                _ => true,
            }
    }
}
