//! Building indexes beside the writes of an app: by one node of the cluster at a time.
//!
//! An index on a large collection is only declared by its catalogue change: its row says that it is
//! not `ready`. The builder of some node makes it then, while reads and writes go on, and marks the
//! row. What a crash or a change of the table leaves behind is dropped and begun again. Nothing but
//! speed depends on an index being there; unique ones, which have to find duplicates, are made with
//! their declaration.

use crate::error::{Typed, is_conflict};
use crate::lease::Held;
use crate::metrics::Counters;
use crate::net::Conn;
use crate::reads;
use crate::schema;
use crate::shared::Shared;
use basalt_base::{Reason, Result};
use basalt_store::{Lease, Leases, lease_lost};
use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// The lease of the node that builds.
const LEASE: &str = "indexes";
const LEASE_TIME: Duration = Duration::from_secs(30);
const RENEW: Duration = Duration::from_secs(8);
/// How often a node looks for what another one left, besides when it declared an index itself.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// How soon it tries again after it gave way.
const GAVE_WAY: Duration = Duration::from_secs(1);

/// The builder of an open app; dropping it stops what it builds.
pub(crate) struct Builder(tokio::task::JoinHandle<()>);

impl Drop for Builder {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An index that is declared and not there.
struct Wanted {
    id: i64,
    collection: i64,
    name: String,
}

/// How an attempt ended.
enum Built {
    Done,
    /// A change of the table or another node came in between.
    GaveWay,
}

/// Starts the builder of an app; it looks at once, and whenever the catalogue was changed here.
pub(crate) fn start(shared: &Arc<Shared>) -> Builder {
    let (weak, wake) = (Arc::downgrade(shared), Arc::clone(&shared.declared));
    Builder(tokio::spawn(run(weak, wake)))
}

async fn run(shared: Weak<Shared>, wake: Arc<tokio::sync::Notify>) {
    // Those that can't be built, as of a value that is too long; tried again when the app is opened.
    let mut failed = HashSet::new();
    while let Some(shared) = shared.upgrade() {
        let pause = match round(&shared, &mut failed).await {
            Ok(Built::Done) => LOOK_AGAIN,
            Ok(Built::GaveWay) => GAVE_WAY,
            Err(error) => {
                tracing::debug!(?error, "building indexes failed; it is tried again");
                LOOK_AGAIN
            }
        };
        drop(shared);
        let _ = tokio::time::timeout(pause, wake.notified()).await;
    }
}

async fn round(shared: &Shared, failed: &mut HashSet<i64>) -> Result<Built> {
    if next(shared, failed).await?.is_none() {
        return Ok(Built::Done);
    }
    let leases = Held {
        schema: shared.name.clone(),
        writers: shared.common.writers.clone(),
    };
    let Some(lease) = leases.acquire(LEASE, "a node", LEASE_TIME).await? else {
        return Ok(Built::Done);
    };
    let outcome = build_all(shared, &leases, &lease, failed).await;
    leases.release(&lease).await?;
    outcome
}

async fn build_all(
    shared: &Shared,
    leases: &Held,
    lease: &Lease,
    failed: &mut HashSet<i64>,
) -> Result<Built> {
    while let Some(wanted) = next(shared, failed).await? {
        let mut building = std::pin::pin!(build(shared, lease, &wanted, failed));
        let built = loop {
            match tokio::time::timeout(RENEW, building.as_mut()).await {
                Ok(built) => break built?,
                Err(_) if leases.renew(lease, LEASE_TIME).await? => {}
                Err(_) => return Err(lease_lost()),
            }
        };
        if matches!(built, Built::GaveWay) {
            return Ok(built);
        }
    }
    Ok(Built::Done)
}

/// The next index to build.
async fn next(shared: &Shared, failed: &HashSet<i64>) -> Result<Option<Wanted>> {
    let sql = format!(
        "SELECT id, collection, name FROM {}.basalt_indexes WHERE NOT ready ORDER BY id",
        shared.name
    );
    let rows = shared.common.lanes.read(&sql, &[]).await?;
    for row in rows {
        let id = row.try_get(0).typed()?;
        if !failed.contains(&id) {
            return Ok(Some(Wanted {
                id,
                collection: row.try_get(1).typed()?,
                name: row.try_get(2).typed()?,
            }));
        }
    }
    Ok(None)
}

async fn build(
    shared: &Shared,
    lease: &Lease,
    wanted: &Wanted,
    failed: &mut HashSet<i64>,
) -> Result<Built> {
    reads::refresh(shared).await?;
    let known = shared.schema.load_full();
    let layout = known
        .layouts()
        .find(|layout| i64::from(layout.collection.id.0) == wanted.collection);
    let index = layout.and_then(|layout| {
        let mut indexes = layout.collection.indexes.iter();
        Some((layout, indexes.find(|index| *index.name == *wanted.name)?))
    });
    let Some((layout, index)) = index else {
        // It was dropped meanwhile.
        return Ok(Built::GaveWay);
    };
    let (name, table) = (format!("{}.i{}", shared.name, wanted.id), &layout.table);
    let create = schema::index_sql(layout, index, wanted.id, true)?;
    let mut own = shared.common.builders.lease().await?;
    own.begin();
    let conn = own.conn()?.clone();
    // A node that stands still may still be at it.
    let cancel = schema::stop_builds_sql(&shared.name, table, wanted.collection);
    conn.client.batch_execute(&cancel).await.typed()?;
    let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {name}");
    conn.client.batch_execute(&drop).await.typed()?;
    tracing::info!(
        index = &*wanted.name,
        table,
        "building an index beside the writes"
    );
    if let Err(error) = conn.client.batch_execute(&create).await {
        return match error.code() {
            Some(code) if is_conflict(&error) || *code == SqlState::QUERY_CANCELED => {
                own.settle();
                Ok(Built::GaveWay)
            }
            Some(_) if crate::error::postgres_reason(&error) != Reason::StoreUnavailable => {
                tracing::error!(%error, index = &*wanted.name, table, "an index can't be built");
                failed.insert(wanted.id);
                conn.client.batch_execute(&drop).await.typed()?;
                own.settle();
                Ok(Built::Done)
            }
            _ => Err(error).typed(),
        };
    }
    let built = if mark(shared, &conn, lease, wanted, &name).await? {
        Counters::count(&shared.common.counters.indexes_built);
        Built::Done
    } else {
        conn.client.batch_execute(&drop).await.typed()?;
        Built::GaveWay
    };
    own.settle();
    Ok(built)
}

/// Says that the index is there. `false` when it was dropped meanwhile, or another node took over.
async fn mark(
    shared: &Shared,
    conn: &Conn,
    lease: &Lease,
    wanted: &Wanted,
    name: &str,
) -> Result<bool> {
    let schema = &shared.name;
    let sql = format!(
        "UPDATE {schema}.basalt_indexes SET ready = true WHERE id = $1
         AND EXISTS (SELECT 1 FROM {schema}.basalt_leases
             WHERE name = '{LEASE}' AND token = $2 AND holder IS NOT NULL)
         AND EXISTS (SELECT 1 FROM pg_catalog.pg_index
             WHERE indexrelid = to_regclass('{name}') AND indisvalid)"
    );
    let token = lease.token.cast_signed();
    let marked = conn.client.execute(&sql, &[&wanted.id, &token]).await;
    Ok(marked.typed()? == 1)
}
