//! Hooks around signing in and out.

use crate::sign_in::Identity;
use crate::system::{SESSION, USER};
use crate::{callers, session, user};
use basalt_base::Result;
use basalt_data::{Call, Event, EventKind, Hooks, Principal};
use basalt_store::Record;
use std::sync::Arc;

impl Identity {
    fn hooks(&self, kind: EventKind, collection: &str) -> Option<&dyn Hooks> {
        let hooks = &*self.data.deps().hooks;
        hooks.wants(kind, collection).then_some(hooks)
    }

    fn event(&self, call: &Call, kind: EventKind, collection: &str, object: Record) -> Event {
        let schema = self.shared.store.catalogue();
        Event {
            kind,
            collection: collection.into(),
            schema: schema.collection(collection).cloned(),
            original: None,
            object: Arc::new(object),
            context: call.context.clone(),
        }
    }

    /// Lets code refuse the sign-in of a user whose password was right.
    pub(crate) async fn run_before_login(&self, call: &Call, user: &Record) -> Result<()> {
        let Some(hooks) = self.hooks(EventKind::BeforeLogin, USER) else {
            return Ok(());
        };
        let shown = shown(call, user.clone());
        let event = self.event(call, EventKind::BeforeLogin, USER, shown);
        hooks.before(call, event).await.map(drop)
    }

    /// Tells code that somebody has signed in; the caller counts as that user.
    pub(crate) async fn run_after_login(&self, call: &Call, user: &Record) {
        let Some(hooks) = self.hooks(EventKind::AfterLogin, USER) else {
            return;
        };
        let call = Call {
            principal: Principal {
                user: Some((&*user.id).into()),
                ..call.principal.clone()
            },
            ..call.clone()
        };
        let shown = shown(&call, user.clone());
        let event = self.event(&call, EventKind::AfterLogin, USER, shown);
        hooks.after(&call, event).await;
    }

    /// The session that is about to end, if code wants to hear of it.
    pub(crate) async fn ending_session(&self, digest: &str) -> Result<Option<Record>> {
        match self.hooks(EventKind::AfterLogout, SESSION) {
            Some(_) => callers::find_session(&self.shared, digest).await,
            None => Ok(None),
        }
    }

    /// Tells code that a session was ended.
    pub(crate) async fn run_after_logout(&self, call: &Call, mut session: Record) {
        let Some(hooks) = self.hooks(EventKind::AfterLogout, SESSION) else {
            return;
        };
        session::conceal(call, &mut session);
        let event = self.event(call, EventKind::AfterLogout, SESSION, session);
        hooks.after(call, event).await;
    }

    /// Lets code refuse that a mail for a new password is sent to a user. Whoever sends such mail
    /// calls this first.
    pub async fn before_password_reset(&self, call: &Call, user: &Record) -> Result<()> {
        let kind = EventKind::BeforePasswordResetRequest;
        let Some(hooks) = self.hooks(kind, USER) else {
            return Ok(());
        };
        let event = self.event(call, kind, USER, shown(call, user.clone()));
        hooks.before(call, event).await.map(drop)
    }
}

/// The user without what the server keeps in it.
fn shown(call: &Call, mut record: Record) -> Record {
    user::conceal(call, &mut record);
    let internal = |name: &str| name.starts_with('_') || name == "password";
    record.fields.retain(|(name, _)| !internal(name));
    record
}
