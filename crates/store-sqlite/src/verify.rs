//! Integrity and invariants of an app's file.

use crate::connection::Session;
use crate::error::Typed;
use crate::reads::View;
use crate::row;
use crate::schema::{Layout, Shape, dropped_columns, dropped_fields, load};
use basalt_base::Result;
use basalt_store::codec;
use std::collections::HashSet;
use std::fmt::Write;

/// Most sentences about one kind of problem in one collection.
const EACH_MAX: usize = 20;

/// One sentence for each problem.
pub(crate) fn problems(session: &Session, view: &View) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    integrity(session, &mut problems)?;
    catalogue(session, view, &mut problems)?;
    changes(session, &mut problems)?;
    tasks(session, &mut problems)?;
    for layout in view.schema.layouts() {
        columns(session, layout, &mut problems)?;
        if problems.is_empty() {
            rows(session, layout, view.position, &mut problems)?;
            trees(session, layout, &mut problems)?;
        }
    }
    Ok(problems)
}

/// The first column of every row.
fn texts(session: &Session, sql: &str) -> Result<Vec<String>> {
    let mut statement = session.conn.prepare(sql).typed()?;
    let rows = statement.query_map([], |row| row.get(0)).typed()?;
    rows.collect::<rusqlite::Result<_>>().typed()
}

fn number(session: &Session, sql: &str) -> Result<i64> {
    session.conn.query_row(sql, [], |row| row.get(0)).typed()
}

fn integrity(session: &Session, problems: &mut Vec<String>) -> Result<()> {
    let lines = texts(session, "PRAGMA integrity_check")?;
    let damaged = lines.into_iter().filter(|line| line != "ok");
    problems.extend(damaged.map(|line| format!("The file is damaged: {line}.")));
    Ok(())
}

/// Every collection has its tables, and no table is without a collection.
fn catalogue(session: &Session, view: &View, problems: &mut Vec<String>) -> Result<()> {
    let stored = load::catalogue(&session.conn)?;
    if stored.collections.len() != view.schema.catalogue.collections.len() {
        problems.push("The catalogue in memory is not the stored one.".to_owned());
    }
    let tables: HashSet<String> = texts(
        session,
        "SELECT name FROM sqlite_schema WHERE type = 'table'",
    )?
    .into_iter()
    .collect();
    let mut known: HashSet<String> = HashSet::new();
    for layout in view.schema.layouts() {
        known.insert(layout.table.clone());
        let trees = layout.columns.iter().filter(|c| c.shape == Shape::Geo);
        known.extend(trees.map(crate::schema::tree));
    }
    for id in texts(session, "SELECT 't' || collection FROM basalt_dropped")? {
        known.insert(id);
    }
    for missing in known.difference(&tables) {
        problems.push(format!("Table {missing} is missing."));
    }
    let is_ours = |name: &&String| {
        let rest = name.strip_prefix(['t', 'g']);
        rest.is_some_and(|r| !r.is_empty() && r.bytes().all(|b| b.is_ascii_digit()))
    };
    for orphan in tables.difference(&known).filter(is_ours) {
        problems.push(format!("Table {orphan} belongs to no class."));
    }
    Ok(())
}

/// Positions are dense, and the images can be read.
fn changes(session: &Session, problems: &mut Vec<String>) -> Result<()> {
    let gaps = number(
        session,
        "SELECT coalesce(max(position) - min(position) + 1 - count(*), 0) FROM basalt_changes",
    )?;
    if gaps != 0 {
        problems.push(format!("The change log lacks {gaps} positions."));
    }
    let start = number(
        session,
        "SELECT coalesce(min(position) - 1 - floor, 0) FROM basalt_changes, basalt_meta",
    )?;
    if start != 0 {
        problems.push("The change log does not start after its floor.".to_owned());
    }
    let mut statement = session
        .conn
        .prepare("SELECT position, before, after FROM basalt_changes")
        .typed()?;
    let mut rows = statement.query([]).typed()?;
    let mut unreadable = 0;
    while let Some(row) = rows.next().typed()? {
        for at in [1, 2] {
            let image: Option<String> = row.get(at).typed()?;
            let broken = image.is_some_and(|text| codec::decode_record(&text).is_err());
            if broken && unreadable < EACH_MAX {
                unreadable += 1;
                let position: i64 = row.get(0).typed()?;
                problems.push(format!("An image of change {position} can't be read."));
            }
        }
    }
    Ok(())
}

/// The sums of the queues are right, and each group has one task at its front.
fn tasks(session: &Session, problems: &mut Vec<String>) -> Result<()> {
    for (column, state) in [("waiting", 0), ("leased", 1), ("held", 2), ("dead", 3)] {
        let wrong = number(
            session,
            &format!(
                "SELECT count(*) FROM basalt_queues q WHERE {column} <>
                 (SELECT count(*) FROM basalt_tasks t WHERE t.queue = q.id AND t.state = {state})"
            ),
        )?;
        if wrong != 0 {
            problems.push(format!("{wrong} queues count their {column} tasks wrong."));
        }
    }
    let stuck = number(
        session,
        "SELECT count(*) FROM (SELECT 1 FROM basalt_tasks
             WHERE in_group IS NOT NULL AND state < 3
             GROUP BY queue, in_group
             HAVING sum(state < 2) <> 1)",
    )?;
    if stuck != 0 {
        problems.push(format!("{stuck} groups of tasks have not one front."));
    }
    let homeless = number(
        session,
        "SELECT count(*) FROM basalt_tasks WHERE queue NOT IN (SELECT id FROM basalt_queues)",
    )?;
    if homeless != 0 {
        problems.push(format!("{homeless} tasks are in no queue."));
    }
    let ahead = number(
        session,
        "SELECT count(*) FROM basalt_tasks, basalt_meta WHERE max(basalt_tasks.id, lease) > task_number",
    )?;
    if ahead != 0 {
        problems.push(format!("{ahead} tasks have numbers from the future."));
    }
    Ok(())
}

fn columns(session: &Session, layout: &Layout, problems: &mut Vec<String>) -> Result<()> {
    let sql = format!("SELECT name FROM pragma_table_info('{}')", layout.table);
    let mut present: HashSet<String> = texts(session, &sql)?.into_iter().collect();
    let table = &layout.table;
    for column in &layout.columns {
        for (suffix, _) in crate::schema::declared(&column.shape) {
            let name = format!("{}{suffix}", column.physical());
            if !present.remove(&name) {
                problems.push(format!("Column {name} of table {table} is missing."));
            }
        }
    }
    for (field, spare) in dropped_fields(&session.conn, layout.collection.id.0)? {
        for column in dropped_columns(&session.conn, table, field)? {
            let name = column.name;
            let filled = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE {name} IS NOT NULL)");
            if spare && number(session, &filled)? != 0 {
                problems.push(format!("Column {name} of table {table} is not empty."));
            }
            present.remove(&name);
        }
    }
    let is_field = |name: &&String| {
        let rest = name.strip_prefix('c');
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    for orphan in present.iter().filter(is_field) {
        problems.push(format!(
            "Column {orphan} of table {table} belongs to no field."
        ));
    }
    Ok(())
}

/// Every row can be read, and no revision is from the future.
fn rows(
    session: &Session,
    layout: &Layout,
    position: u64,
    problems: &mut Vec<String>,
) -> Result<()> {
    let (head, table) = (crate::schema::HEAD, &layout.table);
    let mut sql = format!("SELECT _n, {head}");
    for column in &layout.columns {
        column.push_read(&mut sql);
    }
    let _ = write!(sql, " FROM {table} ORDER BY _n");
    let mut statement = session.conn.prepare(&sql).typed()?;
    let mut rows = statement.query([]).typed()?;
    let mut found = 0;
    while let Some(row) = rows.next().typed()? {
        let problem = match row::record(row, 1, layout.columns.iter(), |_| true) {
            Ok(record) if record.rev <= position => continue,
            Ok(_) => "has a revision from the future",
            Err(_) => "can't be read",
        };
        let number: i64 = row.get(0).typed()?;
        problems.push(format!("Row {number} of table {table} {problem}."));
        found += 1;
        if found == EACH_MAX {
            break;
        }
    }
    Ok(())
}

/// Every geo point has its entry in the R*Tree, every entry its point, and they are the same.
fn trees(session: &Session, layout: &Layout, problems: &mut Vec<String>) -> Result<()> {
    let table = &layout.table;
    for column in layout.columns.iter().filter(|c| c.shape == Shape::Geo) {
        let (tree, c) = (crate::schema::tree(column), column.physical());
        let checked = texts(session, &format!("SELECT rtreecheck('{tree}')"))?;
        if checked.iter().any(|line| line != "ok") {
            problems.push(format!("R*Tree {tree} is damaged."));
        }
        // Entries are 32-bit and rounded outwards.
        let unindexed = number(
            session,
            &format!(
                "SELECT count(*) FROM {table} LEFT JOIN {tree} ON n = _n
                 WHERE {c}_lat IS NOT NULL AND (n IS NULL OR NOT
                     ({c}_lat BETWEEN lat0 AND lat1 AND {c}_lng BETWEEN lng0 AND lng1))"
            ),
        )?;
        let stray = number(
            session,
            &format!(
                "SELECT count(*) FROM {tree} LEFT JOIN {table} ON _n = n WHERE {c}_lat IS NULL"
            ),
        )?;
        for (count, what) in [
            (unindexed, "lacks the points of"),
            (stray, "has points without"),
        ] {
            if count != 0 {
                problems.push(format!("R*Tree {tree} {what} {count} rows."));
            }
        }
    }
    Ok(())
}
