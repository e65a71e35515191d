//! A whole query: what SQL does of it and what is left to Rust.

use super::binds::Binds;
use super::filter::{condition, explicit_null};
use super::sort;
use crate::row::Param;
use crate::schema::{Column, HEAD, Layout, Shape};
use basalt_store::plan::{Asked, Condition};
use basalt_store::{FieldRef, Path, Query, Record};
use std::borrow::Cow;
use std::fmt::Write;

/// The statement of a query: reads `_n`, the head, and then each of `columns`.
pub(crate) struct Plan<'a> {
    pub(crate) sql: String,
    /// Those of `sql`, and of the other statements too.
    pub(crate) params: Vec<Param>,
    pub(crate) columns: Vec<&'a Column>,
    layout: &'a Layout,
    condition: Condition,
    sorts: bool,
    slices: bool,
    asked: Asked<'a>,
}

/// A statement that likely has the whole answer.
pub(crate) struct FirstPage<'p> {
    pub(crate) sql: Cow<'p, str>,
    /// With so many rows there may be more; `None` when they are all.
    pub(crate) rows_max: Option<usize>,
}

/// Longest pages that are read at once though Rust has to look through the rows.
const RECHECKED_MAX: u64 = 1_000;

/// Plans a query of the collection with that layout.
pub(crate) fn plan<'a>(layout: &'a Layout, query: &'a Query) -> Plan<'a> {
    let mut binds = Binds::default();
    let condition = condition(layout, &query.filter, &mut binds);
    let order = sort::order(layout, &query.sort);
    let asked = Asked::of(query, !condition.exact, order.is_none());
    let read = layout.columns.iter().filter(|c| asked.reads(&c.name));
    let columns: Vec<&Column> = read.collect();
    let mut sql = format!("SELECT _n, {HEAD}");
    for column in &columns {
        column.push_read(&mut sql);
    }
    let table = &layout.table;
    let _ = write!(sql, " FROM {table} WHERE {} ORDER BY ", condition.text);
    let sorts = order.is_none();
    sql.push_str(order.as_deref().unwrap_or_else(|| sort::ties(&query.sort)));
    let slices = condition.exact && !sorts && (query.limit.is_some() || query.skip > 0);
    if slices {
        // A limit that is part of the text lets the plan be kept: it knows how few rows are wanted.
        if let Some(limit) = query.limit {
            let _ = write!(sql, " LIMIT {}", limit.min(i64::MAX as u64));
        }
        if query.skip > 0 {
            let skip = i64::try_from(query.skip).unwrap_or(i64::MAX);
            let n = binds.push(Param::Int(skip));
            let _ = write!(sql, " OFFSET ${n}");
        }
    }
    Plan {
        sql,
        params: binds.params,
        columns,
        layout,
        condition,
        sorts,
        slices,
        asked,
    }
}

impl<'a> Plan<'a> {
    /// The statement to try first; `None` when Rust has to see every row. Where Rust checks the rows,
    /// it reads some more than are wanted.
    pub(crate) fn first_page(&self, query: &Query) -> Option<FirstPage<'_>> {
        if self.sorts {
            return None;
        }
        if self.condition.exact {
            let sql = Cow::Borrowed(self.sql.as_str());
            return Some(FirstPage {
                sql,
                rows_max: None,
            });
        }
        let wanted = query.limit?.saturating_add(query.skip);
        if wanted > RECHECKED_MAX {
            return None;
        }
        let max = wanted * 2 + 50;
        Some(FirstPage {
            sql: Cow::Owned(format!("{} LIMIT {max}", self.sql)),
            rows_max: Some(max as usize),
        })
    }

    /// Whether each row has to be matched again in Rust.
    pub(crate) fn rechecks(&self) -> bool {
        !self.condition.exact
    }

    /// Whether the rows have to be sorted, and then cut, in Rust.
    pub(crate) fn sorts_in_rust(&self) -> bool {
        self.sorts
    }

    /// Whether SQL applies skip and limit.
    pub(crate) fn slices_in_sql(&self) -> bool {
        self.slices
    }

    /// Removes the fields that were read for Rust's part only.
    pub(crate) fn strip(&self, record: &mut Record) {
        self.asked.strip(record);
    }

    /// Whether a null under a name that is no field's is read.
    pub(crate) fn reads_null(&self, name: &str) -> bool {
        self.asked.reads(name) && self.layout.column(name).is_none()
    }

    /// Counts the matches, when SQL can; same parameters, as an unsliced query has no others.
    pub(crate) fn count_sql(&self) -> Option<String> {
        let (table, text) = (&self.layout.table, &self.condition.text);
        let sql = || format!("SELECT count(*) FROM {table} WHERE {text}");
        self.condition.exact.then(sql)
    }

    /// Reads the distinct values of a plain column in order, when SQL can, each with whether it
    /// stands for an explicit null.
    pub(crate) fn distinct_sql(&self, path: &Path) -> Option<(String, &'a Column)> {
        let FieldRef::Named(name) = &path.root else {
            return None;
        };
        let column = self.layout.column(name)?;
        let plain = !matches!(
            column.shape,
            Shape::Json | Shape::Geo | Shape::File | Shape::Nothing
        );
        if !self.condition.exact || !path.rest.is_empty() || !plain {
            return None;
        }
        let (table, text, id) = (&self.layout.table, &self.condition.text, column.id.0);
        let null = explicit_null(column);
        let sql = format!(
            "SELECT c{id}, bool_or({null})
             FROM {table} WHERE {text} GROUP BY c{id} ORDER BY c{id} NULLS FIRST"
        );
        Some((sql, column))
    }

    /// What of the query is left to Rust, for people.
    pub(crate) fn left_to_rust(&self) -> Vec<&'static str> {
        [(self.rechecks(), "filter"), (self.sorts, "sort")]
            .into_iter()
            .filter_map(|(left, what)| left.then_some(what))
            .collect()
    }
}
