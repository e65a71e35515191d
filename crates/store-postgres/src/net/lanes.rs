//! A few connections that many short reads share. Statements are sent as they come, without waiting
//! for the answers to earlier ones.

use super::conn::{Conn, Params};
use super::target::{Role, Target, unavailable};
use crate::error::{Typed, is_lost};
use crate::options::Options;
use arc_swap::ArcSwapOption;
use basalt_base::Result;
use std::sync::Arc;
use tokio_postgres::Row;

/// Attempts of a read whose connections are lost.
const READ_ATTEMPTS_MAX: usize = 16;

/// The shared connections.
pub(crate) struct Lanes {
    target: Target,
    options: Options,
    all: Vec<Lane>,
}

#[derive(Default)]
struct Lane {
    conn: ArcSwapOption<Conn>,
    /// Held while connecting, so that one caller does it for all.
    opening: tokio::sync::Mutex<()>,
}

impl Lanes {
    pub(crate) fn new(target: Target, options: Options) -> Self {
        let all = (0..options.lanes.max(1)).map(|_| Lane::default()).collect();
        Self {
            target,
            options,
            all,
        }
    }

    /// The connection with the least to do, opened anew when it was lost. A further one is opened
    /// when every open one is busy.
    pub(crate) async fn pick(&self) -> Result<Arc<Conn>> {
        let mut best: Option<(usize, Arc<Conn>)> = None;
        let mut closed = None;
        for lane in &self.all {
            match lane.conn.load_full().filter(|conn| !conn.is_closed()) {
                None => closed = Some(lane),
                Some(conn) => {
                    let busy = conn.busy();
                    if best.as_ref().is_none_or(|(least, _)| busy < *least) {
                        best = Some((busy, conn));
                    }
                }
            }
        }
        match (best, closed) {
            (Some((0, conn)), _) | (Some((_, conn)), None) => Ok(conn),
            (Some((_, conn)), Some(lane)) => match lane.opening.try_lock() {
                // Somebody opens one already; there is one to use meanwhile.
                Err(_) => Ok(conn),
                Ok(_guard) => match self.open(lane).await {
                    Ok(new) => Ok(new),
                    Err(_) => Ok(conn),
                },
            },
            (None, Some(lane)) => {
                let _guard = lane.opening.lock().await;
                self.open(lane).await
            }
            (None, None) => Err(unavailable()),
        }
    }

    /// Runs a statement that only reads. A connection may be lost with a restart of the server; it
    /// then runs on another.
    pub(crate) async fn read(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>> {
        for _ in 0..READ_ATTEMPTS_MAX {
            let conn = self.pick().await?;
            match conn.query(sql, params).await {
                Err(error) if is_lost(&error) => {}
                rows => return rows.typed(),
            }
        }
        Err(unavailable())
    }

    async fn open(&self, lane: &Lane) -> Result<Arc<Conn>> {
        if let Some(conn) = lane.conn.load_full().filter(|conn| !conn.is_closed()) {
            return Ok(conn);
        }
        let conn = self.target.connect(Role::Lane, &self.options).await?;
        lane.conn.store(Some(conn.clone()));
        Ok(conn)
    }

    /// How many are open.
    pub(crate) fn open_count(&self) -> usize {
        let open = |lane: &&Lane| lane.conn.load().as_ref().is_some_and(|c| !c.is_closed());
        self.all.iter().filter(open).count()
    }
}
