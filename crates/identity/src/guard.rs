//! Identity's place in the data engine's pipeline.

use crate::callers::{Affected, CallerCache, affected};
use crate::system::{ANONYMOUS_ID, EMAIL_KEY, ROLE, SESSION, USER, USERNAME_KEY};
use crate::{Options, PasswordPool, installation, role, session, user};
use basalt_base::{BoxFuture, Clock, Error, Reason, Result, Rng};
use basalt_data::{Call, Draft, Guard, ObjectQuery};
use basalt_store::{AppStore, Record};
use std::sync::Arc;

/// What the guard needs from outside.
#[derive(Clone)]
pub struct GuardDeps {
    /// The app's store.
    pub store: Arc<dyn AppStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// The password threads.
    pub passwords: Arc<PasswordPool>,
    /// Length of generated ids.
    pub id_length: usize,
}

/// What the guard and [`crate::Identity`] share.
pub struct Shared {
    pub(crate) store: Arc<dyn AppStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) passwords: Arc<PasswordPool>,
    pub(crate) id_length: usize,
    pub(crate) options: Options,
    pub(crate) callers: CallerCache,
}

/// Looks after `_User`, `_Session`, `_Role` and `_Installation`. Made before the engine, which gets
/// it as its guard; [`crate::Identity`] is then made over both.
#[derive(Clone)]
pub struct SystemGuard {
    pub(crate) shared: Arc<Shared>,
}

impl SystemGuard {
    /// A guard for one app.
    pub fn new(deps: GuardDeps, options: Options) -> Self {
        let callers = CallerCache::new(options.cache_time);
        let GuardDeps {
            store,
            clock,
            rng,
            passwords,
            id_length,
        } = deps;
        let shared = Shared {
            store,
            clock,
            rng,
            passwords,
            id_length,
            options,
            callers,
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl Guard for SystemGuard {
    fn rewrite_query(&self, call: &Call, query: &mut ObjectQuery) -> Result<()> {
        match &*query.collection {
            SESSION => session::rewrite_query(call, query),
            USER => user::rewrite_query(query),
            _ => Ok(()),
        }
    }

    fn check_input(&self, call: &Call, draft: &Draft) -> Result<()> {
        match &*draft.collection {
            USER => user::check_input(call, draft, &self.shared),
            SESSION => session::check_input(call, draft),
            "_Installation" => installation::check_input(call, draft),
            _ => Ok(()),
        }
    }

    fn prepare<'a>(&'a self, call: &'a Call, draft: &'a mut Draft) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            match &*draft.collection {
                USER => user::prepare(&self.shared, call, draft).await,
                SESSION => session::prepare(&self.shared, call, draft).await,
                ROLE => role::prepare(&self.shared, draft),
                "_Installation" => installation::prepare(draft),
                _ => Ok(()),
            }
        })
    }

    fn committed(&self, collection: &str, before: Option<&Record>, after: Option<&Record>) {
        let callers = &self.shared.callers;
        match affected(collection, before, after) {
            Affected::Nobody => {}
            Affected::User(id) => callers.forget_user(&id),
            Affected::Everybody => callers.forget_all(),
        }
    }

    fn goes_with(&self, collection: &str) -> &'static [&'static str] {
        match collection {
            USER => &[SESSION],
            _ => &[],
        }
    }

    fn duplicate(&self, collection: &str, index: &str) -> Option<Error> {
        match (collection, index) {
            (USER, USERNAME_KEY) => Some(Error::new(
                Reason::UsernameTaken,
                "Account already exists for this username.",
            )),
            (USER, EMAIL_KEY) => Some(Error::new(
                Reason::EmailTaken,
                "Account already exists for this email address.",
            )),
            (USER, ANONYMOUS_ID) => Some(Error::new(
                Reason::AccountAlreadyLinked,
                "this auth is already used",
            )),
            _ => None,
        }
    }

    fn conceal(&self, call: &Call, collection: &str, record: &mut Record) {
        match collection {
            USER => user::conceal(call, record),
            SESSION => session::conceal(call, record),
            _ => {}
        }
    }
}
