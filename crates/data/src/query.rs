//! Queries as adapters ask them: with sub-queries, relations and includes, before planning.

use basalt_base::{Reference, Value};
use basalt_store::{Path, Sort, Test};
use std::sync::Arc;

/// Which objects, before sub-queries are resolved.
#[derive(Clone, Debug)]
pub enum Where {
    /// All of these (none: everything).
    And(Vec<Where>),
    /// One of these.
    Or(Vec<Where>),
    /// None of this.
    Not(Box<Where>),
    /// A test on a field.
    Test(Path, Test),
    /// A test that is about times: an error on a field declared as anything else.
    OnTime(Path, Test),
    /// The reference at the path is (or, negated, is not) one of what the query finds.
    InQuery {
        /// The reference field.
        path: Path,
        /// The sub-query; its `limit` and `skip` count.
        query: Box<ObjectQuery>,
        /// Whether it must not be one of them.
        negated: bool,
    },
    /// The value at the path is (or is not) among the values of `key` in what the query finds.
    Select {
        /// The field.
        path: Path,
        /// The field of the sub-query's objects.
        key: Path,
        /// The sub-query.
        query: Box<ObjectQuery>,
        /// Whether it must not be among them.
        negated: bool,
    },
    /// The object is in the relation `field` of `owner`.
    RelatedTo {
        /// The owning object.
        owner: Reference,
        /// The relation field of the owner.
        field: Box<str>,
    },
}

impl Where {
    /// Every object.
    pub fn everything() -> Self {
        Self::And(Vec::new())
    }
}

/// A tree of what to include: field names (dotted for nested maps: one level each) and below.
///
/// The answer keeps included objects apart ([`crate::Included`]); encoders walk this tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Include {
    /// Whether the reference at this node is replaced by its object.
    pub here: bool,
    /// Which named fields of the included object to show; `None` for all.
    pub keys: Option<Vec<Box<str>>>,
    /// What to include below, by field name or map key.
    pub children: Vec<(Box<str>, Include)>,
}

impl Include {
    /// The node of a field.
    pub fn child(&self, name: &str) -> Option<&Include> {
        self.children
            .iter()
            .find(|(n, _)| &**n == name)
            .map(|(_, node)| node)
    }

    /// The node of a field, made if it is not there.
    pub fn child_mut(&mut self, name: &str) -> &mut Include {
        let at = self
            .children
            .iter()
            .position(|(n, _)| &**n == name)
            .unwrap_or_else(|| {
                self.children.push((name.into(), Self::default()));
                self.children.len() - 1
            });
        &mut self.children[at].1
    }
}

/// A query of one collection, as asked.
#[derive(Clone, Debug)]
pub struct ObjectQuery {
    /// The collection.
    pub collection: Arc<str>,
    /// Which objects.
    pub filter: Where,
    /// In which order.
    pub sort: Vec<Sort>,
    /// How many to leave out.
    pub skip: u64,
    /// How many at most; `None` takes the default limit, `Some(0)` returns no object.
    pub limit: Option<u64>,
    /// Whether to count all that match, whatever `limit` and `skip` say.
    pub count: bool,
    /// Named fields (or `a.b` paths) to return; `None` for all. Id, times and ACL always come.
    pub keys: Option<Vec<Box<str>>>,
    /// Named fields to leave out.
    pub exclude_keys: Vec<Box<str>>,
    /// What to include.
    pub include: Include,
    /// Include every reference field of the collection.
    pub include_all: bool,
    /// Query the collection that this reference or relation field points to instead.
    pub redirect_collection_for_key: Option<Box<str>>,
    /// Return the plan instead of objects.
    pub explain: bool,
    /// Whether this is a get of one object (decides which permission and hooks apply).
    pub is_get: bool,
    /// The query in the words of the adapter that asked it, for hooks; adapters keep it where a
    /// hook wants it.
    pub asked: Option<Arc<Value>>,
}

impl ObjectQuery {
    /// All objects of a collection.
    pub fn of(collection: impl Into<Arc<str>>) -> Self {
        Self {
            collection: collection.into(),
            filter: Where::everything(),
            sort: Vec::new(),
            skip: 0,
            limit: None,
            count: false,
            keys: None,
            exclude_keys: Vec::new(),
            include: Include::default(),
            include_all: false,
            redirect_collection_for_key: None,
            explain: false,
            is_get: false,
            asked: None,
        }
    }
}
