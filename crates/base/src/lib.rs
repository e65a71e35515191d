//! The vocabulary every other crate shares: values, ids, errors, time, randomness, limits, secrets.
//!
//! What it must never know: disks, sockets, SQL, HTTP, or any wire format. It does no I/O; the
//! only exceptions are [`SystemClock`] and [`OsRng`], the production ends of the time and
//! randomness seams.
//!
//! To add an error reason, add a row to the table in `error.rs`; the adapters' tables then refuse
//! to compile until they map it.

mod clock;
mod error;
mod ids;
mod limits;
mod members;
mod network;
mod rng;
mod secret;
mod text;
mod value;

pub use clock::{Clock, ManualClock, Monotonic, SystemClock};
pub use error::{Error, Kind, Reason, Result};
pub use ids::{AppId, object_id, token_hex};
pub use limits::Limits;
pub use members::Members;
pub use network::{Network, caller_network};
pub use rng::{OsRng, Rng, SeededRng};
pub use secret::Secret;
pub use text::{Digits, plain_len};
pub use value::{FileRef, GeoPoint, Map, Reference, Timestamp, Value};

/// A boxed, sendable future: what the trait objects at the seams return.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
