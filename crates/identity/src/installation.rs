//! Installations: which clients may touch them, what stays as it is, whose a device token is.

use crate::changes::{Wish, set, wish};
use basalt_base::{Error, Reason, Result, Value};
use basalt_data::{Call, Draft, DraftKind};
use basalt_store::{Filter, Record, Test, Write};

const COLLECTION: &str = "_Installation";
const INSTALLATION_ID: &str = "installationId";
const DEVICE_TOKEN: &str = "deviceToken";
const DEVICE_TYPE: &str = "deviceType";
const APP_IDENTIFIER: &str = "appIdentifier";
/// Length of device tokens that are hexadecimal; others may be case-sensitive.
const HEX_TOKEN_LENGTH: usize = 64;

/// Clients register and update their own installation by its id; they can't delete any.
pub fn check_input(call: &Call, draft: &Draft) -> Result<()> {
    if draft.kind == DraftKind::Delete && !call.principal.writes_everything() {
        return Err(Error::new(
            Reason::OperationForbidden,
            "Clients aren't allowed to perform the delete operation on the installation collection.",
        ));
    }
    Ok(())
}

/// Completes an installation's write. Errors: `ImmutableField` for what can't change.
pub fn prepare(draft: &mut Draft) -> Result<()> {
    if draft.kind == DraftKind::Delete {
        return Ok(());
    }
    lower(draft, INSTALLATION_ID, |_| true);
    lower(draft, DEVICE_TOKEN, |token| token.len() == HEX_TOKEN_LENGTH);
    let wishes = |field| text(draft, field);
    if let Some(before) = &draft.before {
        let changes = |field| {
            let (old, new) = (stored(before, field), wishes(field));
            matches!((old, new), (Some(old), Some(new)) if old != new)
        };
        let known = wishes(INSTALLATION_ID).or(stored(before, INSTALLATION_ID));
        let fixed = [
            (INSTALLATION_ID, true),
            // The token of an installation that is known by nothing else is what it is.
            (DEVICE_TOKEN, known.is_none()),
            (DEVICE_TYPE, true),
        ];
        for (field, is_fixed) in fixed {
            if is_fixed && changes(field) {
                return Err(Error::new(
                    Reason::ImmutableField,
                    format!("{field} may not be changed in this operation"),
                ));
            }
        }
    }
    if let Some(token) = wishes(DEVICE_TOKEN) {
        let mut others = vec![
            Filter::test(DEVICE_TOKEN, Test::Eq(Value::from(token))),
            Filter::Not(Box::new(Filter::id(&*draft.id))),
        ];
        if let Some(app) = wishes(APP_IDENTIFIER) {
            others.push(Filter::test(APP_IDENTIFIER, Test::Eq(Value::from(app))));
        }
        let step = Write::DeleteMatching {
            collection: COLLECTION.into(),
            filter: Filter::And(others),
            limit: u64::MAX,
        };
        // A device that got a new installation keeps its token; the old installation is gone.
        draft.writes_after.push(step);
    }
    Ok(())
}

/// The text that the draft sets the field to.
fn text<'d>(draft: &'d Draft, field: &str) -> Option<&'d str> {
    match wish(draft, field) {
        Wish::Set(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn stored<'r>(record: &'r Record, field: &str) -> Option<&'r str> {
    record.get(field).and_then(Value::as_str)
}

fn lower(draft: &mut Draft, field: &str, applies: impl Fn(&str) -> bool) {
    let Some(given) = text(draft, field).filter(|text| applies(text)) else {
        return;
    };
    let lower = given.to_lowercase();
    if lower != given {
        set(draft, field, Value::String(lower));
    }
}
