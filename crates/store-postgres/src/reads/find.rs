//! Reading objects: by id, by query, as a stream.

use super::rows::{Session, matching};
use super::run::{self, Attempts, Reading, STAMP_LEN, View};
use crate::error::Typed;
use crate::row::{self, Param};
use crate::schema::{Layout, Schema, Shape};
use crate::shared::Shared;
use crate::sql::{self, Plan};
use crate::text;
use basalt_base::Result;
use basalt_store::plan::{Page, narrowed};
use basalt_store::{Found, Position, Query, Record};
use std::ops::ControlFlow;
use tokio_postgres::Row;

/// The row number and object of a row of [`Layout::get_sql`], from column `at` on; `None` for NULLs.
pub(crate) fn whole(row: &Row, at: usize, layout: &Layout) -> Result<Option<(i64, Record)>> {
    let Some(number) = row.try_get::<_, Option<i64>>(at).typed()? else {
        return Ok(None);
    };
    let columns = layout.columns.iter();
    let record = row::record(row, at + 1, columns, |name| layout.column(name).is_none())?;
    Ok(Some((number, record)))
}

fn id_param(id: &str) -> Param {
    Param::Text(text::stored(id).into_owned())
}

/// The object of that id, at the latest state.
pub(crate) async fn latest_by_id(
    shared: &Shared,
    collection: &str,
    id: &str,
) -> Result<Option<Record>> {
    let params = [id_param(id)];
    let mut attempts = Attempts::default();
    loop {
        let schema = shared.schema.load_full();
        let layout = schema.layout(collection);
        let done = match layout {
            Some(layout) => {
                let sql = &layout.latest_sql;
                attempts.rows(shared, &schema, sql, &params).await?
            }
            None => nothing(shared, &schema, &mut attempts).await?,
        };
        if let Some((rows, _)) = done {
            return match (layout, rows.first()) {
                (Some(layout), Some(row)) => Ok(whole(row, STAMP_LEN, layout)?.map(|(_, r)| r)),
                _ => Ok(None),
            };
        }
    }
}

/// Asks only whether the schema is the newest.
async fn nothing(
    shared: &Shared,
    schema: &Schema,
    attempts: &mut Attempts,
) -> Result<Option<(Vec<Row>, u64)>> {
    let sql = run::stand_sql(&shared.name);
    attempts.rows(shared, schema, &sql, &[]).await
}

/// The objects that match at the latest state, in order.
pub(crate) async fn latest(shared: &Shared, query: &Query) -> Result<Found> {
    let mut attempts = Attempts::default();
    loop {
        let schema = shared.schema.load_full();
        let Some(layout) = schema.layout(&query.collection) else {
            match nothing(shared, &schema, &mut attempts).await? {
                None => continue,
                Some((_, position)) => {
                    let (records, position) = (Vec::new(), Position(position));
                    return Ok(Found { records, position });
                }
            }
        };
        let in_rings = narrowed(query, |name| is_geo(layout, name))
            .next()
            .is_some();
        let plan = sql::plan(layout, query);
        let Some(first) = plan.first_page(query).filter(|_| !in_rings) else {
            return in_rust_now(shared, query).await;
        };
        let sql = run::stamped(&shared.name, &first.sql);
        let Some((rows, position)) = attempts.rows(shared, &schema, &sql, &plan.params).await?
        else {
            continue;
        };
        let records = page_of(&rows, query, &plan)?;
        let wanted = query.limit.map_or(usize::MAX, |n| n as usize);
        if records.len() < wanted && first.rows_max.is_some_and(|max| rows.len() >= max) {
            // More rows than expected that did not match.
            return in_rust_now(shared, query).await;
        }
        let position = Position(position);
        return Ok(Found { records, position });
    }
}

/// The objects out of stamped rows, in order.
fn page_of(rows: &[Row], query: &Query, plan: &Plan<'_>) -> Result<Vec<Record>> {
    let (mut skip, limit) = if plan.slices_in_sql() {
        (0, u64::MAX)
    } else {
        (query.skip, query.limit.unwrap_or(u64::MAX))
    };
    let mut records = Vec::with_capacity(rows.len().min(limit.min(1_000) as usize));
    for row in rows {
        let is_full = records.len() as u64 >= limit;
        if is_full || row.try_get::<_, Option<i64>>(STAMP_LEN).typed()?.is_none() {
            break;
        }
        if let Some((_, mut record)) = matching(row, STAMP_LEN, query, plan)? {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            plan.strip(&mut record);
            records.push(record);
        }
    }
    Ok(records)
}

async fn in_rust_now(shared: &Shared, query: &Query) -> Result<Found> {
    let reading = Reading::begin(shared).await?;
    let found = find(&reading.session(), &reading.view, query).await;
    reading.finish(found).await
}

/// The object of that id in a collection.
pub(crate) async fn by_id_in(
    session: &Session<'_>,
    view: &View,
    collection: &str,
    id: &str,
) -> Result<Option<Record>> {
    let Some(layout) = view.schema.layout(collection) else {
        return Ok(None);
    };
    Ok(by_id(session, layout, id).await?.map(|(_, record)| record))
}

/// The object of that id and its row number.
pub(crate) async fn by_id(
    session: &Session<'_>,
    layout: &Layout,
    id: &str,
) -> Result<Option<(i64, Record)>> {
    let rows = session.all(&layout.get_sql, &[id_param(id)]).await?;
    match rows.first() {
        Some(row) => whole(row, 0, layout),
        None => Ok(None),
    }
}

/// The objects that match, in order.
pub(crate) async fn find(session: &Session<'_>, view: &View, query: &Query) -> Result<Found> {
    let mut found = Found {
        records: Vec::new(),
        position: Position(view.position),
    };
    let Some(layout) = view.schema.layout(&query.collection) else {
        return Ok(found);
    };
    let narrower: Vec<Query> = narrowed(query, |name| is_geo(layout, name)).collect();
    for query in narrower {
        let records = find_planned(session, layout, &query).await?;
        if Some(records.len() as u64) == query.limit {
            found.records = records;
            return Ok(found);
        }
    }
    found.records = find_planned(session, layout, query).await?;
    Ok(found)
}

fn is_geo(layout: &Layout, name: &str) -> bool {
    layout.column(name).is_some_and(|c| c.shape == Shape::Geo)
}

async fn find_planned(
    session: &Session<'_>,
    layout: &Layout,
    query: &Query,
) -> Result<Vec<Record>> {
    let plan = sql::plan(layout, query);
    let mut records = Vec::new();
    if !plan.sorts_in_rust() {
        let collect = |record| {
            records.push(record);
            Ok(ControlFlow::Continue(()))
        };
        each(session, query, &plan, collect).await?;
        return Ok(records);
    }
    let mut page = Page::of(query);
    let collect = |_, record| {
        page.push(record);
        Ok(ControlFlow::Continue(()))
    };
    session.each_match(query, &plan, collect).await?;
    records = page.finish();
    for record in &mut records {
        plan.strip(record);
    }
    Ok(records)
}

/// Hands each object to `sink` until it breaks.
pub(crate) async fn scan(
    session: &Session<'_>,
    view: &View,
    query: &Query,
    sink: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send),
) -> Result<()> {
    let Some(layout) = view.schema.layout(&query.collection) else {
        return Ok(());
    };
    let plan = sql::plan(layout, query);
    if plan.sorts_in_rust() {
        let mut records = find(session, view, query).await?.records.into_iter();
        let _ = records.try_for_each(sink);
        return Ok(());
    }
    each(session, query, &plan, |record| Ok(sink(record))).await
}

/// Hands each object that a plan without a sort in Rust yields to `sink`, in order.
pub(crate) async fn each(
    session: &Session<'_>,
    query: &Query,
    plan: &Plan<'_>,
    mut sink: impl FnMut(Record) -> Result<ControlFlow<()>> + Send,
) -> Result<()> {
    let (mut skip, mut left) = if plan.slices_in_sql() {
        (0, u64::MAX)
    } else {
        (query.skip, query.limit.unwrap_or(u64::MAX))
    };
    if left == 0 {
        return Ok(());
    }
    let one = |_, mut record| {
        if skip > 0 {
            skip -= 1;
            return Ok(ControlFlow::Continue(()));
        }
        plan.strip(&mut record);
        left -= 1;
        let flow = sink(record)?;
        Ok(if left == 0 {
            ControlFlow::Break(())
        } else {
            flow
        })
    };
    session.each_match(query, plan, one).await
}
