//! Class-level permissions.

use super::{Cx, fail};
use crate::json::{Json, Object};
use basalt_base::{Error, Reason, Result};
use basalt_data::{FieldRule, PermissionSet, Rules, SchemaChangeRequest};
use basalt_store::{Collection, FieldType};

/// Decodes the permissions of a class; operations left out are closed to clients.
pub fn rules(
    cx: &Cx<'_>,
    json: &Json<'_>,
    request: &SchemaChangeRequest,
    present: Option<&Collection>,
) -> Result<Rules> {
    let Json::Object(object) = json else {
        return Err(bad("class level permissions must be an object".to_owned()));
    };
    let class = Class {
        cx,
        request,
        present,
    };
    let mut rules = Rules::default();
    for (operation, json) in object.iter() {
        let slot = match operation {
            "find" => &mut rules.find,
            "count" => &mut rules.count,
            "get" => &mut rules.get,
            "create" => &mut rules.create,
            "update" => &mut rules.update,
            "delete" => &mut rules.delete,
            "addField" => &mut rules.add_field,
            "readUserFields" => {
                rules.read_user_fields = class.user_fields(operation, json)?;
                continue;
            }
            "writeUserFields" => {
                rules.write_user_fields = class.user_fields(operation, json)?;
                continue;
            }
            "protectedFields" => {
                rules.protected_fields = class.protected(entries(operation, json)?)?;
                continue;
            }
            "ACL" => {
                rules.default_acl = Some(default_acl(entries(operation, json)?)?);
                continue;
            }
            _ => {
                let mut shown = operation.to_owned();
                crate::json::shorten(&mut shown);
                return Err(bad(format!(
                    "{shown} is not a valid operation for class level permissions"
                )));
            }
        };
        *slot = class.set(operation, entries(operation, json)?)?;
    }
    Ok(rules)
}

fn bad(message: String) -> Error {
    fail(Reason::InvalidJson, message)
}

fn not_valid(json: &Json<'_>, what: &str) -> Error {
    bad(format!(
        "'{}' is not a valid value for {what}",
        json.shown()
    ))
}

fn entries<'b, 'j>(operation: &str, json: &'b Json<'j>) -> Result<&'b Object<'j>> {
    json.as_object().ok_or_else(|| {
        let what = format!("class level permissions {operation} - must be an object");
        not_valid(json, &what)
    })
}

fn texts(json: &Json<'_>) -> Option<Vec<Box<str>>> {
    let items = json.as_array()?;
    items.iter().map(|i| i.as_str().map(Into::into)).collect()
}

fn default_acl(object: &Object<'_>) -> Result<Vec<(Box<str>, bool, bool)>> {
    let invalid = || fail(Reason::InvalidAcl, "Invalid ACL.");
    let mut entries = Vec::with_capacity(object.len());
    for (who, rights) in object.iter() {
        let rights = rights.as_object().ok_or_else(invalid)?;
        let right = |name| match rights.get(name) {
            None => Ok(false),
            Some(Json::Bool(granted)) => Ok(*granted),
            Some(_) => Err(invalid()),
        };
        entries.push((who.into(), right("read")?, right("write")?));
    }
    Ok(entries)
}

struct Class<'a> {
    cx: &'a Cx<'a>,
    request: &'a SchemaChangeRequest,
    present: Option<&'a Collection>,
}

impl Class<'_> {
    fn field(&self, name: &str) -> Option<&FieldType> {
        let asked = self.request.add_fields.iter().find(|f| &*f.name == name);
        let asked = asked.map(|field| &field.ty);
        let dropped = self.request.drop_fields.iter().any(|f| &**f == name);
        let present = self.present.filter(|_| !dropped);
        asked.or_else(|| Some(&present?.field(name)?.def.ty))
    }

    /// A system class that was never used has its fields all the same; the engine knows them.
    fn fields_unknown(&self) -> bool {
        self.present.is_none() && self.request.name.starts_with('_')
    }

    fn user_field(&self, name: &str, operation: &str) -> Result<()> {
        let fits = match self.field(name) {
            Some(FieldType::Array) => true,
            Some(FieldType::Reference(target)) => &**target == "_User",
            Some(_) => false,
            None => self.fields_unknown(),
        };
        if fits {
            return Ok(());
        }
        Err(bad(format!(
            "'{name}' is not a valid column for class level pointer permissions {operation}"
        )))
    }

    fn user_fields(&self, operation: &str, json: &Json<'_>) -> Result<Vec<Box<str>>> {
        let fields = texts(json).ok_or_else(|| {
            let what = format!("class level permissions {operation} - must be an array");
            not_valid(json, &what)
        })?;
        for name in &fields {
            self.user_field(name, operation)?;
        }
        Ok(fields)
    }

    fn is_user_id(&self, id: &str) -> bool {
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric());
        !id.is_empty() && (plain || self.cx.custom_ids) && id.trim() != "*"
    }

    fn bad_key(key: &str) -> Error {
        let mut shown = key.to_owned();
        crate::json::shorten(&mut shown);
        bad(format!(
            "'{shown}' is not a valid key for class level permissions"
        ))
    }

    fn set(&self, operation: &str, object: &Object<'_>) -> Result<PermissionSet> {
        let mut set = PermissionSet::default();
        for (key, json) in object.iter() {
            let role = key.strip_prefix("role:");
            let known = matches!(key, "*" | "requiresAuthentication" | "pointerFields");
            if !known && role.is_none() && !self.is_user_id(key) {
                return Err(Self::bad_key(key));
            }
            if key == "pointerFields" {
                set.user_fields = texts(json).ok_or_else(|| {
                    let what = format!("{operation}[{key}] - expected an array.");
                    not_valid(json, &what)
                })?;
                for name in &set.user_fields {
                    self.user_field(name, operation)?;
                }
                continue;
            }
            if *json != Json::Bool(true) {
                let shown = json.shown();
                let what = format!("class level permissions {operation}:{key}:{shown}");
                return Err(not_valid(json, &what));
            }
            match (key, role) {
                ("*", _) => set.public = true,
                ("requiresAuthentication", _) => set.authenticated = true,
                (_, Some(role)) => set.roles.push(role.into()),
                (user, None) => set.users.push(user.into()),
            }
        }
        Ok(set)
    }

    fn protected(&self, object: &Object<'_>) -> Result<Vec<FieldRule>> {
        let mut rules = Vec::with_capacity(object.len());
        for (group, json) in object.iter() {
            let known = matches!(group, "*" | "authenticated")
                || group.starts_with("role:")
                || group.starts_with("userField:");
            if !known && !self.is_user_id(group) {
                return Err(Self::bad_key(group));
            }
            let fields = texts(json).ok_or_else(|| {
                let what = format!("protectedFields[{group}] - expected an array.");
                not_valid(json, &what)
            })?;
            for field in &fields {
                if matches!(&**field, "objectId" | "createdAt" | "updatedAt" | "ACL") {
                    return Err(bad(format!("Default field '{field}' can not be protected")));
                }
                if self.field(field).is_none() && !self.fields_unknown() {
                    return Err(bad(format!(
                        "Field '{field}' in protectedFields:{group} does not exist"
                    )));
                }
            }
            rules.push(FieldRule {
                group: group.into(),
                fields,
            });
        }
        Ok(rules)
    }
}
