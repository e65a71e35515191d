//! What the group changed, as a few statements.

use super::tx::{Entry, Pending, Tx};
use crate::error::Typed;
use crate::net::{in_order, refs};
use crate::row::{self, Param};
use crate::schema::{Column, Layout};
use crate::text;
use basalt_base::{BoxFuture, Result};
use basalt_store::{FieldRef, Record, codec};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use tokio_postgres::Statement;

/// A statement and its parameters.
pub(super) type Order = (String, Vec<Param>);

/// How many bytes of objects or images a statement takes, but for one that has more alone. A parameter
/// of more than a GiB can't be sent, and the server reads nothing while it is at a statement: a
/// connection that confirms nothing for some seconds is given up.
pub(super) const STATEMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The types of the head's columns as elements of arrays; ACLs travel as the text of an array.
const HEAD_CASTS: [&str; 7] = [
    "TEXT", "BIGINT", "BIGINT", "BIGINT", "TEXT", "TEXT", "JSONB",
];
const HEAD_NAMES: [&str; 7] = [
    "_id", "_created", "_updated", "_rev", "_rperm", "_wperm", "_x",
];

impl Tx<'_> {
    /// Writes the changed objects, so that statements of the transaction see them.
    pub(super) async fn flush(&mut self) -> Result<()> {
        let orders = self.orders()?;
        if orders.is_empty() {
            return Ok(());
        }
        run(self, &orders).await?;
        for entry in self.rows.values_mut().flat_map(HashMap::values_mut) {
            entry.stored = entry.current.clone();
        }
        Ok(())
    }

    /// The statements that write the changed objects.
    pub(super) fn orders(&self) -> Result<Vec<Order>> {
        let mut orders = Vec::new();
        // Measuring them costs as much as encoding them.
        let small = self.change_bytes() <= STATEMENT_BYTES_MAX as u64;
        for layout in self.state.schema.layouts() {
            if let Some(rows) = self.rows.get(&layout.collection.id) {
                collection(layout, rows.values(), small, &mut orders)?;
            }
        }
        Ok(orders)
    }
}

/// Prepares the statements and runs them one behind the other.
async fn run(tx: &Tx<'_>, orders: &[Order]) -> Result<()> {
    let mut prepared: Vec<(Statement, &[Param])> = Vec::with_capacity(orders.len());
    for (sql, params) in orders {
        prepared.push((tx.conn.statement(sql).await.typed()?, params));
    }
    let client = &tx.conn.client;
    let sent = prepared.iter().map(|(statement, params)| {
        let sent = async move { client.execute(statement, &refs(params)).await };
        Box::pin(sent) as BoxFuture<'_, std::result::Result<u64, tokio_postgres::Error>>
    });
    for result in in_order(sent.collect()).await {
        result.typed()?;
    }
    Ok(())
}

fn collection<'e>(
    layout: &Layout,
    entries: impl Iterator<Item = &'e Entry>,
    small: bool,
    orders: &mut Vec<Order>,
) -> Result<()> {
    let mut deleted = Vec::new();
    let mut inserted: Vec<(i64, &Arc<Record>)> = Vec::new();
    let mut updated: HashMap<Vec<usize>, Vec<(i64, &Arc<Record>)>> = HashMap::new();
    let mut freed: HashMap<Vec<usize>, Vec<i64>> = HashMap::new();
    for entry in entries {
        match (&entry.stored, &entry.current) {
            (Some((old, before)), Some((new, after))) if old == new => {
                // Not by revision: the tables may hold what a refused batch left, and the next one
                // gives the same revisions again.
                if !Arc::ptr_eq(before, after) {
                    let mut set = changed(layout, before, after);
                    let leaves = leaves(layout, before, after, &set);
                    set.extend(leaves.iter().flatten());
                    set.sort_unstable();
                    set.dedup();
                    updated.entry(set).or_default().push((*new, after));
                    if let Some(columns) = leaves {
                        freed.entry(columns).or_default().push(*new);
                    }
                }
            }
            (old, new) => {
                deleted.extend(old.iter().map(|(number, _)| *number));
                inserted.extend(new.iter().map(|(number, record)| (*number, record)));
            }
        }
    }
    let numbers = |list: Vec<i64>| Param::List(list.into_iter().map(Param::Int).collect());
    if !deleted.is_empty() {
        let sql = format!("DELETE FROM {} WHERE _n = ANY($1::int8[])", layout.table);
        orders.push((sql, vec![numbers(deleted)]));
    }
    if freed.values().map(Vec::len).sum::<usize>() > 1 {
        // They may hand values on to each other, which PostgreSQL checks row by row.
        for (columns, rows) in in_turn(freed) {
            orders.push((free(layout, &columns), vec![numbers(rows)]));
        }
    }
    let bytes = |row: &(i64, &Arc<Record>)| {
        if small {
            0
        } else {
            codec::encode_record(row.1).len()
        }
    };
    for (set, mut rows) in in_turn(updated) {
        rows.sort_by_key(|(number, _)| *number);
        for part in in_parts(&rows, bytes) {
            orders.push(update(layout, &set, part)?);
        }
    }
    inserted.sort_by_key(|(number, _)| *number);
    for part in in_parts(&inserted, bytes) {
        orders.push(insert(layout, part)?);
    }
    Ok(())
}

/// The items in parts of at most [`STATEMENT_BYTES_MAX`] each, but for items that have more alone.
fn in_parts<T>(items: &[T], bytes: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut parts = Vec::new();
    let (mut start, mut total) = (0, 0);
    for (at, item) in items.iter().enumerate() {
        let more = bytes(item);
        if at > start && total + more > STATEMENT_BYTES_MAX {
            parts.push(&items[start..at]);
            (start, total) = (at, 0);
        }
        total += more;
    }
    if start < items.len() {
        parts.push(&items[start..]);
    }
    parts
}

/// Groups in the order of their columns, so that equal groups make equal statements.
fn in_turn<T>(groups: HashMap<Vec<usize>, T>) -> Vec<(Vec<usize>, T)> {
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|a, b| a.0.cmp(&b.0));
    groups
}

/// The places of the columns to be empty for a moment, so that an object gives up what it has under
/// the unique indexes in which it changes; `None` when it changes in none. A place that is not in
/// `set` has to be written again.
fn leaves(layout: &Layout, before: &Record, after: &Record, set: &[usize]) -> Option<Vec<usize>> {
    let mut places = Vec::new();
    let mut any = false;
    for index in super::keys::unique(layout) {
        let old = super::keys::key(layout, index, before);
        if old.is_none() || old == super::keys::key(layout, index, after) {
            continue;
        }
        any = true;
        let named = index
            .columns
            .iter()
            .filter_map(|column| match &column.field {
                FieldRef::Named(name) => layout.columns.iter().position(|c| *c.name == **name),
                _ => None,
            });
        let named: Vec<usize> = named.map(|at| HEAD_NAMES.len() + at).collect();
        let differ = named.iter().copied().filter(|at| set.contains(at));
        let differ: Vec<usize> = differ.collect();
        // What differs may be a column that can't be empty.
        places.extend(if differ.is_empty() { named } else { differ });
    }
    places.sort_unstable();
    places.dedup();
    any.then_some(places)
}

/// Empties these columns.
fn free(layout: &Layout, places: &[usize]) -> String {
    let columns = places
        .iter()
        .map(|at| &layout.columns[*at - HEAD_NAMES.len()]);
    let names = columns.flat_map(|column| {
        let declared = crate::schema::declared(&column.shape).iter();
        declared.map(|(suffix, _)| format!("{}{suffix} = NULL", column.physical()))
    });
    let set: Vec<String> = names.collect();
    let set = if set.is_empty() {
        "_rev = _rev".to_owned()
    } else {
        set.join(", ")
    };
    format!(
        "UPDATE {} SET {set} WHERE _n = ANY($1::int8[])",
        layout.table
    )
}

/// The places of the columns that differ: those of the head first, then those of the fields.
fn changed(layout: &Layout, before: &Record, after: &Record) -> Vec<usize> {
    let mut set = vec![2, 3];
    // Another object than the one that a refused batch made under this id.
    if before.created_at != after.created_at {
        set.push(1);
    }
    if before.acl != after.acl {
        set.extend([4, 5]);
    }
    if row::extras(layout, before) != row::extras(layout, after) {
        set.push(6);
    }
    for (at, column) in layout.columns.iter().enumerate() {
        if !row::same(before.get(&column.name), after.get(&column.name)) {
            set.push(HEAD_NAMES.len() + at);
        }
    }
    set
}

/// Arrays of what rows have in each column, with the columns' names and types.
#[derive(Default)]
struct Arrays {
    names: Vec<String>,
    casts: Vec<&'static str>,
    params: Vec<Vec<Param>>,
}

impl Arrays {
    fn add(&mut self, name: String, cast: &'static str, values: Vec<Param>) {
        self.names.push(name);
        self.casts.push(cast);
        self.params.push(values);
    }

    fn add_head(&mut self, layout: &Layout, set: &[usize], rows: &[(i64, &Arc<Record>)]) {
        let mut columns: Vec<Vec<Param>> = set.iter().map(|_| Vec::new()).collect();
        for (_, record) in rows {
            let mut head = row::head_params(layout, record);
            for (values, at) in columns.iter_mut().zip(set) {
                let param = std::mem::replace(&mut head[*at], Param::Null);
                values.push(match param {
                    Param::Texts(tokens) => Param::Text(array_text(&tokens)),
                    param => param,
                });
            }
        }
        for (values, at) in columns.into_iter().zip(set) {
            self.add(HEAD_NAMES[*at].to_owned(), HEAD_CASTS[*at], values);
        }
    }

    fn add_field(&mut self, column: &Column, rows: &[(i64, &Arc<Record>)]) -> Result<()> {
        let declared = crate::schema::declared(&column.shape);
        let mut columns: Vec<Vec<Param>> = declared.iter().map(|_| Vec::new()).collect();
        let mut params = Vec::with_capacity(2);
        for (_, record) in rows {
            row::push_field(column, record.get(&column.name), &mut params)?;
            for (values, param) in columns.iter_mut().zip(params.drain(..)) {
                values.push(param);
            }
        }
        for (values, (suffix, _)) in columns.into_iter().zip(declared) {
            let name = format!("{}{suffix}", column.physical());
            self.add(name, crate::schema::cast(&column.shape), values);
        }
        Ok(())
    }

    /// `unnest($1::BIGINT[], …) AS u(a0, …)`.
    fn unnest(&self) -> String {
        let mut out = "unnest(".to_owned();
        for (at, cast) in self.casts.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let _ = write!(out, "{comma}${}::{cast}[]", at + 1);
        }
        out.push_str(") AS u(");
        for at in 0..self.casts.len() {
            let comma = if at == 0 { "" } else { ", " };
            let _ = write!(out, "{comma}a{at}");
        }
        out + ")"
    }

    /// The expression that gives a column its value.
    fn value(&self, at: usize) -> String {
        let acl = matches!(&*self.names[at], "_rperm" | "_wperm");
        if acl {
            format!("u.a{at}::TEXT[]")
        } else {
            format!("u.a{at}")
        }
    }

    fn into_params(self) -> Vec<Param> {
        self.params.into_iter().map(Param::List).collect()
    }
}

fn numbers(rows: &[(i64, &Arc<Record>)]) -> Vec<Param> {
    rows.iter().map(|(number, _)| Param::Int(*number)).collect()
}

fn insert(layout: &Layout, rows: &[(i64, &Arc<Record>)]) -> Result<Order> {
    let mut arrays = Arrays::default();
    arrays.add("_n".to_owned(), "BIGINT", numbers(rows));
    arrays.add_head(layout, &[0, 1, 2, 3, 4, 5, 6], rows);
    for column in &layout.columns {
        arrays.add_field(column, rows)?;
    }
    let values: Vec<String> = (0..arrays.names.len()).map(|at| arrays.value(at)).collect();
    let sql = format!(
        "INSERT INTO {} ({}) SELECT {} FROM {}",
        layout.table,
        arrays.names.join(", "),
        values.join(", "),
        arrays.unnest()
    );
    Ok((sql, arrays.into_params()))
}

fn update(layout: &Layout, set: &[usize], rows: &[(i64, &Arc<Record>)]) -> Result<Order> {
    let mut arrays = Arrays::default();
    arrays.add("_n".to_owned(), "BIGINT", numbers(rows));
    let head: Vec<usize> = set
        .iter()
        .copied()
        .filter(|at| *at < HEAD_NAMES.len())
        .collect();
    arrays.add_head(layout, &head, rows);
    for at in set.iter().filter(|at| **at >= HEAD_NAMES.len()) {
        arrays.add_field(&layout.columns[*at - HEAD_NAMES.len()], rows)?;
    }
    let assign = |at: usize| format!("{} = {}", arrays.names[at], arrays.value(at));
    let set: Vec<String> = (1..arrays.names.len()).map(assign).collect();
    let sql = format!(
        "UPDATE {} AS t SET {} FROM {} WHERE t._n = u.a0",
        layout.table,
        set.join(", "),
        arrays.unnest()
    );
    Ok((sql, arrays.into_params()))
}

/// An array of texts as text.
fn array_text(items: &[String]) -> String {
    let mut out = "{".to_owned();
    for (at, item) in items.iter().enumerate() {
        out.push_str(if at == 0 { "\"" } else { ",\"" });
        for c in item.chars() {
            if matches!(c, '"' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        out.push('"');
    }
    out + "}"
}

/// The statements that append to the change log.
pub(super) fn log(schema: &str, changes: &[Pending], logged_ms: i64) -> Vec<Order> {
    let length = |image: &Option<String>| image.as_ref().map_or(0, String::len);
    let bytes = |change: &Pending| length(&change.before) + length(&change.after);
    let parts = in_parts(changes, bytes).into_iter();
    parts
        .map(|part| log_part(schema, part, logged_ms))
        .collect()
}

fn log_part(schema: &str, changes: &[Pending], logged_ms: i64) -> Order {
    let column = |value: &dyn Fn(&Pending) -> Param| -> Param {
        Param::List(changes.iter().map(value).collect())
    };
    let image = |text: &Option<String>| text.clone().map_or(Param::Null, Param::Text);
    let held = |t: &str| Param::Text(text::stored(t).into_owned());
    let sql = format!(
        "INSERT INTO {schema}.basalt_changes
         (position, total, at, kind, collection, collection_id, id, before, after, logged)
         SELECT *, $10::int8 FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[],
             $5::text[], $6::int8[], $7::text[], $8::text[], $9::text[])"
    );
    let params = vec![
        column(&|c| Param::Int(c.position.cast_signed())),
        column(&|c| Param::Int(c.total.cast_signed())),
        column(&|c| Param::Int(c.at.millis())),
        column(&|c| Param::Int(c.kind as i64)),
        column(&|c| held(&c.collection)),
        column(&|c| Param::Int(i64::from(c.collection_id.0))),
        column(&|c| held(&c.id)),
        column(&|c| image(&c.before)),
        column(&|c| image(&c.after)),
        Param::Int(logged_ms),
    ];
    (sql, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_items_travel_in_parts() {
        let parts = |sizes: &[usize]| -> Vec<usize> {
            let parts = in_parts(sizes, |size| *size);
            assert_eq!(parts.concat(), sizes);
            parts.iter().map(|part| part.len()).collect()
        };
        let half = STATEMENT_BYTES_MAX / 2;
        assert_eq!(parts(&[]), [0; 0]);
        assert_eq!(parts(&[0; 1_000]), [1_000]);
        assert_eq!(parts(&[half, half, half]), [2, 1]);
        assert_eq!(parts(&[1, 4 * half, 1, half]), [1, 1, 2]);
        assert_eq!(parts(&[4 * half, 4 * half]), [1, 1]);
    }

    #[test]
    fn arrays_are_quoted() {
        let items = ["a".to_owned(), "b\"\\,{}".to_owned(), String::new()];
        assert_eq!(array_text(&items), r#"{"a","b\"\\,{}",""}"#);
        assert_eq!(array_text(&[]), "{}");
    }
}
