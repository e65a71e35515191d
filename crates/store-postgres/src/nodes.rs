//! The registry of nodes, by the database's clock.

use crate::error::Typed;
use crate::lease::{NOW_MS, change};
use crate::system::System;
use crate::text::{original, stored};
use basalt_base::{BoxFuture, Result, Timestamp};
use basalt_store::{Node, NodeView, Nodes};
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

impl Nodes for System {
    fn beat<'a>(&'a self, node: &'a Node, forget: Duration) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let schema = self.schema();
            let sql = format!(
                "WITH gone AS (DELETE FROM {schema}.nodes
                     WHERE seen < {NOW_MS} - $4::int8 AND id <> $1::text)
                 INSERT INTO {schema}.nodes
                 VALUES ($1::text, $2::text, $3::text, {NOW_MS}, {NOW_MS})
                 ON CONFLICT (id) DO UPDATE SET version = excluded.version,
                     address = excluded.address, seen = excluded.seen"
            );
            let forget = i64::try_from(forget.as_millis()).unwrap_or(i64::MAX / 2);
            let params: [&(dyn ToSql + Sync); 4] = [
                &&*stored(&node.id),
                &&*stored(&node.version),
                &&*stored(&node.address),
                &forget,
            ];
            change(&self.common.writers, &sql, &params).await.map(drop)
        })
    }

    fn leave<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let sql = format!("DELETE FROM {}.nodes WHERE id = $1", self.schema());
            let id = stored(id);
            change(&self.common.writers, &sql, &[&&*id]).await.map(drop)
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<NodeView>>> {
        Box::pin(async move {
            let sql = format!(
                "SELECT id, version, address, since, greatest({NOW_MS} - seen, 0)
                 FROM {}.nodes ORDER BY since, id",
                self.schema()
            );
            let rows = self.common.lanes.read(&sql, &[]).await?;
            rows.iter().map(view).collect()
        })
    }
}

fn view(row: &Row) -> Result<NodeView> {
    let text = |at: usize| {
        row.try_get(at)
            .typed()
            .map(|held| Box::from(&*original(held)))
    };
    Ok(NodeView {
        node: Node {
            id: text(0)?,
            version: text(1)?,
            address: text(2)?,
        },
        since: Timestamp::from_millis(row.try_get(3).typed()?),
        silent: Duration::from_millis(row.try_get::<_, i64>(4).typed()?.unsigned_abs()),
    })
}
