//! From the query model to SQL: what every SQL store decides in the same way.
//!
//! A store brings a [`Dialect`], which knows its columns and its words. What is here knows neither:
//! how conditions combine and when they are exact ([`Condition`]), what a test on a plain column
//! comes down to ([`scalar()`]), which box holds a circle ([`Area`]), which fields Rust needs to see
//! ([`Asked`]), and what is left to do with the rows ([`Page`], [`Distinct`]).

mod area;
mod asked;
mod condition;
mod dialect;
mod ids;
mod page;
mod ring;
mod scalar;

pub use area::{Area, MARGIN};
pub use asked::Asked;
pub use condition::Condition;
pub use dialect::{Dialect, condition, missing, with_mark};
pub use ids::{ById, by_id};
pub use page::{Distinct, Page, unsliced};
pub use ring::narrowed;
pub use scalar::{Family, Place, is_whole, regex, scalar};
