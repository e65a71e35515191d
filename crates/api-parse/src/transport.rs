//! From an HTTP request to who calls and with what, before any operation is chosen.

mod body;
mod cors;
mod keys;
mod path;
mod presented;
mod query;

pub use body::Body;
pub use cors::Cors;
pub use keys::{rank, rank_by, within};
pub use path::{segments, split};
pub use presented::Presented;
pub use query::QueryString;
