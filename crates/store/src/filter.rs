//! The typed filter: what a query, a precondition, a permission and a subscription all compile to.
//!
//! Semantics, the same in SQL and in [`crate::eval`]:
//! - A path selects *candidates*. A top-level or nested value is one candidate; where a step of the
//!   path meets an array, a numeric step selects that element, and any step is also looked up in
//!   every map of the array. A path that leads nowhere has no candidate: the value is *missing*.
//! - `Eq`, `Lt`, `Lte`, `Gt`, `Gte`, `In`, `Regex` match when a candidate matches, or, where a
//!   candidate is an array, when an element of it matches. `Eq` on an array also matches the whole
//!   array. Ranges compare within one family of values only ([`basalt_base::Value::compare`]).
//! - `Eq(Null)` matches null and missing; `In` with a null does too.
//! - `Ne` and `NotIn` are the exact negations of `Eq` and `In`, so they match missing values.
//! - `Exists(true)` matches when there is a candidate, explicit null included.
//! - References compare by collection and id; a test on a reference field whose value is text
//!   compares with the id alone.

use crate::{Access, Pattern, Principals};
use basalt_base::{GeoPoint, Value};
use std::sync::Arc;

/// A field of an object: one of the fields every object has, or a named one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FieldRef {
    /// The object's id.
    Id,
    /// When the object was created.
    CreatedAt,
    /// When the object was last written.
    UpdatedAt,
    /// A field of the collection.
    Named(Arc<str>),
}

/// A field, or something nested within it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// The field.
    pub root: FieldRef,
    /// Map keys or array indexes below it, outermost first.
    pub rest: Vec<Box<str>>,
}

impl Path {
    /// The path of a whole field.
    pub fn field(name: impl Into<Arc<str>>) -> Self {
        Self {
            root: FieldRef::Named(name.into()),
            rest: Vec::new(),
        }
    }

    /// The path of a field that every object has.
    pub fn system(root: FieldRef) -> Self {
        Self {
            root,
            rest: Vec::new(),
        }
    }

    /// From `a.b.c`, where `a` names a field.
    pub fn dotted(text: &str) -> Self {
        let mut parts = text.split('.');
        let root = parts.next().unwrap_or_default();
        Self {
            root: FieldRef::Named(root.into()),
            rest: parts.map(Into::into).collect(),
        }
    }
}

/// A test on the candidates of a path; see the module's text for the exact semantics.
#[derive(Clone, Debug)]
pub enum Test {
    /// Equal.
    Eq(Value),
    /// Not equal, or missing.
    Ne(Value),
    /// Less.
    Lt(Value),
    /// Less or equal.
    Lte(Value),
    /// Greater.
    Gt(Value),
    /// Greater or equal.
    Gte(Value),
    /// Equal to one of these.
    In(Vec<Value>),
    /// Equal to none of these, or missing.
    NotIn(Vec<Value>),
    /// An array that holds all of these; a candidate that is no array counts as one of one element.
    /// An empty list of these, here and in `AllMatch`, matches nothing.
    All(Vec<Value>),
    /// An array in which, for every pattern, some text element matches.
    AllMatch(Vec<Arc<Pattern>>),
    /// There is a value (null counts), or there is none.
    Exists(bool),
    /// An array that holds nothing but these.
    ContainedBy(Vec<Value>),
    /// A text that the pattern matches.
    Regex(Arc<Pattern>),
    /// A geo point within this many radians of the centre; with `None`, any geo point.
    Near {
        /// The centre.
        center: GeoPoint,
        /// The largest great-circle distance in radians.
        radians_max: Option<f64>,
    },
    /// A geo point in the box, edges included.
    WithinBox {
        /// The south-west corner.
        south_west: GeoPoint,
        /// The north-east corner; its longitude is not less than the other's.
        north_east: GeoPoint,
    },
    /// The test does not hold (missing values included).
    Not(Box<Test>),
}

/// Which objects are meant.
#[derive(Clone, Debug)]
pub enum Filter {
    /// Every object.
    Everything,
    /// No object.
    Nothing,
    /// All of these hold.
    And(Vec<Filter>),
    /// One of these holds.
    Or(Vec<Filter>),
    /// This does not hold.
    Not(Box<Filter>),
    /// A test on a field.
    Test(Path, Test),
    /// The object's ACL lets one of the principals in.
    Allows(Access, Arc<Principals>),
}

impl Filter {
    /// `self` and `other`, flattened.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Everything, f) | (f, Self::Everything) => f,
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            (Self::And(mut list), Self::And(more)) => {
                list.extend(more);
                Self::And(list)
            }
            (Self::And(mut list), f) => {
                list.push(f);
                Self::And(list)
            }
            (f, Self::And(mut list)) => {
                list.insert(0, f);
                Self::And(list)
            }
            (a, b) => Self::And(vec![a, b]),
        }
    }

    /// A test on a named field or `a.b.c` path.
    pub fn test(path: &str, test: Test) -> Self {
        Self::Test(Path::dotted(path), test)
    }

    /// The objects with this id.
    pub fn id(id: impl Into<String>) -> Self {
        Self::Test(
            Path::system(FieldRef::Id),
            Test::Eq(Value::String(id.into())),
        )
    }

    /// The objects with one of these ids.
    pub fn ids(ids: impl IntoIterator<Item = String>) -> Self {
        let ids = ids.into_iter().map(Value::String).collect();
        Self::Test(Path::system(FieldRef::Id), Test::In(ids))
    }
}
