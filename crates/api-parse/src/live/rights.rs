//! What subscribers may do, by their keys and sessions.

use basalt_base::{AppId, BoxFuture, Result, Secret};
use basalt_data::Call;
use basalt_identity::Identity;
use basalt_live::{Affected, Rights, Standing, Who};
use basalt_store::Change;
use std::sync::Arc;

/// The rights of an app's users.
pub struct SessionRights {
    app: AppId,
    identity: Identity,
}

impl SessionRights {
    /// By the users of an app.
    pub fn new(app: AppId, identity: Identity) -> Self {
        Self { app, identity }
    }
}

impl Rights for SessionRights {
    fn resolve<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<Standing>> {
        Box::pin(async move {
            let token = who.token.as_ref().map(Secret::expose);
            let caller = self.identity.caller(&self.app, who.rank, token).await?;
            let call = Call {
                session_token: who
                    .token
                    .clone()
                    .filter(|_| caller.session_digest.is_some()),
                session_digest: caller.session_digest,
                ..Call::by(caller.principal)
            };
            Ok(Standing {
                call: Arc::new(call),
                expires_at: caller.expires_at,
            })
        })
    }

    fn affected(&self, change: &Change) -> Affected {
        let (before, after) = (change.before.as_deref(), change.after.as_deref());
        match self.identity.forget(&change.collection, before, after) {
            basalt_identity::Affected::Nobody => Affected::Nobody,
            basalt_identity::Affected::User(id) => Affected::User(id),
            basalt_identity::Affected::Everybody => Affected::Everybody,
        }
    }

    fn forget_all(&self) {
        self.identity.forget_all();
    }
}
