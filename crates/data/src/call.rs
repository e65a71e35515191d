//! Who calls, and with what.

use basalt_base::{AppId, Map, Secret};
use basalt_store::{AclEntry, Principals};
use std::net::IpAddr;
use std::sync::Arc;

/// What the caller's key allows, apart from who the caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// A client: rules and ACLs apply.
    Client,
    /// The read-only master key: reads everything, writes nothing.
    ReadOnlyMaster,
    /// The master key: rules and ACLs don't apply.
    Master,
    /// The maintenance key: like master, and internal fields may be read and written.
    Maintenance,
}

/// A resolved caller of one app. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The app.
    pub app: AppId,
    /// What the key allows.
    pub rank: Rank,
    /// The signed-in user's id.
    pub user: Option<Arc<str>>,
    /// Everyone that the caller counts as: the public, the user, the user's roles.
    pub principals: Arc<Principals>,
    /// Grows when rights of this caller may have been revoked; caches key on it.
    pub epoch: u64,
}

impl Principal {
    /// A caller without a session.
    pub fn anonymous(app: AppId) -> Self {
        Self::ranked(app, Rank::Client)
    }

    /// A caller known by a key alone.
    pub fn ranked(app: AppId, rank: Rank) -> Self {
        Self {
            app,
            rank,
            user: None,
            principals: Arc::new(Principals::new([])),
            epoch: 0,
        }
    }

    /// A signed-in user with the names of all roles, inherited ones included.
    pub fn user(app: AppId, id: &str, roles: impl IntoIterator<Item = Box<str>>) -> Self {
        let entries =
            std::iter::once(AclEntry::User(id.into())).chain(roles.into_iter().map(AclEntry::Role));
        Self {
            user: Some(id.into()),
            principals: Arc::new(Principals::new(entries)),
            ..Self::ranked(app, Rank::Client)
        }
    }

    /// Whether rules and ACLs don't apply to reads.
    pub fn reads_everything(&self) -> bool {
        self.rank != Rank::Client
    }

    /// Whether rules and ACLs don't apply to writes.
    pub fn writes_everything(&self) -> bool {
        matches!(self.rank, Rank::Master | Rank::Maintenance)
    }

    /// Whether internal fields (`_hashed_password`, …) are visible.
    pub fn sees_internal_fields(&self) -> bool {
        self.rank == Rank::Maintenance
    }
}

/// One call into the engine: the caller and what came along.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who.
    pub principal: Principal,
    /// The installation that the client states, unproven.
    pub installation_id: Option<Arc<str>>,
    /// The client's address after trusted proxies.
    pub ip: Option<IpAddr>,
    /// The request's id, for logs.
    pub request_id: Arc<str>,
    /// What the client hands to hooks.
    pub context: Map,
    /// The request's headers without its secrets, for hooks; adapters keep them where a hook
    /// wants them.
    pub headers: Option<Arc<Map>>,
    /// How many hooks deep this call is.
    pub depth: usize,
    /// The digest of the presented session token, so that a session may see itself.
    pub session_digest: Option<Arc<str>>,
    /// The presented session token itself, so that the session can show it to its caller.
    pub session_token: Option<Secret>,
}

impl Call {
    /// A call of this principal with nothing else.
    pub fn by(principal: Principal) -> Self {
        Self {
            principal,
            installation_id: None,
            ip: None,
            request_id: "".into(),
            context: Map::new(),
            headers: None,
            depth: 0,
            session_digest: None,
            session_token: None,
        }
    }

    /// The same call made by the engine itself, with every right.
    pub fn as_master(&self) -> Self {
        let principal = Principal::ranked(self.principal.app.clone(), Rank::Master);
        Self {
            principal,
            ..self.clone()
        }
    }
}
