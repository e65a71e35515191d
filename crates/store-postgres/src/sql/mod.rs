//! From the query model to SQL: for now everything is left to Rust.

use crate::row::Param;
use crate::schema::{Column, HEAD, Layout};
use basalt_store::plan::Asked;
use basalt_store::{Path, Query, Record};

pub(crate) struct Plan<'a> {
    pub(crate) sql: String,
    pub(crate) columns: Vec<&'a Column>,
    pub(crate) params: Vec<Param>,
    asked: Asked<'a>,
    layout: &'a Layout,
}

pub(crate) fn plan<'a>(layout: &'a Layout, query: &'a Query) -> Plan<'a> {
    let asked = Asked::of(query, true, true);
    let columns: Vec<&Column> = layout
        .columns
        .iter()
        .filter(|c| asked.reads(&c.name))
        .collect();
    let mut sql = format!("SELECT _n, {HEAD}");
    for column in &columns {
        column.push_read(&mut sql);
    }
    sql.push_str(&format!(" FROM {} ORDER BY _n", layout.table));
    Plan {
        sql,
        columns,
        params: Vec::new(),
        asked,
        layout,
    }
}

impl<'a> Plan<'a> {
    pub(crate) fn rechecks(&self) -> bool {
        true
    }
    pub(crate) fn sorts_in_rust(&self) -> bool {
        true
    }
    pub(crate) fn slices_in_sql(&self) -> bool {
        false
    }
    pub(crate) fn strip(&self, record: &mut Record) {
        self.asked.strip(record)
    }
    pub(crate) fn reads_null(&self, name: &str) -> bool {
        self.asked.reads(name) && self.layout.column(name).is_none()
    }
    pub(crate) fn count_sql(&self) -> Option<String> {
        None
    }
    pub(crate) fn distinct_sql(&self, _: &Path) -> Option<(String, &'a Column)> {
        None
    }
    pub(crate) fn left_to_rust(&self) -> Vec<&'static str> {
        vec!["filter"]
    }
}
