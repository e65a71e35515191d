//! The caller's user, as code is shown it.

use super::Inner;
use crate::validator::Subject;
use basalt_base::Result;
use basalt_data::Call;
use basalt_store::Record;

/// What the server keeps in a user, and what would sign somebody in.
fn is_hidden(name: &str) -> bool {
    name.starts_with('_') || matches!(name, "password" | "authData")
}

impl Inner {
    /// The caller's user without its secrets; `None` when nobody is signed in, or when the user is
    /// gone.
    pub(super) async fn user(&self, call: &Call) -> Result<Option<Record>> {
        let Some(id) = &call.principal.user else {
            return Ok(None);
        };
        let mut user = self.deps.store.get("_User", id).await?;
        if let Some(user) = &mut user {
            user.fields.retain(|(name, _)| !is_hidden(name));
        }
        Ok(user)
    }
}

/// The caller, for validators.
pub(super) fn subject<'a>(call: &'a Call, user: Option<&'a Record>) -> Subject<'a> {
    Subject {
        master: call.principal.reads_everything(),
        user: user.map(|user| user.fields.as_slice()),
        principals: &call.principal.principals,
        original: None,
        is_object: false,
    }
}
