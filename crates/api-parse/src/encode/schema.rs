//! Schemas.

use super::value::{Files, value};
use super::writer::{Fields, list, string};
use basalt_data::{PermissionSet, Rules, SchemaField, SchemaView};
use basalt_store::{FieldRef, FieldType, IndexDef, IndexKind};

/// Which indexes an answer lists. No answer has an empty list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexes {
    /// Those that were asked for: what making a class answers.
    Asked,
    /// All, the one on the id included, when there are others.
    Present,
    /// All: what changing indexes answers.
    All,
}

/// `{"results":[…]}`.
pub fn schemas(views: &[SchemaView], files: Files<'_>) -> Vec<u8> {
    let mut out = b"{\"results\":".to_vec();
    list(&mut out, views, |out, view| {
        write(out, view, Indexes::Present, files);
    });
    out.push(b'}');
    out
}

/// One schema.
pub fn schema(view: &SchemaView, indexes: Indexes, files: Files<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write(&mut out, view, indexes, files);
    out
}

fn write(out: &mut Vec<u8>, view: &SchemaView, shown: Indexes, files: Files<'_>) {
    let mut schema = Fields::open(out);
    schema.text("className", &view.name);
    let mut fields = Fields::open(schema.key("fields"));
    fields.raw("objectId", br#"{"type":"String"}"#);
    fields.raw("createdAt", br#"{"type":"Date"}"#);
    fields.raw("updatedAt", br#"{"type":"Date"}"#);
    for field in &view.fields {
        self::field(fields.key(&field.name), field, files);
    }
    fields.raw("ACL", br#"{"type":"ACL"}"#);
    fields.close();
    rules(schema.key("classLevelPermissions"), &view.rules);
    if shown == Indexes::All || !view.indexes.is_empty() {
        let mut indexes = Fields::open(schema.key("indexes"));
        if shown != Indexes::Asked {
            indexes.raw("_id_", br#"{"_id":1}"#);
        }
        for index in &view.indexes {
            self::index(indexes.key(&index.name), index, view);
        }
        indexes.close();
    }
    schema.close();
}

fn field(out: &mut Vec<u8>, field: &SchemaField, files: Files<'_>) {
    let mut fields = Fields::open(out);
    fields.text("type", field.ty.word());
    if let Some(target) = field.ty.target() {
        fields.text("targetClass", target);
    }
    if field.required {
        fields.raw("required", b"true");
    }
    if let Some(default) = &field.default {
        value(fields.key("defaultValue"), default, files);
    }
    fields.close();
}

fn index(out: &mut Vec<u8>, index: &IndexDef, view: &SchemaView) {
    let is_pointer = |name: &str| {
        let mut fields = view.fields.iter();
        fields.any(|f| *f.name == *name && matches!(f.ty, FieldType::Reference(_)))
    };
    let mut columns = Fields::open(out);
    for column in &index.columns {
        let prefixed;
        let name = match &column.field {
            FieldRef::Id => "_id",
            FieldRef::CreatedAt => "createdAt",
            FieldRef::UpdatedAt => "updatedAt",
            // Clients name the column of a pointer by what databases of this protocol call it.
            FieldRef::Named(name) if is_pointer(name) => {
                prefixed = format!("_p_{name}");
                &prefixed
            }
            FieldRef::Named(name) => name,
        };
        let kind: &[u8] = match (index.kind, column.descending) {
            (IndexKind::Geo, _) => b"\"2dsphere\"",
            (_, true) => b"-1",
            (_, false) => b"1",
        };
        columns.raw(name, kind);
    }
    columns.close();
}

fn rules(out: &mut Vec<u8>, rules: &Rules) {
    let operations = [
        ("find", &rules.find),
        ("count", &rules.count),
        ("get", &rules.get),
        ("create", &rules.create),
        ("update", &rules.update),
        ("delete", &rules.delete),
        ("addField", &rules.add_field),
    ];
    let open = operations.iter().all(|(_, set)| set.public);
    let mut fields = Fields::open(out);
    for (name, set) in operations {
        permissions(fields.key(name), set);
    }
    for (name, list_of) in [
        ("readUserFields", &rules.read_user_fields),
        ("writeUserFields", &rules.write_user_fields),
    ] {
        if !list_of.is_empty() {
            list(fields.key(name), list_of, |out, f| string(out, f));
        }
    }
    let mut hidden = Fields::open(fields.key("protectedFields"));
    for rule in &rules.protected_fields {
        list(hidden.key(&rule.group), &rule.fields, |out, f| {
            string(out, f);
        });
    }
    if open && rules.protected_fields.is_empty() {
        hidden.raw("*", b"[]");
    }
    hidden.close();
    if let Some(entries) = &rules.default_acl {
        let mut acl = Fields::open(fields.key("ACL"));
        for (who, read, write) in entries {
            let mut rights = Fields::open(acl.key(who));
            if *read {
                rights.raw("read", b"true");
            }
            if *write {
                rights.raw("write", b"true");
            }
            rights.close();
        }
        acl.close();
    }
    fields.close();
}

fn permissions(out: &mut Vec<u8>, set: &PermissionSet) {
    let mut fields = Fields::open(out);
    if set.public {
        fields.raw("*", b"true");
    }
    if set.authenticated {
        fields.raw("requiresAuthentication", b"true");
    }
    for user in &set.users {
        fields.raw(user, b"true");
    }
    for role in &set.roles {
        fields.raw(&format!("role:{role}"), b"true");
    }
    if !set.user_fields.is_empty() {
        list(fields.key("pointerFields"), &set.user_fields, |out, f| {
            string(out, f);
        });
    }
    fields.close();
}
