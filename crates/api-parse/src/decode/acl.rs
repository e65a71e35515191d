//! ACLs.

use super::fail;
use crate::json::Json;
use basalt_base::{Error, Reason, Result};
use basalt_store::{Acl, AclEntry};

fn invalid() -> Error {
    fail(Reason::InvalidAcl, "Invalid ACL.")
}

/// Decodes `{"*":{"read":true}, "<user>":{…}, "role:<name>":{…}}`; `null` means none was given,
/// and the operation `Delete` opens the object to everybody.
pub fn acl(json: &Json<'_>) -> Result<Option<Acl>> {
    let object = match json {
        Json::Null => return Ok(None),
        Json::Object(object) => object,
        _ => return Err(invalid()),
    };
    if let Some(op) = object.get("__op") {
        return match op.as_str() {
            Some("Delete") => Ok(Some(Acl::default())),
            _ => Err(invalid()),
        };
    }
    let (mut read, mut write) = (Vec::new(), Vec::new());
    for (who, rights) in object.iter() {
        let entry = entry(who)?;
        for (right, granted) in rights.as_object().ok_or_else(invalid)?.iter() {
            let list = match right {
                "read" => &mut read,
                "write" => &mut write,
                _ => return Err(invalid()),
            };
            match granted {
                Json::Bool(true) => list.push(entry.clone()),
                Json::Bool(false) => {}
                _ => return Err(invalid()),
            }
        }
    }
    Ok(Some(Acl {
        read: Some(read),
        write: Some(write),
    }))
}

/// Who is meant. Typed here once, so that an id which looks like a role never becomes one later.
fn entry(who: &str) -> Result<AclEntry> {
    match who {
        "*" => Ok(AclEntry::Public),
        "" | "*unresolved" => Err(invalid()),
        _ => match who.strip_prefix("role:") {
            Some("") => Err(invalid()),
            Some(name) => Ok(AclEntry::Role(name.into())),
            None => Ok(AclEntry::User(who.into())),
        },
    }
}
