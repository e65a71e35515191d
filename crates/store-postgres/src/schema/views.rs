//! Views with readable names, for people and tools. The server itself never reads them.

use super::{Layout, Schema, Shape, ddl::Ddl};
use crate::error::Typed;
use basalt_base::Result;
use basalt_store::CollectionId;
use std::collections::HashSet;
use std::fmt::Write;

/// The longest name that PostgreSQL keeps whole, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// Makes the views of these collections anew.
pub(crate) async fn refresh(
    ddl: &Ddl<'_>,
    schema: &Schema,
    changed: &HashSet<CollectionId>,
) -> Result<()> {
    for layout in schema.layouts() {
        let id = layout.collection.id;
        if changed.contains(&id) {
            drop(ddl, schema, id.0).await?;
            let name = free_name(ddl, schema, layout).await?;
            ddl.run(&definition(layout, &schema.name, &name)).await?;
            let sql = format!(
                "UPDATE {}.basalt_collections SET view = $1 WHERE id = $2",
                schema.name
            );
            ddl.execute(&sql, &[&name, &i64::from(id.0)]).await?;
        }
    }
    Ok(())
}

/// Drops the view of a collection.
pub(super) async fn drop(ddl: &Ddl<'_>, schema: &Schema, id: u32) -> Result<()> {
    let sql = format!(
        "SELECT view FROM {}.basalt_collections WHERE id = $1",
        schema.name
    );
    let row = ddl
        .conn
        .client
        .query_opt(&sql, &[&i64::from(id)])
        .await
        .typed()?;
    let name = row
        .map(|row| row.try_get::<_, Option<String>>(0))
        .transpose();
    match name.typed()?.flatten() {
        Some(name) => {
            let view = quoted(&name);
            ddl.run(&format!("DROP VIEW IF EXISTS {}.{view}", schema.name))
                .await
        }
        None => Ok(()),
    }
}

/// Our own tables have their names, and long ones are cut: the id tells such names apart.
async fn free_name(ddl: &Ddl<'_>, schema: &Schema, layout: &Layout) -> Result<String> {
    let name = &*layout.collection.name;
    let physical = name.len() > 1
        && name.starts_with(['t', 'i'])
        && name[1..].starts_with(|c: char| c.is_ascii_digit());
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c, pg_catalog.pg_namespace n
               WHERE c.relnamespace = n.oid AND n.nspname = $1 AND c.relname = $2::text)";
    let row = ddl
        .conn
        .client
        .query_one(sql, &[&&*schema.name, &name])
        .await
        .typed()?;
    let taken: bool = row.try_get(0).typed()?;
    let ours = name.starts_with("basalt_");
    Ok(
        if physical || ours || taken || name.len() > NAME_BYTES_MAX {
            let kept = if ours { "class_" } else { "" };
            cut(&format!("{kept}{name}"), layout.collection.id.0)
        } else {
            name.to_owned()
        },
    )
}

/// The name with an id behind it, in as many bytes as there may be.
fn cut(name: &str, id: u32) -> String {
    let tail = format!("~{id}");
    let mut end = name.len().min(NAME_BYTES_MAX - tail.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{tail}", &name[..end])
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn time(column: &str) -> String {
    format!("timestamptz 'epoch' + {column} * interval '1 millisecond'")
}

fn definition(layout: &Layout, schema: &str, name: &str) -> String {
    let mut out = format!(
        "CREATE VIEW {schema}.{} AS SELECT _id AS id, {} AS created_at, {} AS updated_at, _rev AS rev",
        quoted(name),
        time("_created"),
        time("_updated"),
    );
    let mut used: HashSet<String> = ["id", "created_at", "updated_at", "rev"]
        .into_iter()
        .map(str::to_owned)
        .collect();
    for column in &layout.columns {
        let physical = column.physical();
        let expression = match column.shape {
            Shape::Nothing => continue,
            Shape::Geo => format!("{physical}_lat || ',' || {physical}_lng"),
            Shape::Date => time(&physical),
            _ => physical,
        };
        let plain = column.name.len() <= NAME_BYTES_MAX && used.insert(column.name.to_string());
        let label = if plain {
            column.name.to_string()
        } else {
            cut(&column.name, column.id.0)
        };
        let _ = write!(out, ", {expression} AS {}", quoted(&label));
    }
    let _ = write!(out, " FROM {}", layout.table);
    out
}
