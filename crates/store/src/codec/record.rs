//! Whole objects, as the change log keeps them.

use super::corrupt;
use super::parse::{decode, timestamp};
use super::write::{encode, integer, list, map_key, text, timestamp as write_timestamp};
use crate::{Acl, AclEntry, Record};
use basalt_base::{Map, Result, Value};
use std::sync::Arc;

/// The storage JSON of an object: id, times, revision, ACL and every field.
pub fn encode_record(record: &Record) -> String {
    encode_parts(record, true)
}

/// The same without the revision, which is of no use in another store.
pub fn encode_portable(record: &Record) -> String {
    encode_parts(record, false)
}

fn encode_parts(record: &Record, with_rev: bool) -> String {
    let mut out = String::with_capacity(1_024);
    out.push_str("{\"id\":");
    text(&record.id, &mut out);
    out.push_str(",\"created\":");
    write_timestamp(record.created_at, &mut out);
    out.push_str(",\"updated\":");
    write_timestamp(record.updated_at, &mut out);
    if with_rev {
        out.push_str(",\"rev\":");
        // The same bits as int64; storage JSON has no larger whole numbers.
        integer(record.rev.cast_signed(), &mut out);
    }
    acl_list("read", record.acl.read.as_deref(), &mut out);
    acl_list("write", record.acl.write.as_deref(), &mut out);
    out.push_str(",\"fields\":{");
    for (i, (name, value)) in record.fields.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        map_key(name, &mut out);
        encode(value, &mut out);
    }
    out.push_str("}}");
    out
}

fn acl_list(key: &str, entries: Option<&[AclEntry]>, out: &mut String) {
    let Some(entries) = entries else { return };
    out.push_str(",\"");
    out.push_str(key);
    out.push_str("\":");
    list(entries, out, |entry, out| text(&entry.token(), out));
}

/// Reads what [`encode_record`] wrote; damage is [`basalt_base::Reason::StoreCorrupt`].
pub fn decode_record(text: &str) -> Result<Record> {
    let Value::Map(map) = decode(text)? else {
        return Err(corrupt("an object image that is no map"));
    };
    from_map(map).ok_or_else(|| corrupt("an object image with a missing or broken part"))
}

/// Reads what [`encode_portable`] wrote, from its decoded form; `None` when a part is missing or
/// broken. The revision is 0.
pub fn portable_record(mut map: Map) -> Option<Record> {
    map.insert("rev".to_owned(), Value::Int(0));
    from_map(map)
}

fn from_map(mut map: Map) -> Option<Record> {
    let Value::Map(fields) = map.swap_remove("fields")? else {
        return None;
    };
    let Value::Int(rev) = map.get("rev")? else {
        return None;
    };
    let acl = Acl {
        read: entries(map.get("read")).ok()?,
        write: entries(map.get("write")).ok()?,
    };
    Some(Record {
        id: map.get("id")?.as_str()?.into(),
        created_at: timestamp(map.get("created")?)?,
        updated_at: timestamp(map.get("updated")?)?,
        rev: rev.cast_unsigned(),
        acl,
        fields: fields
            .into_iter()
            .map(|(name, value)| (Arc::from(name), value))
            .collect(),
    })
}

fn entries(value: Option<&Value>) -> Result<Option<Vec<AclEntry>>> {
    let Some(value) = value else {
        return Ok(None);
    };
    let tokens = value.as_array().map(|tokens| {
        let entry = |token: &Value| AclEntry::from_token(token.as_str()?);
        tokens.iter().map(entry).collect::<Option<_>>()
    });
    match tokens.flatten() {
        Some(entries) => Ok(Some(entries)),
        None => Err(corrupt("an object image with a broken ACL")),
    }
}
