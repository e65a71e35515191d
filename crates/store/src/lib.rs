//! The storage seam and the one query model.
//!
//! Here live the catalogue of an app's collections, the typed [`Filter`] and [`Query`], the write
//! type with its preconditions, the traits that a store implements ([`Store`], [`AppStore`],
//! [`Reads`]), and the Rust halves that every store shares: the filter evaluator ([`eval`]), the
//! application of operations ([`apply`]), the aggregate executor ([`aggregate`]) and the JSON
//! encoding of nested values ([`codec`]). The evaluator is the oracle: a store pushes a test to SQL
//! exactly, or pushes a superset and re-checks here, or only checks here.
//!
//! What it must never know: an SQL dialect, HTTP, or any adapter's wire names.

pub mod aggregate;
pub mod apply;
mod catalogue;
pub mod codec;
pub mod columns;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod eval;
mod filter;
mod lease;
mod node;
mod pattern;
pub mod plan;
mod query;
mod record;
mod seam;
pub mod task;
mod write;

pub use catalogue::{
    Catalogue, Collection, CollectionId, Field, FieldDef, FieldId, FieldType, IndexColumn,
    IndexDef, IndexKind,
};
pub use filter::{FieldRef, Filter, Path, Test};
pub use lease::{
    Fence, LEASE_NAME_BYTES_MAX, Lease, LeaseView, Leases, NoLeases, check_lease, lease_lost,
};
pub use node::{NoNodes, Node, NodeView, Nodes};
pub use pattern::{PATTERNS_MAX, Pattern, PatternOptions};
pub use query::{Found, Position, Projection, Query, ReadOptions, Sort, SortKey};
pub use record::{ACL_ENTRIES_MAX, Access, Acl, AclEntry, Principals, Record};
pub use seam::{
    AppRow, AppStore, Change, ChangeKind, Reading, Reads, Snapshot, Store, StoreId, SystemStore,
};
pub use task::{
    Dedupe, Hold, QueueStand, Receipt, Task, TaskDone, TaskId, TaskPage, TaskPick, TaskPut,
    TaskState, TaskWatch, TaskWrite,
};
pub use write::{
    Action, DuplicateKey, FieldOp, Op, Precondition, ReadCheck, RecordWrite, SchemaChange, Write,
    WriteBatch, Written, keeps_null,
};

#[cfg(test)]
mod tests;
