//! Reading the catalogue tables.

use crate::error::{Typed, corrupt};
use basalt_base::{Map, Result, Value};
use basalt_store::columns::words;
use basalt_store::{
    Catalogue, Collection, CollectionId, Field, FieldDef, FieldId, IndexColumn, IndexDef, codec,
};
use rusqlite::{Connection, Row};
use std::collections::HashMap;
use std::sync::Arc;

/// Where an app's data stands: its catalogue version and the last position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stand {
    pub(crate) version: u64,
    pub(crate) position: u64,
}

/// Reads where the data stands as of the connection's transaction.
pub(crate) fn stand(conn: &Connection) -> Result<Stand> {
    let mut statement = conn
        .prepare_cached(
            "SELECT version, max(floor, coalesce((SELECT max(position) FROM basalt_changes), 0))
             FROM basalt_meta",
        )
        .typed()?;
    statement
        .query_row([], |row| {
            Ok(Stand {
                version: row.get(0)?,
                position: row.get(1)?,
            })
        })
        .typed()
}

/// Reads the whole catalogue.
pub(crate) fn catalogue(conn: &Connection) -> Result<Catalogue> {
    let mut fields = fields(conn)?;
    let mut indexes = indexes(conn)?;
    let mut statement = conn
        .prepare("SELECT id, name, rules, version FROM basalt_collections")
        .typed()?;
    let mut rows = statement.query([]).typed()?;
    let mut collections = HashMap::new();
    while let Some(row) = rows.next().typed()? {
        let id = CollectionId(row.get(0).typed()?);
        let name: Arc<str> = row.get::<_, String>(1).typed()?.into();
        let rules = map(&row.get::<_, String>(2).typed()?)?;
        let collection = Collection {
            id,
            name: name.clone(),
            fields: fields.remove(&id).unwrap_or_default(),
            indexes: indexes.remove(&id).unwrap_or_default(),
            rules,
            version: row.get(3).typed()?,
        };
        collections.insert(name, Arc::new(collection));
    }
    Ok(Catalogue {
        version: stand(conn)?.version,
        collections,
    })
}

fn fields(conn: &Connection) -> Result<HashMap<CollectionId, Vec<Field>>> {
    let sql = "SELECT collection, id, name, type, target, required, initial
               FROM basalt_fields ORDER BY id";
    let mut statement = conn.prepare(sql).typed()?;
    let mut rows = statement.query([]).typed()?;
    let mut all: HashMap<_, Vec<Field>> = HashMap::new();
    while let Some(row) = rows.next().typed()? {
        let collection = CollectionId(row.get(0).typed()?);
        all.entry(collection).or_default().push(field(row)?);
    }
    Ok(all)
}

fn field(row: &Row<'_>) -> Result<Field> {
    let word: String = row.get(3).typed()?;
    let target: Option<String> = row.get(4).typed()?;
    let initial: Option<String> = row.get(6).typed()?;
    Ok(Field {
        id: FieldId(row.get(1).typed()?),
        def: FieldDef {
            name: row.get::<_, String>(2).typed()?.into(),
            ty: words::field_type(&word, target.as_deref())?,
            required: row.get(5).typed()?,
            default: initial.as_deref().map(codec::decode).transpose()?,
        },
    })
}

fn indexes(conn: &Connection) -> Result<HashMap<CollectionId, Vec<IndexDef>>> {
    let sql = "SELECT collection, name, kind, columns FROM basalt_indexes ORDER BY id";
    let mut statement = conn.prepare(sql).typed()?;
    let mut rows = statement.query([]).typed()?;
    let mut all: HashMap<_, Vec<IndexDef>> = HashMap::new();
    while let Some(row) = rows.next().typed()? {
        let kind: String = row.get(2).typed()?;
        let index = IndexDef {
            name: row.get::<_, String>(1).typed()?.into(),
            kind: words::kind_of(&kind)?,
            columns: columns(&row.get::<_, String>(3).typed()?)?,
        };
        let collection = CollectionId(row.get(0).typed()?);
        all.entry(collection).or_default().push(index);
    }
    Ok(all)
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
