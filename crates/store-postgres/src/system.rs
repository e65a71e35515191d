//! The registry of apps.

use crate::error::{Typed, corrupt, postgres};
use crate::schema::{load, migrate};
use crate::shared::Common;
use crate::text;
use basalt_base::{AppId, BoxFuture, Error, Map, Reason, Result, Timestamp, Value};
use basalt_store::{AppRow, StoreId, SystemStore, codec};
use std::sync::Arc;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

/// The registry. Each write is one statement; they are rare.
pub(crate) struct System {
    common: Arc<Common>,
}

impl System {
    /// Opens or makes the registry.
    pub(crate) async fn open(common: Arc<Common>) -> Result<Self> {
        let mut lease = common.keepers.lease().await?;
        lease.begin();
        let schema = &common.options.schema_prefix;
        migrate::migrate(lease.conn()?, schema, migrate::SYSTEM).await?;
        lease.settle();
        drop(lease);
        Ok(Self { common })
    }

    /// On a connection whose commits are durable.
    async fn change(&self, sql: &str, params: &crate::net::Params<'_>) -> Result<Vec<Row>> {
        let mut lease = self.common.writers.lease().await?;
        lease.begin();
        let rows = lease.conn()?.query(sql, params).await;
        match rows {
            Ok(rows) => {
                lease.settle();
                Ok(rows)
            }
            Err(error) if error.code().is_some() => {
                lease.settle();
                Err(refusal(error))
            }
            Err(error) => Err(Error::new(
                Reason::OutcomeUnknown,
                "The store failed during the change: it may or may not have happened.",
            )
            .with_source(error)),
        }
    }

    fn schema(&self) -> &str {
        &self.common.options.schema_prefix
    }
}

fn refusal(error: tokio_postgres::Error) -> Error {
    match error.code() {
        Some(code) if *code == SqlState::UNIQUE_VIOLATION => Error::new(
            Reason::DuplicateValue,
            "An app with this id or account exists already.",
        ),
        _ => postgres(error),
    }
}

fn app_row(row: &Row) -> Result<AppRow> {
    let store_id = u32::try_from(row.try_get::<_, i64>(0).typed()?);
    Ok(AppRow {
        store_id: StoreId(store_id.map_err(|_| corrupt("the number of an app"))?),
        app_id: AppId::new(text::original(row.try_get(1).typed()?)),
        account: text::original(row.try_get(2).typed()?).into_owned(),
        settings: load::map(row.try_get(3).typed()?)?,
        created_at: Timestamp::from_millis(row.try_get(4).typed()?),
    })
}

fn settings_text(settings: Map) -> String {
    codec::encode_to_string(&Value::Map(settings))
}

fn changed_one(rows: &[Row]) -> Result<()> {
    match rows.len() {
        0 => Err(Error::new(Reason::ObjectNotFound, "No such app.")),
        _ => Ok(()),
    }
}

impl SystemStore for System {
    fn apps(&self) -> BoxFuture<'_, Result<Vec<AppRow>>> {
        Box::pin(async move {
            let sql = format!(
                "SELECT store_id, app_id, account, settings, created_at FROM {}.apps
                 ORDER BY store_id",
                self.schema()
            );
            // An idle connection may have died with a restart of the server.
            for _ in 0..16 {
                let conn = self.common.lanes.pick().await?;
                match conn.query(&sql, &[]).await {
                    Ok(rows) => return rows.iter().map(app_row).collect(),
                    Err(_) if conn.is_closed() => {}
                    Err(error) => return Err(postgres(error)),
                }
            }
            Err(crate::reads::unsettled())
        })
    }

    fn create_app<'a>(
        &'a self,
        app_id: &'a AppId,
        account: &'a str,
        settings: Map,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<AppRow>> {
        Box::pin(async move {
            // The number is taken in the same statement, so that a refused app takes none.
            let schema = self.schema();
            let sql = format!(
                "WITH next AS (UPDATE {schema}.next_app SET store_id = store_id + 1 WHERE one
                     RETURNING store_id - 1 AS store_id)
                 INSERT INTO {schema}.apps (store_id, app_id, account, settings, created_at)
                 SELECT store_id, $1::text, $2::text, $3::text, $4::int8 FROM next
                 RETURNING store_id, app_id, account, settings, created_at"
            );
            let (id, account) = (text::stored(app_id.as_str()), text::stored(account));
            let settings = settings_text(settings);
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                [&&*id, &&*account, &settings, &at.millis()];
            let rows = self.change(&sql, &params).await?;
            match rows.first() {
                Some(row) => app_row(row),
                None => Err(corrupt("an insert that returned nothing")),
            }
        })
    }

    fn update_app(&self, store_id: StoreId, settings: Map) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let sql = format!(
                "UPDATE {}.apps SET settings = $1 WHERE store_id = $2 RETURNING 1",
                self.schema()
            );
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
                [&settings_text(settings), &i64::from(store_id.0)];
            changed_one(&self.change(&sql, &params).await?)
        })
    }

    fn remove_app(&self, store_id: StoreId) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let sql = format!(
                "DELETE FROM {}.apps WHERE store_id = $1 RETURNING 1",
                self.schema()
            );
            changed_one(&self.change(&sql, &[&i64::from(store_id.0)]).await?)
        })
    }
}
