//! What the threads share.

use std::sync::atomic::AtomicU64;

use serde_json::json;

use crate::draw::Draw;
use crate::parse::Parse;

use super::{ACCOUNT, COUNTER, ROSTER};

const HOT_COUNTERS: usize = 2;
const COLD_COUNTERS: usize = 40;
const ACCOUNTS: usize = 8;
/// Classes and fields that come up in each round.
const FRESH: u64 = 3;

/// Ids of shared objects that exist before the first round.
#[derive(Debug, Default, Clone)]
pub struct Stage {
    /// Counters that all threads increment all the time.
    pub hot: Vec<String>,
    /// Counters that are incremented now and then.
    pub cold: Vec<String>,
    /// Accounts between which threads transfer.
    pub accounts: Vec<String>,
    /// Whether clients may choose ids, and threads fight for those.
    pub own_ids: bool,
}

impl Stage {
    /// Creates the shared objects.
    pub fn prepare(client: &mut Parse) -> anyhow::Result<Self> {
        let mut many = |class, count, fields| -> anyhow::Result<Vec<String>> {
            (0..count).map(|_| client.create(class, &fields)).collect()
        };
        Ok(Self {
            hot: many(COUNTER, HOT_COUNTERS, json!({"value": 0}))?,
            cold: many(COUNTER, COLD_COUNTERS, json!({"value": 0}))?,
            accounts: many(ACCOUNT, ACCOUNTS, json!({"balance": 0}))?,
            own_ids: false,
        })
    }
}

/// What the threads of one round do.
#[derive(Debug)]
pub struct Plan {
    /// The number of the round.
    pub round: u64,
    /// Where the choices of the round come from.
    pub seed: u64,
    /// The shared objects.
    pub stage: Stage,
    /// The list of this round.
    pub roster: String,
    /// Classes that this round makes by writing to them.
    pub classes: Vec<String>,
    /// Fields that this round makes by writing to them.
    pub fields: Vec<String>,
    /// Counts up the names that are fought for.
    pub names: AtomicU64,
}

impl Plan {
    /// Prepares a round: creates its list.
    pub fn prepare(
        client: &mut Parse,
        stage: &Stage,
        round: u64,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let fresh = |what: &str| (0..FRESH).map(|i| format!("{what}{round}x{i}")).collect();
        Ok(Self {
            round,
            seed,
            stage: stage.clone(),
            roster: client.create(ROSTER, &json!({"entries": []}))?,
            classes: fresh("Fresh"),
            fields: fresh("fresh"),
            names: AtomicU64::new(0),
        })
    }

    /// The seed of a round of a run.
    pub fn seed(run: u64, round: u64) -> u64 {
        Draw::new(run.wrapping_mul(1_000_003).wrapping_add(round)).number()
    }
}
