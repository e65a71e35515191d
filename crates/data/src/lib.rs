//! The data engine: objects, schemas and rules, behind one pipeline for every adapter.
//!
//! A call goes through the same steps whichever door it came in by: limits, [`decide`], the
//! [`Guard`] of system collections, [`Hooks`] before, validation and schema inference, one write
//! batch or one read snapshot in the store, field permissions, [`Hooks`] after.
//!
//! A read is planned (`read/plan.rs`: everything that may run user code), then run on one state
//! (`read/reader.rs`). A write is prepared (`write/{create,update,delete}.rs`), applied by the store
//! in one batch, then told to guard and hooks (`write/finish.rs`). To add a system collection, add
//! its columns to `system.rs`; to add an operation, add it to [`Operation`] and the compiler leads
//! to the rest.
//!
//! What it must never know: HTTP, an adapter's wire names, sessions or passwords, SQL.

mod call;
mod core;
mod data;
mod decide;
mod errors;
mod guard;
mod hooks;
mod keywords;
mod names;
mod objects;
mod query;
mod read;
mod relations;
mod rules;
mod schema;
mod system;
mod write;

pub use call::{Call, Principal, Rank};
pub use data::{Data, Deps, Options};
pub use decide::{Decision, Operation, decide};
pub use guard::{Draft, DraftKind, Guard, NoGuard};
pub use hooks::{Event, EventKind, Found, Hooks, NewObject, NoHooks, Verdict};
pub use objects::{
    BatchStep, BatchStepDone, Create, Created, Delete, FieldChange, Included, ObjectPage, Update,
    Updated,
};
pub use query::{Include, ObjectQuery, Where};
pub use read::SUBQUERIES_MAX;
pub use read::{Look, Watch};
pub use rules::{FieldRule, PermissionSet, Rules};
pub use schema::{IndexChange, SchemaChangeRequest, SchemaField, SchemaView};
