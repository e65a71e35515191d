//! The composition root: settings, keys, apps, dispatch, logs and metrics.
//!
//! [`config::load`] reads the settings, [`serve`] runs a server with them. A request goes from the
//! listener through `dispatch` (which door, by the table in `doors`) to an adapter; adapters find
//! their app in `apps`. What the command line does without a server is in [`tools`].
//!
//! To add a setting: a row in `config/table.rs`. To add an adapter: a door in `doors.rs` and its arm
//! in `dispatch.rs`.

mod apps;
mod ask;
mod background;
mod cloud;
mod cluster;
pub mod config;
mod dispatch;
mod doctor;
mod doors;
mod keys;
mod logging;
mod logs;
mod metrics;
mod parse_options;
mod process;
mod product;
mod run;
mod sample;
mod shared_keys;
pub mod tools;
pub mod transfer;

pub use ask::operate;
pub use basalt_functions::WORKER;
pub use basalt_js::worker;
pub use doctor::{Finding, Severity, doctor};
pub use logging::start as start_logging;
pub use process::spare_memory;
pub use run::{Over, Ready, serve, serve_over, settle};
