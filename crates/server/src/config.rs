//! Settings: defaults < file < environment < flags.
//!
//! One table of settings ([`table`]) and one of an app's settings ([`apps`]) drive reading, checking,
//! `basalt config print` and the generated page; to add a setting, add its row.

mod apps;
mod docs;
mod file;
mod forms;
mod load;
mod print;
mod raw;
mod table;

pub use apps::AppSettings;
pub use docs::{options_page, settings_page};
pub use forms::Mode;
pub use load::{Sources, load};
pub use print::{print_default, print_effective};
pub use raw::Place;
pub use table::Settings;

pub(crate) use apps::is_app_id;
pub(crate) use raw::invalid;
