//! Roles: required fields, and names that don't change under the ACLs that use them.

use crate::changes::{Wish, wish};
use crate::guard::Shared;
use crate::system::{self, ROLE};
use basalt_base::{Error, Reason, Result, Value};
use basalt_data::{Draft, DraftKind};

/// Validates a role's write.
pub fn prepare(shared: &Shared, draft: &mut Draft) -> Result<()> {
    match draft.kind {
        DraftKind::Delete => return Ok(()),
        DraftKind::Create => {
            let missing = |field: &str| {
                Err(Error::new(
                    Reason::IncorrectType,
                    format!("{field} is required."),
                ))
            };
            match wish(draft, "name") {
                Wish::Set(Value::String(name)) if name.len() > shared.options.name_bytes_max => {
                    let max = shared.options.name_bytes_max;
                    return Err(Error::new(
                        Reason::InvalidRoleName,
                        format!("A role name may have {max} bytes."),
                    ));
                }
                Wish::Set(Value::String(name)) if !name.is_empty() => {}
                Wish::Set(Value::String(_)) | Wish::Keep | Wish::Unset => return missing("name"),
                _ => return Err(bad_name()),
            }
            if draft.acl.is_none() {
                return missing("ACL");
            }
        }
        DraftKind::Update => {
            let old = draft.before.as_ref().and_then(|r| r.get("name"));
            match wish(draft, "name") {
                Wish::Keep => {}
                Wish::Set(new) if Some(new) == old => {}
                _ => return Err(bad_name()),
            }
        }
    }
    let steps = system::missing(&shared.store.catalogue(), ROLE);
    draft.writes_before.extend(steps);
    Ok(())
}

fn bad_name() -> Error {
    Error::new(
        Reason::InvalidRoleName,
        "A role's name can only be set before it has been saved.",
    )
}
