//! Installations: which clients may touch them.

use basalt_base::{Error, Reason, Result};
use basalt_data::{Call, Draft, DraftKind};

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
