//! Invariants of an app's schema. The pages themselves are the server's business.

use crate::error::Typed;
use crate::reads::{Session, View, find};
use crate::schema::Layout;
use basalt_base::Result;
use basalt_store::codec;
use std::collections::HashSet;
use std::ops::ControlFlow;

/// Most sentences about one kind of problem in one collection.
const EACH_MAX: usize = 20;

/// One sentence for each problem.
pub(crate) async fn problems(session: &Session<'_>, view: &View) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    catalogue(session, view, &mut problems).await?;
    changes(session, view, &mut problems).await?;
    tasks(session, view, &mut problems).await?;
    for layout in view.schema.layouts() {
        columns(session, view, layout, &mut problems).await?;
        if problems.is_empty() {
            rows(session, layout, view.position, &mut problems).await?;
        }
    }
    Ok(problems)
}

/// The first column of every row.
async fn texts(session: &Session<'_>, sql: &str) -> Result<Vec<String>> {
    let rows = session.conn.client.query(sql, &[]).await.typed()?;
    rows.iter().map(|row| row.try_get(0).typed()).collect()
}

async fn number(session: &Session<'_>, sql: &str) -> Result<i64> {
    let row = session.conn.client.query_one(sql, &[]).await.typed()?;
    row.try_get(0).typed()
}

/// The sums of the queues are right, and each group has one task at its front.
async fn tasks(session: &Session<'_>, view: &View, problems: &mut Vec<String>) -> Result<()> {
    let schema = &view.schema.name;
    for (column, state) in [("waiting", 0), ("leased", 1), ("held", 2), ("dead", 3)] {
        let sql = format!(
            "SELECT count(*) FROM {schema}.basalt_queues q LEFT JOIN
             (SELECT queue, count(*) AS n FROM {schema}.basalt_tasks WHERE state = {state}
              GROUP BY queue) t ON t.queue = q.id
             WHERE q.{column} <> coalesce(t.n, 0)"
        );
        let wrong = number(session, &sql).await?;
        if wrong != 0 {
            problems.push(format!("{wrong} queues count their {column} tasks wrong."));
        }
    }
    let stuck = format!(
        "SELECT count(*) FROM (SELECT 1 FROM {schema}.basalt_tasks
             WHERE in_group IS NOT NULL AND state < 3 GROUP BY queue, in_group
             HAVING count(*) FILTER (WHERE state < 2) <> 1) g"
    );
    let stuck = number(session, &stuck).await?;
    if stuck != 0 {
        problems.push(format!("{stuck} groups of tasks have not one front."));
    }
    let odd = format!(
        "SELECT count(*) FROM {schema}.basalt_tasks
         WHERE queue NOT IN (SELECT id FROM {schema}.basalt_queues)
            OR greatest(id, lease) > (SELECT task_number FROM {schema}.basalt_state)"
    );
    let odd = number(session, &odd).await?;
    if odd != 0 {
        problems.push(format!(
            "{odd} tasks are in no queue or have numbers from the future."
        ));
    }
    Ok(())
}

/// Every collection has its table and its indexes, and no table is without a collection.
async fn catalogue(session: &Session<'_>, view: &View, problems: &mut Vec<String>) -> Result<()> {
    let schema = &view.schema.name;
    let sql = |kind: &str| {
        format!(
            "SELECT c.relname::text FROM pg_catalog.pg_class c, pg_catalog.pg_namespace n
             WHERE c.relnamespace = n.oid AND n.nspname = '{schema}' AND c.relkind = '{kind}'"
        )
    };
    let tables: HashSet<String> = texts(session, &sql("r")).await?.into_iter().collect();
    let prefix = format!("{schema}.");
    let layouts = view.schema.layouts();
    let mut known: HashSet<String> = layouts.map(|l| l.table.replace(&prefix, "")).collect();
    let dropped = format!("SELECT 't' || collection FROM {schema}.basalt_dropped");
    known.extend(texts(session, &dropped).await?);
    for missing in known.difference(&tables) {
        problems.push(format!("Table {missing} is missing."));
    }
    let is_ours = |name: &&String| {
        let rest = name.strip_prefix('t');
        rest.is_some_and(|r| !r.is_empty() && r.bytes().all(|b| b.is_ascii_digit()))
    };
    for orphan in tables.difference(&known).filter(is_ours) {
        problems.push(format!("Table {orphan} belongs to no class."));
    }
    let valid = format!(
        "{} AND (SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = c.oid)",
        sql("i")
    );
    let indexes: HashSet<String> = texts(session, &valid).await?.into_iter().collect();
    // Others are being built, or will be.
    let listed = format!("SELECT 'i' || id FROM {schema}.basalt_indexes WHERE ready");
    for index in texts(session, &listed).await? {
        if !indexes.contains(&index) {
            problems.push(format!("Index {index} is missing."));
        }
    }
    Ok(())
}

/// Positions are dense, and the images can be read.
async fn changes(session: &Session<'_>, view: &View, problems: &mut Vec<String>) -> Result<()> {
    let schema = &view.schema.name;
    let gaps = format!(
        "SELECT coalesce(max(position) - min(position) + 1 - count(*), 0)
         FROM {schema}.basalt_changes"
    );
    let gaps = number(session, &gaps).await?;
    if gaps != 0 {
        problems.push(format!("The change log lacks {gaps} positions."));
    }
    let start = format!(
        "SELECT coalesce((SELECT min(position) FROM {schema}.basalt_changes) - 1 - floor, 0)
         FROM {schema}.basalt_floor"
    );
    if number(session, &start).await? != 0 {
        problems.push("The change log does not start after its floor.".to_owned());
    }
    let end = format!(
        "SELECT coalesce(max(position), {}) FROM {schema}.basalt_changes",
        view.position
    );
    if number(session, &end).await?.cast_unsigned() != view.position {
        problems.push("The change log does not end at the position.".to_owned());
    }
    let sql = format!("SELECT position, before, after FROM {schema}.basalt_changes");
    let mut unreadable = Vec::new();
    let each = |row: &tokio_postgres::Row| {
        for at in [1, 2] {
            let image: Option<&str> = row.try_get(at).typed()?;
            if image.is_some_and(|text| codec::decode_record(text).is_err()) {
                let position: i64 = row.try_get(0).typed()?;
                unreadable.push(format!("An image of change {position} can't be read."));
            }
        }
        Ok(if unreadable.len() < EACH_MAX {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        })
    };
    session.stream(&sql, &[], each).await?;
    problems.append(&mut unreadable);
    Ok(())
}

async fn columns(
    session: &Session<'_>,
    view: &View,
    layout: &Layout,
    problems: &mut Vec<String>,
) -> Result<()> {
    let (schema, id) = (&view.schema.name, layout.collection.id.0);
    let sql = format!(
        "SELECT a.attname::text FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = to_regclass('{schema}.t{id}') AND a.attnum > 0 AND NOT a.attisdropped"
    );
    let present: HashSet<String> = texts(session, &sql).await?.into_iter().collect();
    for column in &layout.columns {
        for (suffix, _) in crate::schema::declared(&column.shape) {
            let name = format!("{}{suffix}", column.physical());
            if !present.contains(&name) {
                let table = &layout.table;
                problems.push(format!("Column {name} of table {table} is missing."));
            }
        }
    }
    Ok(())
}

/// Every row can be read, and no revision is from the future.
async fn rows(
    session: &Session<'_>,
    layout: &Layout,
    position: u64,
    problems: &mut Vec<String>,
) -> Result<()> {
    let (head, table) = (crate::schema::HEAD, &layout.table);
    let mut sql = format!("SELECT _n, {head}");
    for column in &layout.columns {
        column.push_read(&mut sql);
    }
    sql = format!("{sql} FROM {table}");
    let mut found = Vec::new();
    let each = |row: &tokio_postgres::Row| {
        let problem = match find::whole(row, 0, layout) {
            Ok(Some((_, record))) if record.rev <= position => None,
            Ok(_) => Some("has a revision from the future"),
            Err(_) => Some("can't be read"),
        };
        if let Some(problem) = problem {
            let number: i64 = row.try_get(0).typed()?;
            found.push(format!("Row {number} of table {table} {problem}."));
        }
        Ok(if found.len() < EACH_MAX {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        })
    };
    session.stream(&sql, &[], each).await?;
    problems.append(&mut found);
    Ok(())
}
