//! Leases in a table of the app's file or of the registry, by this machine's clock.

use crate::error::Typed;
use basalt_base::{Result, Timestamp};
use basalt_store::{Fence, Lease, LeaseView, check_lease, lease_lost};
use rusqlite::{Connection, Rows, params};
use std::time::Duration;

/// What is asked of a lease.
pub(crate) enum LeaseCall {
    Acquire {
        name: String,
        holder: String,
        time_ms: i64,
    },
    Renew(Lease, i64),
    Release(Lease),
}

impl LeaseCall {
    pub(crate) fn acquire(name: &str, holder: &str, time: Duration) -> Result<Self> {
        check_lease(name, holder, time)?;
        Ok(Self::Acquire {
            name: name.to_owned(),
            holder: holder.to_owned(),
            time_ms: millis(time),
        })
    }

    pub(crate) fn renew(lease: &Lease, time: Duration) -> Result<Self> {
        check_lease(&lease.name, &lease.holder, time)?;
        Ok(Self::Renew(lease.clone(), millis(time)))
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The lease that a call for it got.
pub(crate) fn made(name: &str, holder: &str, token: u64) -> Lease {
    Lease {
        name: name.into(),
        holder: holder.into(),
        token,
    }
}

/// Does what is asked; the token, if the lease is the caller's now.
pub(crate) fn apply(conn: &Connection, now: Timestamp, call: &LeaseCall) -> Result<Option<u64>> {
    let now = now.millis();
    match call {
        LeaseCall::Acquire {
            name,
            holder,
            time_ms,
        } => conn
            .prepare_cached(
                "INSERT INTO basalt_leases VALUES (?1, ?2, 1, ?3)
                 ON CONFLICT (name) DO UPDATE
                 SET holder = excluded.holder, token = token + 1, until = excluded.until
                 WHERE holder IS NULL OR until <= ?4
                 RETURNING token",
            )
            .and_then(|mut s| {
                let until = now.saturating_add(*time_ms);
                returned(s.query(params![name, holder, until, now])?)
            })
            .typed(),
        LeaseCall::Renew(lease, time_ms) => {
            let until = now.saturating_add(*time_ms);
            conn.prepare_cached(
                "UPDATE basalt_leases SET until = ? WHERE name = ? AND token = ? AND holder = ?
                 RETURNING token",
            )
            .and_then(|mut s| {
                let held = params![until, &*lease.name, lease.token, &*lease.holder];
                returned(s.query(held)?)
            })
            .typed()
        }
        LeaseCall::Release(lease) => conn
            .prepare_cached("UPDATE basalt_leases SET holder = NULL WHERE name = ? AND token = ?")
            .and_then(|mut s| s.execute(params![&*lease.name, lease.token]))
            .map(|_| None)
            .typed(),
    }
}

/// The token that a statement returned, read to its end: outside a transaction that is where it
/// commits, and a failure of that must be heard of.
fn returned(mut rows: Rows<'_>) -> rusqlite::Result<Option<u64>> {
    let mut token = None;
    while let Some(row) = rows.next()? {
        token = Some(row.get(0)?);
    }
    Ok(token)
}

/// Refuses what a former holder writes.
pub(crate) fn check_fence(conn: &Connection, fence: &Fence) -> Result<()> {
    let sql = "SELECT 1 FROM basalt_leases WHERE name = ? AND token = ? AND holder IS NOT NULL";
    let held = conn
        .prepare_cached(sql)
        .and_then(|mut s| s.exists(params![&*fence.lease, fence.token]))
        .typed()?;
    if held { Ok(()) } else { Err(lease_lost()) }
}

/// The leases that have a holder.
pub(crate) fn list(conn: &Connection, now: Timestamp) -> Result<Vec<LeaseView>> {
    let sql = "SELECT name, holder, token, until FROM basalt_leases
               WHERE holder IS NOT NULL ORDER BY name";
    let mut statement = conn.prepare_cached(sql).typed()?;
    let rows = statement.query_map([], |row| {
        let left: i64 = row.get::<_, i64>(3)?.saturating_sub(now.millis()).max(0);
        Ok(LeaseView {
            lease: made(
                &row.get::<_, String>(0)?,
                &row.get::<_, String>(1)?,
                row.get(2)?,
            ),
            left: Duration::from_millis(left.unsigned_abs()),
        })
    });
    rows.and_then(Iterator::collect).typed()
}
