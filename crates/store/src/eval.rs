//! The evaluator: does a filter match an object, and in which order do objects come.
//!
//! It is the oracle for every store and matches events for subscriptions, so it never allocates on
//! plain paths. What the text of [`crate::Filter`]'s module leaves open is settled here:
//! - A numeric step is decimal digits without a leading zero. It steps into an array by position
//!   and into a map by key; arrays directly within arrays are entered by position only.
//! - `All` and `AllMatch` of nothing match nothing. `All` compares elements, never the whole array.
//!   `AllMatch` and `ContainedBy` want an array; `ContainedBy` also matches an empty one.
//! - `Near` and `WithinBox` look at the candidate itself, not at elements of an array.
//! - Wherever a value is compared, text given for a reference compares with the reference's id.
//! - The fields every object has hold nothing nested.
//! - Several candidates of a sort path: the first in document order counts. Of a distance: the
//!   nearest point.

mod order;
mod path;
mod test;

pub use order::{compare_for_sort, sort_maps, sort_records};
pub use path::candidates;

use crate::{Access, FieldRef, Filter, Principals, Record};
use basalt_base::{Map, Result};
pub(crate) use path::array_index;
use path::{Fields, Root};

/// Whether the filter matches the object.
///
/// Fails with [`basalt_base::Reason::QueryTooComplex`] when a pattern takes too long on a text.
pub fn matches(filter: &Filter, record: &Record) -> Result<bool> {
    matches_in(filter, record)
}

/// Whether the filter matches a document of an aggregate pipeline, where the fields that every
/// object has go by `_id`, `_created_at` and `_updated_at`. Documents carry no ACL: everybody is
/// let in.
pub fn matches_map(filter: &Filter, document: &Map) -> Result<bool> {
    matches_in(filter, document)
}

fn matches_in<F: Fields + ?Sized>(filter: &Filter, fields: &F) -> Result<bool> {
    match filter {
        Filter::Everything => Ok(true),
        Filter::Nothing => Ok(false),
        Filter::And(list) => {
            for part in list {
                if !matches_in(part, fields)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Filter::Or(list) => {
            for part in list {
                if matches_in(part, fields)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Filter::Not(part) => Ok(!matches_in(part, fields)?),
        Filter::Test(path, test) => test::holds(test, fields, path),
        Filter::Allows(access, principals) => Ok(fields.allows(*access, principals)),
    }
}

impl Fields for Record {
    fn root(&self, field: &FieldRef) -> Root<'_> {
        match field {
            FieldRef::Id => Root::Text(&self.id),
            FieldRef::CreatedAt => Root::Time(self.created_at),
            FieldRef::UpdatedAt => Root::Time(self.updated_at),
            FieldRef::Named(name) => self.get(name).map_or(Root::Missing, Root::Value),
        }
    }

    fn allows(&self, access: Access, principals: &Principals) -> bool {
        self.acl.allows(access, principals)
    }
}

impl Fields for Map {
    fn root(&self, field: &FieldRef) -> Root<'_> {
        let name = match field {
            FieldRef::Id => "_id",
            FieldRef::CreatedAt => "_created_at",
            FieldRef::UpdatedAt => "_updated_at",
            FieldRef::Named(name) => name,
        };
        self.get(name).map_or(Root::Missing, Root::Value)
    }

    fn allows(&self, _: Access, _: &Principals) -> bool {
        true
    }
}
