//! Leases: who may do what must be done once in the cluster, and the fences that stop whoever was
//! overtaken.
//!
//! A lease is a row of the database with a holder, an end and a *token* that grows with every new
//! holder. A holder that was paused past its end can't know that it was: what it writes carries its
//! [`Fence`], and the store refuses it once somebody else has the lease. Times are those of the
//! database where it is shared, so that clocks of nodes need not agree.

use basalt_base::{BoxFuture, Error, Reason, Result};
use std::sync::Arc;
use std::time::Duration;

/// Longest name of a lease and of a holder, in bytes.
pub const LEASE_NAME_BYTES_MAX: usize = 200;
/// Shortest and longest time that a lease may be asked for.
const LEASE_TIME: (Duration, Duration) = (Duration::from_millis(1), Duration::from_hours(24));

/// What a write under a lease carries: it is refused with [`Reason::LeaseLost`] unless the app's
/// lease still has this token and was not released. That the lease has run out does not matter as
/// long as nobody else took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The lease's name.
    pub lease: Arc<str>,
    /// The token of the one who writes.
    pub token: u64,
}

/// A lease that was acquired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub name: Arc<str>,
    /// Who holds it.
    pub holder: Arc<str>,
    /// Grows by one with each holder, and never goes back.
    pub token: u64,
}

impl Lease {
    /// What writes under this lease carry.
    pub fn fence(&self) -> Fence {
        Fence {
            lease: self.name.clone(),
            token: self.token,
        }
    }
}

/// Who holds a lease, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseView {
    /// The lease.
    pub lease: Lease,
    /// How long it has still to run; zero when it is over and free to take.
    pub left: Duration,
}

/// The leases of one app, or of the system. Those of the system fence nothing in an app: no
/// transaction spans the two.
///
/// All are durable when they return. An error says nothing about whether the lease is held; the
/// caller counts as no holder.
pub trait Leases: Send + Sync {
    /// Takes the lease for `time` if nobody holds it or its time is over, else `None`: also for
    /// `holder` itself, which renews what it has. Errors: `InvalidValue` for a name or holder that
    /// is empty or longer than [`LEASE_NAME_BYTES_MAX`], or a time under 1 ms or over a day.
    fn acquire<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        time: Duration,
    ) -> BoxFuture<'a, Result<Option<Lease>>>;

    /// Makes the lease last for `time` from now; `false` when somebody else took it or it was
    /// released. One that ran out and that nobody took is renewed.
    fn renew<'a>(&'a self, lease: &'a Lease, time: Duration) -> BoxFuture<'a, Result<bool>>;

    /// Gives the lease back; nothing happens when it is somebody else's by now. Its token fences
    /// nothing any more.
    fn release<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<()>>;

    /// All leases that have a holder, by name.
    fn list(&self) -> BoxFuture<'_, Result<Vec<LeaseView>>>;
}

/// Checks what [`Leases::acquire`] was given; for stores.
pub fn check_lease(name: &str, holder: &str, time: Duration) -> Result<()> {
    let named = |text: &str| !text.is_empty() && text.len() <= LEASE_NAME_BYTES_MAX;
    let (shortest, longest) = LEASE_TIME;
    if named(name) && named(holder) && time >= shortest && time <= longest {
        return Ok(());
    }
    Err(Error::new(
        Reason::InvalidValue,
        "A lease needs a name and a holder of 1 to 200 bytes, and a time of 1 ms to a day.",
    ))
}

/// The refusal of a write whose fence does not hold; for stores.
pub fn lease_lost() -> Error {
    Error::new(
        Reason::LeaseLost,
        "The lease that the write was made under is lost.",
    )
}

/// For stores that have no leases.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLeases;

fn unavailable<T>() -> BoxFuture<'static, Result<T>> {
    let message = "This store has no leases.";
    Box::pin(async move { Err(Error::new(Reason::CommandUnavailable, message)) })
}

impl Leases for NoLeases {
    fn acquire<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Duration,
    ) -> BoxFuture<'a, Result<Option<Lease>>> {
        unavailable()
    }

    fn renew<'a>(&'a self, _: &'a Lease, _: Duration) -> BoxFuture<'a, Result<bool>> {
        unavailable()
    }

    fn release<'a>(&'a self, _: &'a Lease) -> BoxFuture<'a, Result<()>> {
        unavailable()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<LeaseView>>> {
        unavailable()
    }
}
