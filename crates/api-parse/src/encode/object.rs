//! Objects, with what they include.

use super::check_size;
use super::value::{Files, iso, pointer, relation, value};
use super::writer::{Fields, list, string};
use basalt_base::{Members, Reference, Result, Value};
use basalt_data::{Created, Include, Included, Updated};
use basalt_store::{Acl, AclEntry, Collection, FieldType, Record};
use std::collections::HashMap;
use std::sync::Arc;

/// What applies to every object of an answer.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    /// Where files are.
    pub files: Files<'a>,
    /// The objects that references are replaced by.
    pub included: &'a HashMap<Reference, Included>,
    /// The keys that were asked for; relations are shown when they are among them.
    pub keys: Option<&'a [Box<str>]>,
    /// The class to name in each object, when the query was redirected.
    pub class: Option<&'a str>,
    /// The presented session token, shown in the user it belongs to.
    pub session_token: Option<&'a str>,
}

/// Writes one object.
pub fn object(
    out: &mut Vec<u8>,
    record: &Record,
    collection: Option<&Collection>,
    include: &Include,
    shape: &Shape<'_>,
) -> Result<()> {
    let mut fields = Fields::open(out);
    string(fields.plain_key("objectId"), &record.id);
    body(&mut fields, record, collection, include, shape.keys, shape)?;
    if let Some(class) = shape.class {
        fields.text("className", class);
    }
    if let Some(token) = shape.session_token {
        fields.text("sessionToken", token);
    }
    fields.close();
    Ok(())
}

/// Everything but the id and what only the outermost object has.
fn body(
    fields: &mut Fields<'_>,
    record: &Record,
    collection: Option<&Collection>,
    include: &Include,
    keys: Option<&[Box<str>]>,
    shape: &Shape<'_>,
) -> Result<()> {
    let shown =
        |name: &str| keys.is_none_or(|keys| keys.iter().any(|k| k.split('.').next() == Some(name)));
    for (name, content) in &record.fields {
        let node = include.child(name);
        // What is there was asked for, but for included objects, whose keys are ours to apply.
        if include.here && !shown(name) {
            continue;
        }
        field(fields, name, content, node, shape)?;
    }
    for field in collection.iter().flat_map(|c| &c.fields) {
        if let FieldType::Relation(target) = &field.def.ty
            && shown(&field.def.name)
        {
            relation(fields.key(&field.def.name), target);
        }
    }
    iso(fields.plain_key("createdAt"), record.created_at);
    iso(fields.plain_key("updatedAt"), record.updated_at);
    acl(fields, &record.acl);
    Ok(())
}

/// Writes a field unless it is an included reference whose object is gone or can't be read: the
/// protocol leaves those out.
fn field(
    fields: &mut Fields<'_>,
    name: &str,
    content: &Value,
    node: Option<&Include>,
    shape: &Shape<'_>,
) -> Result<()> {
    let Some(node) = node else {
        value(fields.key(name), content, shape.files);
        return Ok(());
    };
    if let Value::Reference(reference) = content
        && node.here
    {
        return match shape.included.get(reference) {
            Some(target) => included(fields.key(name), target, node, shape),
            None => Ok(()),
        };
    }
    nested(fields.key(name), content, node, shape)
}

/// Writes a value below an include node.
fn nested(out: &mut Vec<u8>, content: &Value, node: &Include, shape: &Shape<'_>) -> Result<()> {
    match content {
        Value::Reference(reference) => match shape.included.get(reference) {
            Some(target) if node.here => included(out, target, node, shape),
            _ => {
                pointer(out, reference);
                Ok(())
            }
        },
        Value::Array(items) => {
            let mut result = Ok(());
            let there = items.iter().filter(|item| match item {
                Value::Reference(r) => !node.here || shape.included.contains_key(r),
                _ => true,
            });
            list(out, there, |out, item| {
                if result.is_ok() {
                    result = nested(out, item, node, shape);
                }
            });
            result
        }
        Value::Map(map) => {
            let mut fields = Fields::open(out);
            for (key, item) in map {
                field(&mut fields, key, item, node.child(key), shape)?;
            }
            fields.close();
            Ok(())
        }
        _ => {
            value(out, content, shape.files);
            Ok(())
        }
    }
}

fn included(out: &mut Vec<u8>, target: &Included, node: &Include, shape: &Shape<'_>) -> Result<()> {
    check_size(out)?;
    let mut fields = Fields::open(out);
    string(fields.plain_key("objectId"), &target.record.id);
    let keys = node.keys.as_deref();
    body(
        &mut fields,
        &target.record,
        Some(&target.collection),
        node,
        keys,
        shape,
    )?;
    fields.plain_key("__type").extend_from_slice(b"\"Object\"");
    string(fields.plain_key("className"), &target.collection.name);
    fields.close();
    Ok(())
}

/// Writes the ACL, unless the object is open to everybody.
fn acl(fields: &mut Fields<'_>, acl: &Acl) {
    if acl.read.is_none() && acl.write.is_none() {
        return;
    }
    let public = [AclEntry::Public];
    let read = acl.read.as_deref().unwrap_or(&public);
    let write = acl.write.as_deref().unwrap_or(&public);
    let mut entries = Fields::open(fields.plain_key("ACL"));
    // Objects of older versions and of other servers can hold any number of entries.
    let (mut readers, mut writers) = (Members::of(read), Members::of(write));
    for (at, entry) in read.iter().chain(write).enumerate() {
        let reads = at < read.len() || readers.contains(entry);
        if reads && at >= read.len() {
            continue;
        }
        let mut rights = Fields::open(match entry {
            AclEntry::Public => entries.plain_key("*"),
            AclEntry::User(id) => entries.key(id),
            AclEntry::Role(name) => entries.key(&format!("role:{name}")),
        });
        if reads {
            rights.plain_key("read").extend_from_slice(b"true");
        }
        if at >= read.len() || writers.contains(entry) {
            rights.plain_key("write").extend_from_slice(b"true");
        }
        rights.close();
    }
    entries.close();
}

/// An object as code is shown it.
pub struct Hooked<'a> {
    /// The object.
    pub record: &'a Record,
    /// Its class.
    pub class: &'a str,
    /// The class's schema, as far as it is known.
    pub schema: Option<&'a Collection>,
    /// Whether it is not stored yet: then it has neither id nor times.
    pub is_new: bool,
    /// The session token of the user that it is.
    pub session_token: Option<&'a str>,
}

/// Writes an object as code is shown it.
pub fn hooked(out: &mut Vec<u8>, object: &Hooked<'_>, files: Files<'_>) {
    let record = object.record;
    let mut fields = Fields::open(out);
    for (name, content) in &record.fields {
        value(fields.key(name), content, files);
    }
    for field in object.schema.iter().flat_map(|c| &c.fields) {
        if let FieldType::Relation(target) = &field.def.ty {
            relation(fields.key(&field.def.name), target);
        }
    }
    acl(&mut fields, &record.acl);
    if !object.is_new {
        iso(fields.plain_key("createdAt"), record.created_at);
        iso(fields.plain_key("updatedAt"), record.updated_at);
        string(fields.plain_key("objectId"), &record.id);
    }
    if let Some(token) = object.session_token {
        fields.text("sessionToken", token);
    }
    fields.text("className", object.class);
    fields.close();
}

/// Writes the answer of a create: id, time, and what the client can't know.
pub fn created(out: &mut Vec<u8>, done: &Created, files: Files<'_>) {
    let mut fields = Fields::open(out);
    fields.text("objectId", &done.record.id);
    iso(fields.key("createdAt"), done.record.created_at);
    let told = Told {
        collection: &done.collection,
        record: &done.record,
        changed: &done.changed,
        answer: &done.answer,
    };
    told.write(&mut fields, files);
    fields.close();
}

/// Writes the answer of an update: the time, and what the client can't know.
pub fn updated(out: &mut Vec<u8>, done: &Updated, files: Files<'_>) {
    let mut fields = Fields::open(out);
    iso(fields.key("updatedAt"), done.record.updated_at);
    let told = Told {
        collection: &done.collection,
        record: &done.record,
        changed: &done.changed,
        answer: &done.answer,
    };
    told.write(&mut fields, files);
    fields.close();
}

/// What the client can't know by itself.
struct Told<'a> {
    collection: &'a Collection,
    record: &'a Record,
    changed: &'a [Arc<str>],
    answer: &'a [(Arc<str>, Value)],
}

impl Told<'_> {
    fn write(&self, fields: &mut Fields<'_>, files: Files<'_>) {
        let answered = |name: &Arc<str>| self.answer.iter().any(|(n, _)| n == name);
        for name in self.changed.iter().filter(|name| !answered(name)) {
            let ty = self.collection.field(name).map(|field| &field.def.ty);
            match (self.record.get(name), ty) {
                (_, Some(FieldType::Relation(target))) => relation(fields.key(name), target),
                (Some(content), _) => value(fields.key(name), content, files),
                // A hook removed it: the client learns so by the operation it would have sent.
                (None, _) => fields.raw(name, br#"{"__op":"Delete"}"#),
            }
        }
        for (name, content) in self.answer {
            value(fields.key(name), content, files);
        }
    }
}
