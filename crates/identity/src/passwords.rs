//! Password hashing on a few threads of low priority, so that logins never starve other requests.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use basalt_base::{Error, Reason, Result, Rng, Secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;

/// Requests that may wait for a thread; more are refused with `Overloaded`.
const QUEUE_MAX: usize = 256;
/// Longest password in bytes; longer ones are refused before they are hashed.
const PASSWORD_BYTES_MAX: usize = 4_096;
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const HASH_BYTES: usize = 32;
/// How long a thread without work keeps its buffer.
const BUFFER_TIME: Duration = Duration::from_secs(1);
/// A hash of no one's password: verified when there is no such user, so that time tells nothing.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$YmFzYWx0LWR1bW15LXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What a verification found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whether the password is right.
    pub matches: bool,
    /// Whether the stored hash is of an old kind and should be replaced.
    pub outdated: bool,
}

enum Job {
    Hash(Secret, [u8; 16], oneshot::Sender<Result<String>>),
    Verify(Secret, Option<String>, oneshot::Sender<Result<Verdict>>),
}

/// The threads that hash passwords (argon2id, m = 19 MiB, t = 2, p = 1).
pub struct PasswordPool {
    jobs: Sender<Job>,
    rng: Arc<dyn Rng>,
    derived: Arc<AtomicU64>,
}

impl PasswordPool {
    /// Starts `max(1, cores / 2)` threads; each keeps a 19 MiB buffer while there is work.
    pub fn start(rng: Arc<dyn Rng>) -> Result<Arc<Self>> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (jobs, queue) = bounded(QUEUE_MAX);
        let derived = Arc::new(AtomicU64::new(0));
        for n in 0..(cores / 2).max(1) {
            let (queue, derived) = (queue.clone(), derived.clone());
            std::thread::Builder::new()
                .name(format!("password-{n}"))
                .spawn(move || work(&queue, &derived))
                .map_err(Error::internal)?;
        }
        Ok(Arc::new(Self { jobs, rng, derived }))
    }

    /// How many passwords were hashed so far, for a new hash or to compare with one. Signing in
    /// takes as many for an unknown user as for a known one, which tests look at here.
    pub fn derived(&self) -> u64 {
        self.derived.load(Relaxed)
    }

    /// Hashes a password. Errors: `PasswordMissing` when empty, `ValidationFailed` when too long,
    /// `Overloaded` when the queue is full.
    pub(crate) async fn hash(&self, password: Secret) -> Result<String> {
        if password.expose().is_empty() {
            return Err(Error::new(Reason::PasswordMissing, "password is required"));
        }
        if password.expose().len() > PASSWORD_BYTES_MAX {
            return Err(Error::new(
                Reason::ValidationFailed,
                "The password is too long.",
            ));
        }
        let mut salt = [0; 16];
        self.rng.fill(&mut salt);
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Hash(password, salt, reply))?;
        answer.await.map_err(Error::internal)?
    }

    /// Compares a password with a stored hash; `None` takes as long and never matches.
    pub(crate) async fn verify(&self, password: Secret, stored: Option<String>) -> Result<Verdict> {
        if password.expose().len() > PASSWORD_BYTES_MAX {
            return Ok(Verdict {
                matches: false,
                outdated: false,
            });
        }
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Verify(password, stored, reply))?;
        answer.await.map_err(Error::internal)?
    }

    fn submit(&self, job: Job) -> Result<()> {
        self.jobs.try_send(job).map_err(|e| match e {
            TrySendError::Full(_) => Error::new(
                Reason::Overloaded,
                "Too many sign-ins at once; try again later.",
            )
            .with_retry_after(Duration::from_secs(2)),
            TrySendError::Disconnected(_) => Error::internal("the password threads are gone"),
        })
    }
}

fn work(queue: &Receiver<Job>, derived: &AtomicU64) {
    // Best effort: without it logins only compete harder with other requests.
    let _ = rustix::process::nice(10);
    let mut memory: Vec<Block> = Vec::new();
    loop {
        // Without a buffer there is nothing to give back, and no reason to wake up.
        let time_max = if memory.is_empty() {
            Duration::MAX
        } else {
            BUFFER_TIME
        };
        match queue.recv_timeout(time_max) {
            Err(RecvTimeoutError::Timeout) => memory = Vec::new(),
            Err(RecvTimeoutError::Disconnected) => return,
            Ok(Job::Hash(password, salt, reply)) if !reply.is_closed() => {
                derived.fetch_add(1, Relaxed);
                let _ = reply.send(hash(&password, &salt, &mut memory));
            }
            Ok(Job::Verify(password, stored, reply)) if !reply.is_closed() => {
                derived.fetch_add(1, Relaxed);
                let stored_or_dummy = stored.as_deref().unwrap_or(DUMMY);
                let verdict = verify(&password, stored_or_dummy, &mut memory).map(|v| Verdict {
                    matches: v.matches && stored.is_some(),
                    ..v
                });
                let _ = reply.send(verdict);
            }
            // The caller went away while the job waited.
            Ok(_) => {}
        }
    }
}

fn derive(
    password: &Secret,
    salt: &[u8],
    params: Params,
    out: &mut [u8],
    memory: &mut Vec<Block>,
) -> Result<()> {
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::default());
    }
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password.expose().as_bytes(), salt, out, memory)
        .map_err(|e| Error::internal(e.to_string()))
}

fn hash(password: &Secret, salt: &[u8], memory: &mut Vec<Block>) -> Result<String> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(HASH_BYTES))
        .map_err(|e| Error::internal(e.to_string()))?;
    let mut out = [0; HASH_BYTES];
    derive(password, salt, params, &mut out, memory)?;
    let (salt, out) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(out));
    Ok(format!(
        "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${salt}${out}"
    ))
}

fn verify(password: &Secret, stored: &str, memory: &mut Vec<Block>) -> Result<Verdict> {
    if stored.starts_with("$2") {
        let matches = bcrypt::verify(password.expose(), stored).unwrap_or(false);
        return Ok(Verdict {
            matches,
            outdated: true,
        });
    }
    let damaged = || Error::new(Reason::StoreCorrupt, "A stored password hash is damaged.");
    let Phc { cost, salt, hash } = parse(stored).ok_or_else(damaged)?;
    let [m, t, p] = cost;
    let params = Params::new(m, t, p, Some(hash.len())).map_err(|_| damaged())?;
    let mut out = vec![0; hash.len()];
    derive(password, &salt, params, &mut out, memory)?;
    Ok(Verdict {
        matches: out.ct_eq(&hash).into(),
        outdated: cost != [MEMORY_KIB, PASSES, 1],
    })
}

/// The parts of a stored hash, `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
struct Phc {
    /// m (KiB), t and p.
    cost: [u32; 3],
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// Costs are capped, so that an imported hash can't make the server allocate gigabytes.
fn parse(stored: &str) -> Option<Phc> {
    let mut parts = stored.strip_prefix("$argon2id$v=19$")?.split('$');
    let (params, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let mut cost = [0; 3];
    for pair in params.split(',') {
        let (name, n) = pair.split_once('=')?;
        cost[["m", "t", "p"].iter().position(|known| *known == name)?] = n.parse().ok()?;
    }
    let [m, t, p] = cost;
    if m > 256 * 1024 || t > 16 || p > 8 {
        return None;
    }
    let (salt, hash) = (
        STANDARD_NO_PAD.decode(salt).ok()?,
        STANDARD_NO_PAD.decode(hash).ok()?,
    );
    Some(Phc { cost, salt, hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stored: &str, password: &str) -> Verdict {
        verify(&Secret::new(password), stored, &mut Vec::new()).unwrap()
    }

    #[test]
    fn a_hash_verifies_only_its_own_password_to_the_last_character() {
        let mut memory = Vec::new();
        let long = "x".repeat(79);
        let stored = hash(&Secret::new(format!("{long}a")), &[7; 16], &mut memory).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(
            check(&stored, &format!("{long}a")),
            Verdict {
                matches: true,
                outdated: false
            }
        );
        assert!(!check(&stored, &format!("{long}b")).matches);
    }

    #[test]
    fn bcrypt_hashes_of_imported_users_verify_and_ask_for_an_upgrade() {
        let stored = bcrypt::hash("secret", 4).unwrap();
        assert_eq!(
            check(&stored, "secret"),
            Verdict {
                matches: true,
                outdated: true
            }
        );
        assert!(!check(&stored, "Secret").matches);
    }

    #[test]
    fn the_dummy_costs_a_real_verification_and_damage_is_typed() {
        assert!(!check(DUMMY, "anything").matches);
        let error = verify(&Secret::new("x"), "$argon2id$v=19$m=9", &mut Vec::new()).unwrap_err();
        assert_eq!(error.reason(), Reason::StoreCorrupt);
    }
}
