//! Versions of the internal tables. `PRAGMA user_version` says which a file has.

use crate::error::Typed;
use basalt_base::{Error, Reason, Result};
use rusqlite::{Connection, TransactionBehavior};

/// The steps of an app's file, oldest first; never change one that was released.
pub(crate) const APP: &[&str] = &[
    "
    CREATE TABLE basalt_meta (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL,       -- of the catalogue
        next_id INTEGER NOT NULL,       -- of collections, fields and indexes
        floor INTEGER NOT NULL          -- changes up to this position are gone
    ) STRICT;
    INSERT INTO basalt_meta VALUES (1, 0, 1, 0);
    CREATE TABLE basalt_collections (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        rules TEXT NOT NULL,
        version INTEGER NOT NULL,
        view TEXT
    ) STRICT;
    CREATE TABLE basalt_fields (
        id INTEGER PRIMARY KEY,
        collection INTEGER NOT NULL,
        name TEXT NOT NULL,
        type TEXT NOT NULL,
        target TEXT,
        required INTEGER NOT NULL,
        initial TEXT,
        UNIQUE (collection, name)
    ) STRICT;
    CREATE TABLE basalt_indexes (
        id INTEGER PRIMARY KEY,
        collection INTEGER NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        columns TEXT NOT NULL,
        UNIQUE (collection, name)
    ) STRICT;
    CREATE TABLE basalt_dropped (       -- tables whose space is still to be reclaimed
        collection INTEGER PRIMARY KEY
    ) STRICT;
    CREATE TABLE basalt_changes (
        position INTEGER PRIMARY KEY,
        total INTEGER NOT NULL,         -- bytes of all changes up to this one
        at INTEGER NOT NULL,            -- the time of the write, as its caller gave it
        logged INTEGER NOT NULL,        -- the time of the commit, for retention
        kind INTEGER NOT NULL,
        collection TEXT NOT NULL,
        collection_id INTEGER NOT NULL,
        id TEXT NOT NULL,
        before TEXT,
        after TEXT
    ) STRICT;
    ",
    // Columns of fields that were dropped before this table existed are found by their names.
    "
    CREATE TABLE basalt_dropped_fields (    -- columns whose space is still to be reclaimed
        field INTEGER PRIMARY KEY,
        collection INTEGER NOT NULL,
        emptied INTEGER NOT NULL,           -- rows up to this number are done
        spare INTEGER NOT NULL              -- 1 once empty everywhere and kept for another field
    ) STRICT;
    INSERT INTO basalt_dropped_fields
        SELECT DISTINCT CAST(substr(p.name, 2) AS INTEGER), c.id, 0, 0
        FROM basalt_collections c JOIN pragma_table_info('t' || c.id) p
        WHERE p.name GLOB 'c[0-9]*'
            AND CAST(substr(p.name, 2) AS INTEGER) NOT IN (SELECT id FROM basalt_fields);
    ",
    LEASES,
    "
    ALTER TABLE basalt_meta ADD COLUMN task_number INTEGER NOT NULL DEFAULT 0; -- of tasks and leases
    CREATE TABLE basalt_queues (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        waiting INTEGER NOT NULL DEFAULT 0,
        leased INTEGER NOT NULL DEFAULT 0,
        held INTEGER NOT NULL DEFAULT 0,
        dead INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE basalt_tasks (
        id INTEGER PRIMARY KEY,
        queue INTEGER NOT NULL,
        state INTEGER NOT NULL,         -- 0 waiting, 1 leased, 2 held, 3 dead
        visible_at INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        lease INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        attempts_max INTEGER NOT NULL,
        put_at INTEGER NOT NULL,
        first_at INTEGER,
        in_group TEXT,
        key TEXT,                       -- a dedupe key that the task holds as long as it lives
        error TEXT,
        payload BLOB NOT NULL
    ) STRICT;
    CREATE INDEX basalt_tasks_due ON basalt_tasks (queue, priority, visible_at, id) WHERE state < 2;
    CREATE INDEX basalt_tasks_order ON basalt_tasks (queue, (state = 3), id);
    CREATE INDEX basalt_tasks_group ON basalt_tasks (queue, in_group, id)
        WHERE in_group IS NOT NULL AND state < 3;
    CREATE TABLE basalt_task_keys (
        queue INTEGER NOT NULL,
        key TEXT NOT NULL,
        task INTEGER NOT NULL,
        until INTEGER,                  -- null: as long as the task lives
        PRIMARY KEY (queue, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX basalt_task_keys_until ON basalt_task_keys (until) WHERE until IS NOT NULL;
    ",
];

const LEASES: &str = "
    CREATE TABLE basalt_leases (
        name TEXT PRIMARY KEY,
        holder TEXT,                    -- NULL when it was given back
        token INTEGER NOT NULL,         -- grows with each holder, never goes back
        until INTEGER NOT NULL          -- ms
    ) STRICT, WITHOUT ROWID;
    ";

/// The steps of `system.db`.
pub(crate) const SYSTEM: &[&str] = &[
    "
    CREATE TABLE apps (
        store_id INTEGER PRIMARY KEY AUTOINCREMENT,
        app_id TEXT NOT NULL UNIQUE,
        account TEXT NOT NULL UNIQUE,
        settings TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT;
    ",
    LEASES,
    "
    CREATE TABLE nodes (
        id TEXT PRIMARY KEY,
        version TEXT NOT NULL,
        address TEXT NOT NULL,
        since INTEGER NOT NULL,         -- ms
        seen INTEGER NOT NULL           -- ms
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE registry (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL        -- grows with every change of apps
    ) STRICT;
    INSERT INTO registry VALUES (1, 1);
    CREATE TRIGGER apps_made AFTER INSERT ON apps BEGIN
        UPDATE registry SET version = version + 1;
    END;
    CREATE TRIGGER apps_changed AFTER UPDATE ON apps BEGIN
        UPDATE registry SET version = version + 1;
    END;
    CREATE TRIGGER apps_removed AFTER DELETE ON apps BEGIN
        UPDATE registry SET version = version + 1;
    END;
    ",
    "
    CREATE TABLE due (
        store_id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL             -- ms
    ) STRICT;
    CREATE TRIGGER due_removed AFTER DELETE ON apps BEGIN
        DELETE FROM due WHERE store_id = OLD.store_id;
    END;
    ",
];

/// Brings a file to the newest version; `StoreVersion` when it is newer than this server.
pub(crate) fn migrate(conn: &mut Connection, steps: &[&str]) -> Result<()> {
    let version = |conn: &Connection| -> Result<usize> {
        conn.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))
            .map(|v| v as usize)
            .typed()
    };
    let found = version(conn)?;
    if found > steps.len() {
        return Err(Error::new(
            Reason::StoreVersion,
            "The store was written by a newer version of this server.",
        ));
    }
    if found == steps.len() {
        return Ok(());
    }
    let tx = conn
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .typed()?;
    for step in steps.iter().skip(found) {
        tx.execute_batch(step).typed()?;
    }
    tx.pragma_update(None, "user_version", steps.len() as u32)
        .typed()?;
    tx.commit().typed()
}
