//! From a session token to a caller with roles, cached for at most a few seconds.

use crate::guard::Shared;
use crate::system::{ROLE, ROLE_ROLES, ROLE_USERS, SESSION, SESSION_TOKEN, USER};
use crate::tokens::raw_digest;
use basalt_base::{AppId, Error, Monotonic, Reason, Result, Timestamp, Value};
use basalt_data::{Principal, Rank};
use basalt_store::{Filter, Op, Projection, Query, ReadOptions, Record, Test};
use moka::sync::Cache;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Most callers kept in memory.
const CACHE_CALLERS_MAX: u64 = 100_000;
/// Most users whose revocation is kept apart; beyond, everybody is resolved again.
const FORGOTTEN_USERS_MAX: usize = 10_000;
/// How many levels of roles within roles are followed.
const ROLE_LEVELS_MAX: usize = 64;

/// A resolved caller.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// The digest of the session's token, when there is a session.
    pub session_digest: Option<Arc<str>>,
    /// When the session ends by itself, if it does.
    pub expires_at: Option<Timestamp>,
}

/// Whose rights a change of a stored object may alter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affected {
    /// Nobody's.
    Nobody,
    /// Those of the user with this id.
    User(Box<str>),
    /// Those of anybody.
    Everybody,
}

/// Whose rights the change of an object may alter. Without the objects: all objects went.
pub fn affected(collection: &str, before: Option<&Record>, after: Option<&Record>) -> Affected {
    match (collection, before) {
        (USER, Some(user)) => Affected::User(user.id.clone()),
        (SESSION, Some(session)) => match session.get("user") {
            Some(Value::Reference(user)) => Affected::User(user.id.as_str().into()),
            _ => Affected::Everybody,
        },
        // A role can change the rights of anybody; without the objects, so can anything.
        (ROLE, _) => Affected::Everybody,
        (USER | SESSION, None) if after.is_none() => Affected::Everybody,
        (name, _) if name.ends_with(":_Role") => Affected::Everybody,
        _ => Affected::Nobody,
    }
}

#[derive(Clone)]
struct Cached {
    caller: Caller,
    expires_at: Option<Timestamp>,
    resolved_at: Monotonic,
    generation: u64,
}

/// Callers by the digest of their token.
pub struct CallerCache {
    cache: Cache<[u8; 32], Arc<Cached>>,
    /// Grows with every change that may revoke something.
    generation: AtomicU64,
    /// The generation up to which everybody's rights are void.
    everybody: AtomicU64,
    /// The same for single users.
    users: Mutex<HashMap<Box<str>, u64>>,
    time_max: Duration,
}

impl CallerCache {
    /// Entries live at most `time_max`.
    pub fn new(time_max: Duration) -> Self {
        Self {
            cache: Cache::new(CACHE_CALLERS_MAX),
            generation: AtomicU64::new(1),
            everybody: AtomicU64::new(0),
            users: Mutex::default(),
            time_max,
        }
    }

    /// Makes every caller be resolved again.
    pub fn forget_all(&self) {
        let now = self.generation.fetch_add(1, Ordering::SeqCst);
        self.everybody.fetch_max(now, Ordering::SeqCst);
        // Not those that another thread has voided since.
        self.users.lock().retain(|_, at| *at > now);
    }

    /// Makes this user's callers be resolved again.
    pub fn forget_user(&self, id: &str) {
        let now = self.generation.fetch_add(1, Ordering::SeqCst);
        let mut users = self.users.lock();
        if users.len() >= FORGOTTEN_USERS_MAX {
            drop(users);
            return self.forget_all();
        }
        let at = users.entry(id.into()).or_default();
        *at = now.max(*at);
    }

    fn now(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Whether what was read at that generation still holds of this user.
    fn holds(&self, generation: u64, user: Option<&str>) -> bool {
        let void = |since: u64| since >= generation;
        !void(self.everybody.load(Ordering::SeqCst))
            && user.is_none_or(|id| !self.users.lock().get(id).is_some_and(|at| void(*at)))
    }
}

/// The refusal of a token that is no session's.
pub fn invalid() -> Error {
    Error::new(Reason::InvalidSession, "Invalid session token")
}

/// The caller behind a session token.
pub async fn resolve(shared: &Shared, app: &AppId, token: &str) -> Result<Caller> {
    let key = raw_digest(token);
    let now = shared.clock.now();
    // Read before the rows are, so that a change in between makes the entry stale at once.
    let generation = shared.callers.now();
    if let Some(hit) = shared.callers.cache.get(&key) {
        let fresh = shared
            .callers
            .holds(hit.generation, hit.caller.principal.user.as_deref())
            && shared.clock.monotonic().since(hit.resolved_at) < shared.callers.time_max;
        if fresh {
            check_expiry(hit.expires_at, now)?;
            return Ok(hit.caller.clone());
        }
    }
    let resolved_at = shared.clock.monotonic();
    let digest = hex::encode(key);
    let session = find_session(shared, &digest).await?.ok_or_else(invalid)?;
    let Some(Value::Reference(user)) = session.get("user") else {
        return Err(invalid());
    };
    let mut expires_at = match session.get("expiresAt") {
        Some(Value::Timestamp(at)) => Some(*at),
        _ => None,
    };
    check_expiry(expires_at, now)?;
    if shared.store.get(USER, &user.id).await?.is_none() {
        return Err(invalid());
    }
    if shared.options.extend_session_on_use {
        expires_at = extend(shared, &session, expires_at, now).await?;
    }
    let roles = roles_of(shared, &user.id).await?;
    let caller = Caller {
        principal: Principal {
            epoch: generation,
            ..Principal::user(app.clone(), &user.id, roles)
        },
        session_digest: Some(digest.into()),
        expires_at,
    };
    let cached = Cached {
        caller: caller.clone(),
        expires_at,
        resolved_at,
        generation,
    };
    shared.callers.cache.insert(key, Arc::new(cached));
    Ok(caller)
}

fn check_expiry(expires_at: Option<Timestamp>, now: Timestamp) -> Result<()> {
    match expires_at {
        Some(at) if at <= now => Err(Error::new(
            Reason::InvalidSession,
            "Session token is expired.",
        )),
        _ => Ok(()),
    }
}

/// The session with this digest.
pub async fn find_session(shared: &Shared, digest: &str) -> Result<Option<Record>> {
    let query = Query::all(SESSION)
        .filter(Filter::test(SESSION_TOKEN, Test::Eq(Value::from(digest))))
        .limit(1);
    Ok(shared
        .store
        .find(&query, ReadOptions::default())
        .await?
        .records
        .pop())
}

/// Moves the end of a session on, at most once a day, so that reads don't become writes.
async fn extend(
    shared: &Shared,
    session: &Record,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let day_seconds = 86_400;
    let Some(length) = shared.options.session_length else {
        return Ok(expires_at);
    };
    if now.seconds() - session.updated_at.seconds() < day_seconds {
        return Ok(expires_at);
    }
    let end = now.plus(length).truncate_to_millis();
    let set = basalt_store::FieldOp {
        path: basalt_store::Path::field("expiresAt"),
        op: Op::Set(Value::Timestamp(end)),
    };
    let write = basalt_store::RecordWrite {
        collection: SESSION.into(),
        id: session.id.clone(),
        precondition: basalt_store::Precondition::Exists,
        action: basalt_store::Action::Update {
            ops: vec![set],
            acl: None,
            upsert: false,
        },
        at: now,
    };
    let batch = basalt_store::WriteBatch::of(vec![basalt_store::Write::Record(write)]);
    for done in shared.store.write(vec![batch]).await? {
        done?;
    }
    Ok(Some(end))
}

/// The names of a user's roles, those that contain its roles included.
async fn roles_of(shared: &Shared, user_id: &str) -> Result<Vec<Box<str>>> {
    let mut all: HashSet<String> = HashSet::new();
    let mut level = owners(shared, ROLE_USERS, &[user_id.to_owned()]).await?;
    for _ in 0..ROLE_LEVELS_MAX {
        level.retain(|id| all.insert(id.clone()));
        if level.is_empty() {
            break;
        }
        level = owners(shared, ROLE_ROLES, &level).await?;
    }
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let query = Query {
        projection: Projection::Only(vec!["name".into()]),
        ..Query::all(ROLE).filter(Filter::ids(all))
    };
    let found = shared.store.find(&query, ReadOptions::default()).await?;
    let names = found
        .records
        .iter()
        .filter_map(|r| r.get("name")?.as_str().map(Box::from));
    Ok(names.collect())
}

/// The owners of the join rows whose related object is one of these.
async fn owners(shared: &Shared, join: &str, related: &[String]) -> Result<Vec<String>> {
    let ids = related.iter().cloned().map(Value::String).collect();
    let query = Query::all(join).filter(Filter::test("relatedId", Test::In(ids)));
    let found = shared.store.find(&query, ReadOptions::default()).await?;
    let owner = |r: &Record| {
        r.get("owningId")
            .and_then(|v| v.as_str().map(str::to_owned))
    };
    Ok(found.records.iter().filter_map(owner).collect())
}

/// The caller behind a key alone.
pub fn without_session(app: &AppId, rank: Rank) -> Caller {
    Caller {
        principal: Principal::ranked(app.clone(), rank),
        session_digest: None,
        expires_at: None,
    }
}
