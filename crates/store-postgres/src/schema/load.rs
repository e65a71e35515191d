//! Reading the catalogue tables.

use crate::error::{Typed, corrupt};
use basalt_base::{Map, Result, Value};
use basalt_store::columns::words;
use basalt_store::{
    Catalogue, Collection, CollectionId, Field, FieldDef, FieldId, IndexColumn, IndexDef, codec,
};
use std::collections::HashMap;
use std::sync::Arc;
use tokio_postgres::Row;

/// The statement that reads the whole catalogue, at one snapshot: a row for the version, then one
/// for each collection, field and index, told apart by `kind`. It is one statement so that it needs
/// no transaction.
pub(crate) fn catalogue_sql(schema: &str) -> String {
    format!(
        "SELECT 0::int8 AS kind, 0::int8 AS a, version AS b, NULL::text AS t, NULL::text AS u,
                NULL::text AS v, NULL::text AS w, false AS r FROM {schema}.basalt_state
         UNION ALL SELECT 1, id, version, name, rules, NULL, NULL, false
             FROM {schema}.basalt_collections
         UNION ALL SELECT 2, collection, id, name, type, target, initial, required
             FROM {schema}.basalt_fields
         UNION ALL SELECT 3, collection, id, name, kind, columns, NULL, false
             FROM {schema}.basalt_indexes
         ORDER BY 1, 3"
    )
}

/// The catalogue from the rows of [`catalogue_sql`].
pub(crate) fn from_rows(rows: &[Row]) -> Result<Catalogue> {
    let mut version = None;
    let mut collections: HashMap<CollectionId, Collection> = HashMap::new();
    for row in rows {
        let id = |at: usize| -> Result<i64> { row.try_get(at).typed() };
        let collection = CollectionId(number(id(1)?)?);
        match id(0)? {
            0 => version = Some(id(2)?.cast_unsigned()),
            1 => {
                let made = Collection {
                    id: collection,
                    name: text(row, 3)?.into(),
                    fields: Vec::new(),
                    indexes: Vec::new(),
                    rules: map(text(row, 4)?)?,
                    version: id(2)?.cast_unsigned(),
                };
                collections.insert(collection, made);
            }
            kind => {
                let Some(owner) = collections.get_mut(&collection) else {
                    return Err(corrupt("a field or index of no collection"));
                };
                match kind {
                    2 => owner.fields.push(field(row, number(id(2)?)?)?),
                    _ => owner.indexes.push(IndexDef {
                        name: text(row, 3)?.into(),
                        kind: words::kind_of(text(row, 4)?)?,
                        columns: columns(text(row, 5)?)?,
                    }),
                }
            }
        }
    }
    let named = collections
        .into_values()
        .map(|c| (c.name.clone(), Arc::new(c)));
    Ok(Catalogue {
        version: version.ok_or_else(|| corrupt("an app without its state"))?,
        collections: named.collect(),
    })
}

fn number(id: i64) -> Result<u32> {
    u32::try_from(id).map_err(|_| corrupt("an id of the catalogue"))
}

fn text(row: &Row, at: usize) -> Result<&str> {
    optional(row, at)?.ok_or_else(|| corrupt("a missing text of the catalogue"))
}

fn optional(row: &Row, at: usize) -> Result<Option<&str>> {
    row.try_get(at).typed()
}

fn field(row: &Row, id: u32) -> Result<Field> {
    Ok(Field {
        id: FieldId(id),
        def: FieldDef {
            name: text(row, 3)?.into(),
            ty: words::field_type(text(row, 4)?, optional(row, 5)?)?,
            required: row.try_get(7).typed()?,
            default: optional(row, 6)?.map(codec::decode).transpose()?,
        },
    })
}

/// The stored form of an index's columns: a list of `[field, descending]`.
pub(super) fn columns_text(columns: &[IndexColumn]) -> String {
    let list = columns.iter().map(|column| {
        let word = words::field_word(&column.field);
        Value::Array(vec![word.into(), column.descending.into()])
    });
    codec::encode_to_string(&Value::Array(list.collect()))
}

fn columns(text: &str) -> Result<Vec<IndexColumn>> {
    let decoded = codec::decode(text)?;
    let column = |value: &Value| {
        let [field, descending] = value.as_array()? else {
            return None;
        };
        Some(IndexColumn {
            field: words::field_of(field.as_str()?),
            descending: descending.as_bool()?,
        })
    };
    decoded
        .as_array()
        .and_then(|list| list.iter().map(column).collect())
        .ok_or_else(|| corrupt("the columns of an index"))
}

/// A map in its stored form.
pub(crate) fn map(text: &str) -> Result<Map> {
    match codec::decode(text)? {
        Value::Map(map) => Ok(map),
        _ => Err(corrupt("a map of the catalogue")),
    }
}
