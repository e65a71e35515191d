//! Keeping the change log short and reclaiming the space of dropped collections, beside the writer.

use crate::error::Typed;
use crate::net::Conn;
use crate::shared::Shared;
use basalt_base::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Groups between two looks at the log.
const GROUPS_BETWEEN: u32 = 64;
/// Changes removed in one transaction.
const SLICE_ROWS: i64 = 5_000;

/// When to tend the log.
#[derive(Default)]
pub(super) struct Tending {
    groups: u32,
    busy: Arc<AtomicBool>,
}

impl Tending {
    /// Starts a round in the background now and then.
    pub(super) fn after_group(&mut self, shared: &Arc<Shared>) {
        self.groups += 1;
        if self.groups % GROUPS_BETWEEN != 1 || self.busy.swap(true, SeqCst) {
            return;
        }
        let (shared, busy) = (shared.clone(), self.busy.clone());
        tokio::spawn(async move {
            if let Err(error) = tend(&shared).await {
                tracing::warn!(?error, "tending the change log failed");
            }
            busy.store(false, SeqCst);
        });
    }
}

/// One round.
pub(crate) async fn tend(shared: &Shared) -> Result<()> {
    let mut lease = shared.common.keepers.lease().await?;
    let conn = lease.conn()?.clone();
    lease.begin();
    while purge(shared, &conn).await? >= SLICE_ROWS {}
    reclaim(shared, &conn).await?;
    lease.settle();
    Ok(())
}

/// Removes some of the oldest changes that are too old or too many, but never the newest one; says
/// how many. One statement, so that readers see floor and rows of one moment.
async fn purge(shared: &Shared, conn: &Conn) -> Result<i64> {
    let options = &shared.common.options;
    let age_ms = i64::try_from(options.change_age_max.as_millis()).unwrap_or(i64::MAX);
    let old_before = options.clock.now().millis().saturating_sub(age_ms);
    let bytes_max = i64::try_from(options.change_bytes_max).unwrap_or(i64::MAX);
    let schema = &shared.name;
    let sql = format!(
        "WITH held AS (SELECT floor FROM {schema}.basalt_floor WHERE one FOR UPDATE),
         kept AS (SELECT position, log_total FROM {schema}.basalt_state WHERE one),
         gone AS (SELECT coalesce(max(c.position), 0) AS upto FROM
             (SELECT position, total, logged FROM {schema}.basalt_changes
              ORDER BY position LIMIT $1::int8) c, kept
             WHERE (c.logged < $2::int8 OR c.total <= kept.log_total - $3::int8)
               AND c.position < kept.position),
         deleted AS (DELETE FROM {schema}.basalt_changes
             WHERE position <= (SELECT upto FROM gone) RETURNING 1),
         raised AS (UPDATE {schema}.basalt_floor SET floor = greatest(floor, (SELECT upto FROM gone))
             WHERE one AND floor < (SELECT upto FROM gone) RETURNING 1)
         SELECT (SELECT count(*) FROM deleted), (SELECT count(*) FROM raised),
                (SELECT count(*) FROM held)"
    );
    let rows = conn
        .query(&sql, &[&SLICE_ROWS, &old_before, &bytes_max])
        .await
        .typed()?;
    match rows.first() {
        Some(row) => row.try_get(0).typed(),
        None => Ok(0),
    }
}

/// Drops the tables of dropped collections; one that somebody still reads waits for another round.
async fn reclaim(shared: &Shared, conn: &Conn) -> Result<()> {
    let schema = &shared.name;
    let sql = format!("SELECT collection FROM {schema}.basalt_dropped ORDER BY 1 LIMIT 100");
    for row in conn.query(&sql, &[]).await.typed()? {
        let id: i64 = row.try_get(0).typed()?;
        let work = format!(
            "BEGIN; SET LOCAL lock_timeout = '200ms'; DROP TABLE IF EXISTS {schema}.t{id};
             DELETE FROM {schema}.basalt_dropped WHERE collection = {id}; COMMIT"
        );
        if let Err(error) = conn.client.batch_execute(&work).await {
            tracing::debug!(%error, "the table of a dropped class is still in use");
            conn.client.batch_execute("ROLLBACK").await.typed()?;
        }
    }
    Ok(())
}
