//! Engine values to JSON bytes, written directly: no tree on the way out.

mod aggregate;
mod object;
mod page;
mod schema;
mod value;
mod writer;

pub use aggregate::{distinct, rows};
pub use object::{Hooked, Shape, created, hooked, object, updated};
pub use page::{get, page};
pub use schema::{Indexes, schema, schemas};
pub use value::{Files, iso, plain_map, plain_value, value};
pub use writer::{Fields, int, string};

use basalt_base::{Error, Reason, Result};

/// The largest answer in bytes. Includes multiply, so the limits on rows alone don't bound it.
pub const ANSWER_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Stops an answer that grows too large.
fn check_size(out: &[u8]) -> Result<()> {
    check_bytes(out.len())
}

/// The same for an answer of several parts, which take so many bytes together.
pub fn check_bytes(bytes: usize) -> Result<()> {
    if bytes > ANSWER_BYTES_MAX {
        let message = "The answer is too large; ask for fewer objects or includes.";
        return Err(Error::new(Reason::QueryTooComplex, message));
    }
    Ok(())
}
