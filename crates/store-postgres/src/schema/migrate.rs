//! Versions of the internal tables; `basalt_format` of a schema says which it has.
//!
//! Nodes of two versions run side by side while a cluster is upgraded. A step that *expands* leaves
//! everything that older programs do as it was: it adds tables, or columns with a default, and every
//! statement names its columns. A step that *contracts* takes away what the last release does not use
//! any more. `compatible` is the version from which on programs can work with the schema: that of the
//! last step that contracts.
//!
//! Many nodes may start at once: one of them makes the tables while the others wait for its row, and
//! those that lose a race to create something try again.

use crate::error::Typed;
use crate::net::Conn;
use basalt_base::{Error, Reason, Result};
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// A step from one version to the next.
pub(crate) struct Step {
    sql: &'static str,
    expands: bool,
}

/// A step beside which older programs go on working.
const fn expand(sql: &'static str) -> Step {
    Step { sql, expands: true }
}

/// A step after which older programs can't.
const fn contract(sql: &'static str) -> Step {
    Step {
        sql,
        expands: false,
    }
}

const LEASES: &str = r#"
    CREATE TABLE @.basalt_leases (
        name TEXT COLLATE "C" PRIMARY KEY,
        holder TEXT COLLATE "C",        -- NULL when it was given back
        token BIGINT NOT NULL,          -- grows with each holder, never goes back
        until BIGINT NOT NULL           -- ms, by the database's clock
    )"#;

/// Tasks come and go, so that their tables are vacuumed by what changed, not by how large they are.
const TASKS: &str = r#"
    ALTER TABLE @.basalt_state ADD COLUMN task_number BIGINT NOT NULL DEFAULT 0; -- of tasks and leases
    CREATE TABLE @.basalt_queues (      -- rows stay, so that their numbers may be remembered
        id BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
        name TEXT COLLATE "C" NOT NULL UNIQUE,
        waiting BIGINT NOT NULL DEFAULT 0,
        leased BIGINT NOT NULL DEFAULT 0,
        held BIGINT NOT NULL DEFAULT 0,
        dead BIGINT NOT NULL DEFAULT 0
    ) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
    CREATE TABLE @.basalt_tasks (
        id BIGINT PRIMARY KEY,
        queue BIGINT NOT NULL,
        state SMALLINT NOT NULL,        -- 0 waiting, 1 leased, 2 held, 3 dead
        visible_at BIGINT NOT NULL,     -- ms
        priority SMALLINT NOT NULL,
        lease BIGINT NOT NULL,
        attempts BIGINT NOT NULL,
        attempts_max BIGINT NOT NULL,
        put_at BIGINT NOT NULL,         -- ms
        first_at BIGINT,                -- ms
        in_group TEXT COLLATE "C",
        key TEXT COLLATE "C",           -- a dedupe key that the task holds as long as it lives
        error TEXT,
        payload BYTEA NOT NULL
    ) WITH (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02,
            autovacuum_analyze_threshold = 5000, autovacuum_analyze_scale_factor = 0.05);
    CREATE INDEX basalt_tasks_due ON @.basalt_tasks (queue, priority, visible_at, id) WHERE state < 2;
    CREATE INDEX basalt_tasks_live ON @.basalt_tasks (queue, id) WHERE state < 3;
    CREATE INDEX basalt_tasks_dead ON @.basalt_tasks (queue, id) WHERE state = 3;
    CREATE INDEX basalt_tasks_group ON @.basalt_tasks (queue, in_group, id)
        WHERE in_group IS NOT NULL AND state < 3;
    CREATE TABLE @.basalt_task_keys (
        queue BIGINT NOT NULL,
        key TEXT COLLATE "C" NOT NULL,
        task BIGINT NOT NULL,
        until BIGINT,                   -- ms; NULL: as long as the task lives
        PRIMARY KEY (queue, key)
    );
    CREATE INDEX basalt_task_keys_until ON @.basalt_task_keys (until) WHERE until IS NOT NULL"#;

/// The steps of an app's schema, oldest first; never change one that was released. `@` is the
/// schema's name.
pub(crate) const APP: &[Step] = &[
    contract(
        r#"
    CREATE TABLE @.basalt_state (
        one BOOLEAN PRIMARY KEY CHECK (one),
        version BIGINT NOT NULL,        -- of the catalogue
        position BIGINT NOT NULL,       -- of the last change
        next_id BIGINT NOT NULL,        -- of collections, fields and indexes
        log_total BIGINT NOT NULL,      -- bytes of all changes so far
        fence BIGINT NOT NULL           -- counts the groups; updating it holds the app
    ) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
    INSERT INTO @.basalt_state VALUES (true, 0, 0, 1, 0, 0);
    CREATE TABLE @.basalt_floor (
        one BOOLEAN PRIMARY KEY CHECK (one),
        floor BIGINT NOT NULL           -- changes up to this position are gone
    ) WITH (fillfactor = 50);
    INSERT INTO @.basalt_floor VALUES (true, 0);
    CREATE TABLE @.basalt_collections (
        id BIGINT PRIMARY KEY,
        name TEXT COLLATE "C" NOT NULL UNIQUE,
        rules TEXT NOT NULL,
        version BIGINT NOT NULL,
        view TEXT
    );
    CREATE TABLE @.basalt_fields (
        id BIGINT PRIMARY KEY,
        collection BIGINT NOT NULL,
        name TEXT COLLATE "C" NOT NULL,
        type TEXT NOT NULL,
        target TEXT,
        required BOOLEAN NOT NULL,
        initial TEXT,
        UNIQUE (collection, name)
    );
    CREATE TABLE @.basalt_indexes (
        id BIGINT PRIMARY KEY,
        collection BIGINT NOT NULL,
        name TEXT COLLATE "C" NOT NULL,
        kind TEXT NOT NULL,
        columns TEXT NOT NULL,
        UNIQUE (collection, name)
    );
    CREATE TABLE @.basalt_dropped (     -- tables whose space is still to be reclaimed
        collection BIGINT PRIMARY KEY
    );
    CREATE TABLE @.basalt_changes (
        position BIGINT PRIMARY KEY,
        total BIGINT NOT NULL,          -- bytes of all changes up to this one
        at BIGINT NOT NULL,             -- the time of the write, as its caller gave it
        logged BIGINT NOT NULL,         -- the time of the commit, for retention
        kind SMALLINT NOT NULL,
        collection TEXT COLLATE "C" NOT NULL,
        collection_id BIGINT NOT NULL,
        id TEXT COLLATE "C" NOT NULL,
        before TEXT,
        after TEXT
    )"#,
    ),
    contract(LEASES),
    contract(TASKS),
    expand("ALTER TABLE @.basalt_indexes ADD COLUMN ready BOOLEAN NOT NULL DEFAULT true"),
];

/// The steps of the registry's schema.
pub(crate) const SYSTEM: &[Step] = &[
    contract(
        r#"
    CREATE TABLE @.apps (
        store_id BIGINT PRIMARY KEY,
        app_id TEXT COLLATE "C" NOT NULL UNIQUE,
        account TEXT COLLATE "C" NOT NULL UNIQUE,
        settings TEXT NOT NULL,
        created_at BIGINT NOT NULL
    );
    CREATE TABLE @.next_app (
        one BOOLEAN PRIMARY KEY CHECK (one),
        store_id BIGINT NOT NULL        -- of the next app, never given twice
    );
    INSERT INTO @.next_app VALUES (true, 1)"#,
    ),
    contract(LEASES),
    contract(
        r#"
    CREATE TABLE @.nodes (
        id TEXT COLLATE "C" PRIMARY KEY,
        version TEXT NOT NULL,
        address TEXT NOT NULL,
        since BIGINT NOT NULL,          -- ms, by the database's clock
        seen BIGINT NOT NULL            -- ms, by the database's clock
    );
    CREATE TABLE @.registry (
        one BOOLEAN PRIMARY KEY CHECK (one),
        version BIGINT NOT NULL         -- grows with every change of apps
    );
    INSERT INTO @.registry VALUES (true, 1)"#,
    ),
    contract(
        "
    CREATE TABLE @.due (
        store_id BIGINT PRIMARY KEY REFERENCES @.apps ON DELETE CASCADE,
        at BIGINT NOT NULL              -- ms
    )",
    ),
];

/// How often a lost race is run again.
const ATTEMPTS_MAX: u64 = 60;

/// The version from which on programs can work with the schema after these steps.
fn compatible(steps: &[Step]) -> usize {
    let last = steps.iter().rposition(|step| !step.expands);
    last.map_or(0, |at| at + 1)
}

/// Brings a schema to the newest version, making it when there is none. One that a newer server
/// expanded is taken as it is; `StoreVersion` when a newer server made it what this one can't use.
pub(crate) async fn migrate(conn: &Conn, schema: &str, steps: &[Step]) -> Result<()> {
    for attempt in 1..=ATTEMPTS_MAX {
        match found(conn, schema).await? {
            Some(version) if version > steps.len() => {
                return check_compatible(conn, schema, version, steps.len()).await;
            }
            Some(version) if version == steps.len() => return Ok(()),
            _ => {}
        }
        match raise(conn, schema, steps).await {
            Ok(()) => return Ok(()),
            Err(error) => {
                let _ = conn.client.batch_execute("ROLLBACK").await;
                if !is_race(&error) || attempt == ATTEMPTS_MAX {
                    return Err(error).typed();
                }
                tokio::time::sleep(Duration::from_millis(20 + attempt * 5)).await;
            }
        }
    }
    Err(crate::reads::unsettled())
}

/// Whether programs that know `known` steps can work with a schema of a later version.
async fn check_compatible(conn: &Conn, schema: &str, version: usize, known: usize) -> Result<()> {
    let sql = format!("SELECT compatible FROM {schema}.basalt_format");
    let needed = match conn.client.query(&sql, &[]).await {
        Ok(rows) => {
            let needed = rows.first().map(|row| row.try_get::<_, i64>(0));
            needed.transpose().typed()?
        }
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_COLUMN) => None,
        Err(error) => return Err(error).typed(),
    };
    let needed = needed.and_then(|needed| usize::try_from(needed).ok());
    if needed.is_some_and(|needed| needed <= known) {
        tracing::warn!(
            schema,
            version,
            known,
            "a newer server upgraded these tables; upgrade this one soon"
        );
        return Ok(());
    }
    Err(Error::new(
        Reason::StoreVersion,
        format!(
            "A newer version of this server changed the store (tables of version {version}); this one knows versions up to {known} and can't work with it: upgrade it."
        ),
    ))
}

/// The version that the schema has; `None` when it has no tables yet.
async fn found(conn: &Conn, schema: &str) -> Result<Option<usize>> {
    let there = format!("SELECT to_regclass('{schema}.basalt_format') IS NOT NULL");
    let row = conn.client.query_one(&there, &[]).await.typed()?;
    if !row.try_get::<_, bool>(0).typed()? {
        return Ok(None);
    }
    let sql = format!("SELECT version FROM {schema}.basalt_format");
    let rows = match conn.client.query(&sql, &[]).await {
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Ok(None),
        rows => rows.typed()?,
    };
    let version = rows.first().map(|row| row.try_get::<_, i64>(0)).transpose();
    Ok(version.typed()?.and_then(|v| usize::try_from(v).ok()))
}

async fn raise(conn: &Conn, schema: &str, steps: &[Step]) -> Result<(), tokio_postgres::Error> {
    let client = &conn.client;
    client
        .batch_execute(&format!(
            "BEGIN; CREATE SCHEMA IF NOT EXISTS {schema};
             CREATE TABLE IF NOT EXISTS {schema}.basalt_format
                 (one BOOLEAN PRIMARY KEY CHECK (one), version BIGINT NOT NULL);
             ALTER TABLE {schema}.basalt_format
                 ADD COLUMN IF NOT EXISTS compatible BIGINT NOT NULL DEFAULT 0;
             INSERT INTO {schema}.basalt_format VALUES (true, 0, 0) ON CONFLICT DO NOTHING"
        ))
        .await?;
    let sql = format!("SELECT version FROM {schema}.basalt_format FOR UPDATE");
    let version: i64 = client.query_one(&sql, &[]).await?.try_get(0)?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    for step in steps.iter().skip(done) {
        client.batch_execute(&step.sql.replace('@', schema)).await?;
    }
    if done < steps.len() {
        let (newest, oldest) = (steps.len(), compatible(steps));
        let sql =
            format!("UPDATE {schema}.basalt_format SET version = {newest}, compatible = {oldest}");
        client.batch_execute(&sql).await?;
    }
    client.batch_execute("COMMIT").await
}

/// Whether another node did the same at the same moment.
fn is_race(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else {
        return false;
    };
    *code == SqlState::UNIQUE_VIOLATION
        || *code == SqlState::DUPLICATE_SCHEMA
        || *code == SqlState::DUPLICATE_TABLE
        || *code == SqlState::DUPLICATE_OBJECT
        || *code == SqlState::INTERNAL_ERROR
        || *code == SqlState::UNDEFINED_TABLE
        || *code == SqlState::INVALID_SCHEMA_NAME
        || crate::error::is_conflict(error)
}
