//! The registry of apps.

use crate::error::{Typed, corrupt};
use crate::lease::{self, Held};
use crate::schema::{load, migrate};
use crate::shared::Common;
use crate::text;
use basalt_base::{AppId, BoxFuture, Error, Map, Reason, Result, Timestamp, Value};
use basalt_store::{AppRow, Leases, Nodes, StoreId, SystemStore, codec};
use std::sync::Arc;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

/// The registry. Each write is one statement; they are rare.
pub(crate) struct System {
    pub(crate) common: Arc<Common>,
    leases: Held,
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
        let leases = Held {
            schema: schema.as_str().into(),
            writers: common.writers.clone(),
        };
        Ok(Self { common, leases })
    }

    /// Runs a change of apps together with that of the registry's version.
    async fn change(&self, sql: &str, params: &crate::net::Params<'_>) -> Result<Vec<Row>> {
        let schema = self.schema();
        // The number is taken in the same statement, so that a refused app takes none.
        let taken = if sql.ends_with("created_at") {
            format!(
                "taken AS (UPDATE {schema}.next_app SET store_id = store_id + 1 WHERE one
                     RETURNING store_id - 1 AS store_id), "
            )
        } else {
            String::new()
        };
        let both = format!(
            "WITH {taken}changed AS ({sql}), counted AS (UPDATE {schema}.registry
                 SET version = version + 1 WHERE one AND EXISTS (SELECT 1 FROM changed))
             SELECT * FROM changed"
        );
        let changed = lease::change(&self.common.writers, &both, params).await;
        changed.map_err(refusal)
    }

    pub(crate) fn schema(&self) -> &str {
        &self.common.options.schema_prefix
    }
}

fn refusal(error: Error) -> Error {
    match crate::error::driver(&error).and_then(tokio_postgres::Error::code) {
        Some(code) if *code == SqlState::UNIQUE_VIOLATION => Error::new(
            Reason::DuplicateValue,
            "An app with this id or account exists already.",
        ),
        _ => error,
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
            let rows = self.common.lanes.read(&sql, &[]).await?;
            rows.iter().map(app_row).collect()
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
            let schema = self.schema();
            let sql = format!(
                "INSERT INTO {schema}.apps (store_id, app_id, account, settings, created_at)
                 SELECT store_id, $1::text, $2::text, $3::text, $4::int8 FROM taken
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

    fn registry_version(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(async move {
            let sql = format!("SELECT version FROM {}.registry WHERE one", self.schema());
            let rows = self.common.lanes.read(&sql, &[]).await?;
            let version = rows.first().map(|row| row.try_get::<_, i64>(0));
            Ok(version.transpose().typed()?.map(i64::cast_unsigned))
        })
    }

    fn leases(&self) -> &dyn Leases {
        &self.leases
    }

    fn nodes(&self) -> &dyn Nodes {
        self
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Vec<(StoreId, Timestamp)>>> {
        Box::pin(async move {
            let sql = format!("SELECT store_id, at FROM {}.due", self.schema());
            let rows = self.common.lanes.read(&sql, &[]).await?;
            let hint = |row: &Row| {
                let id = u32::try_from(row.try_get::<_, i64>(0).typed()?);
                let id = StoreId(id.map_err(|_| corrupt("the number of an app"))?);
                Ok((id, Timestamp::from_millis(row.try_get(1).typed()?)))
            };
            rows.iter().map(hint).collect()
        })
    }

    fn set_next_due(&self, id: StoreId, due: Option<Timestamp>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let (schema, id) = (self.schema(), i64::from(id.0));
            let writers = &self.common.writers;
            let done = if let Some(at) = due {
                // An app that goes away at the same moment waits for this, or is not found.
                let sql = format!(
                    "INSERT INTO {schema}.due
                     SELECT store_id, $2::int8 FROM {schema}.apps WHERE store_id = $1::int8
                     FOR KEY SHARE
                     ON CONFLICT (store_id) DO UPDATE SET at = excluded.at"
                );
                lease::change(writers, &sql, &[&id, &at.millis()]).await
            } else {
                let sql = format!("DELETE FROM {schema}.due WHERE store_id = $1::int8");
                lease::change(writers, &sql, &[&id]).await
            };
            done.map(drop)
        })
    }
}
