//! Code around what the engines do, and functions that clients call: which there are, who may call
//! them and how often, where they run, and what they have logged.
//!
//! [`Functions`] is the engine of one app. It implements [`basalt_data::Hooks`], so that `data` and
//! `identity` call it without knowing it. Code runs outside of this process: in the app's isolates
//! ([`Isolates`]), or as webhooks through [`Outside`], the one door by which anything here reaches
//! the network. Either way a protocol's adapter encodes what it is told and answers ([`Wire`]).
//!
//! What it must never know: routes, SQL, an adapter's encoding of values.

mod admission;
mod depth;
mod egress;
mod engine;
mod errors;
mod hook;
mod invocation;
mod isolate;
mod log;
mod names;
mod outside;
mod rate;
mod redact;
mod registry;
mod rows;
mod validator;

pub use depth::{DEPTH_HEADER, DEPTH_KEY, depth_of};
pub use egress::Egress;
pub use engine::{DELIVERIES_QUEUE, Deps, EVENT_HEADER, Functions, Options};
pub use hook::{Hook, NewHook, On};
pub use invocation::{Invocation, Reply, What, Wire};
pub use isolate::{Backend, IsolateDeps, IsolateOptions, Isolates, Prepared, Run, Sums, WORKER};
pub use log::{Level, LogOptions, LogQuery, LogStore, Logs, Tail};
pub use names::{other_spelling, trigger, trigger_name};
pub use outside::{Fetch, Fetched, Outside, OutsideOptions, Resolver, SystemResolver};
pub use rate::{Methods, Pattern, RateLimits, RateRequest, RateRule, Zone};
pub use rows::COLLECTION as HOOKS_COLLECTION;
pub use validator::{FieldRule, Roles, UserKeys, Validator, ValueType};
