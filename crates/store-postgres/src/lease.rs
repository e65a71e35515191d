//! Leases in a table of the app's schema or of the registry's, by the database's clock.

use crate::error::Typed;
use crate::net::{Conn, Pool};
use crate::text::{original, stored};
use basalt_base::{BoxFuture, Error, Reason, Result};
use basalt_store::{Fence, Lease, LeaseView, Leases, check_lease, lease_lost};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Row;

/// The database's time, in milliseconds.
pub(crate) const NOW_MS: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::int8";

/// The leases of one schema.
pub(crate) struct Held {
    pub(crate) schema: Arc<str>,
    pub(crate) writers: Arc<Pool>,
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Runs a change of one statement on a connection whose commits are durable.
pub(crate) async fn change(
    writers: &Arc<Pool>,
    sql: &str,
    params: &crate::net::Params<'_>,
) -> Result<Vec<Row>> {
    let mut lease = writers.lease().await?;
    lease.begin();
    let conn = lease.conn()?.clone();
    let warned = conn.warnings();
    let rows = conn.query(sql, params).await;
    if rows.is_ok() && conn.warnings() != warned {
        // It may be on this server and on no standby.
        return Err(unknown().with_source("the server warned while it committed"));
    }
    if rows.as_ref().is_ok() || rows.as_ref().is_err_and(|e| e.code().is_some()) {
        lease.settle();
    }
    rows.map_err(|error| match error.code() {
        Some(_) => crate::error::postgres(error),
        None => unknown().with_source(error),
    })
}

fn unknown() -> Error {
    Error::new(
        Reason::OutcomeUnknown,
        "The store failed during the change: it may or may not have happened.",
    )
}

impl Leases for Held {
    fn acquire<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        time: Duration,
    ) -> BoxFuture<'a, Result<Option<Lease>>> {
        Box::pin(async move {
            check_lease(name, holder, time)?;
            let schema = &self.schema;
            let sql = format!(
                "INSERT INTO {schema}.basalt_leases AS l
                 VALUES ($1::text, $2::text, 1, {NOW_MS} + $3::int8)
                 ON CONFLICT (name) DO UPDATE
                 SET holder = excluded.holder, token = l.token + 1, until = excluded.until
                 WHERE l.holder IS NULL OR l.until <= {NOW_MS}
                 RETURNING token"
            );
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                [&&*stored(name), &&*stored(holder), &millis(time)];
            let rows = change(&self.writers, &sql, &params).await?;
            let Some(row) = rows.first() else {
                return Ok(None);
            };
            Ok(Some(Lease {
                name: name.into(),
                holder: holder.into(),
                token: row.try_get::<_, i64>(0).typed()?.cast_unsigned(),
            }))
        })
    }

    fn renew<'a>(&'a self, lease: &'a Lease, time: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            check_lease(&lease.name, &lease.holder, time)?;
            let sql = format!(
                "UPDATE {}.basalt_leases SET until = {NOW_MS} + $1::int8
                 WHERE name = $2 AND token = $3 AND holder = $4 RETURNING token",
                self.schema
            );
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [
                &millis(time),
                &&*stored(&lease.name),
                &lease.token.cast_signed(),
                &&*stored(&lease.holder),
            ];
            Ok(!change(&self.writers, &sql, &params).await?.is_empty())
        })
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let sql = format!(
                "UPDATE {}.basalt_leases SET holder = NULL WHERE name = $1 AND token = $2",
                self.schema
            );
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
                [&&*stored(&lease.name), &lease.token.cast_signed()];
            change(&self.writers, &sql, &params).await.map(drop)
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<LeaseView>>> {
        Box::pin(async move {
            let sql = format!(
                "SELECT name, holder, token, greatest(until - {NOW_MS}, 0)
                 FROM {}.basalt_leases WHERE holder IS NOT NULL ORDER BY name",
                self.schema
            );
            let rows = change(&self.writers, &sql, &[]).await?;
            rows.iter().map(view).collect()
        })
    }
}

fn view(row: &Row) -> Result<LeaseView> {
    Ok(LeaseView {
        lease: Lease {
            name: original(row.try_get(0).typed()?).into(),
            holder: original(row.try_get(1).typed()?).into(),
            token: row.try_get::<_, i64>(2).typed()?.cast_unsigned(),
        },
        left: Duration::from_millis(row.try_get::<_, i64>(3).typed()?.unsigned_abs()),
    })
}

/// Refuses what a former holder writes. Nobody takes the lease before the transaction ends.
pub(crate) async fn check_fence(conn: &Conn, schema: &str, fence: &Fence) -> Result<()> {
    let sql = format!(
        "SELECT 1 FROM {schema}.basalt_leases
         WHERE name = $1 AND token = $2 AND holder IS NOT NULL FOR SHARE"
    );
    let (name, token) = (stored(&fence.lease), fence.token.cast_signed());
    let held = conn.query(&sql, &[&&*name, &token]).await.typed()?;
    if held.is_empty() {
        Err(lease_lost())
    } else {
        Ok(())
    }
}
