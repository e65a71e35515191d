//! Parse Server options by their own names.
//!
//! Every option of Parse Server 9 has a row in [`table`]: honoured, mapped to a setting of ours,
//! meaningless here, or not built. What is not built stops the start, unless the value asks for
//! nothing (it switches the feature off, or is the default).

mod read;
mod table;

use crate::config::{AppSettings, Place, Settings, invalid};
use crate::product::Product;
use basalt_base::Result;
use serde_json::Value;
pub(crate) use table::{OPTIONS, Treatment};

/// What the options of one app act on.
pub(crate) struct Target<'a> {
    pub settings: &'a mut Settings,
    pub app: &'a mut AppSettings,
    pub product: &'a mut Product,
    pub place: Place,
    /// Whether it is the first app, whose options may also set what all apps share.
    pub is_first: bool,
}

/// The settings that options are mapped to and that all apps share.
fn server_wide(settings: &Settings) -> impl PartialEq + use<> {
    (
        settings.public_url.clone(),
        settings.listen.clone(),
        settings.trusted_proxies.clone(),
        settings.log.clone(),
    )
}

/// Applies an app's options. Errors: `InvalidSetting`, which names the option.
pub(crate) fn apply(target: &mut Target<'_>) -> Result<()> {
    let options = std::mem::take(&mut target.app.parse);
    let outcome = apply_all(target, &options);
    target.app.parse = options;
    outcome
}

fn apply_all(target: &mut Target<'_>, options: &serde_json::Map<String, Value>) -> Result<()> {
    for (name, value) in options {
        let Some(row) = OPTIONS.iter().find(|row| row.name == name) else {
            let place = &target.place;
            return Err(invalid(format!(
                "`{name}` ({place}) is no option of Parse Server"
            )));
        };
        match row.treatment {
            _ if value.is_null() => {}
            Treatment::Honoured(set) => set(target.product, value)
                .ok_or_else(|| wrong(name, value, &target.place, row.note))?,
            Treatment::Mapped(set) => {
                let before = server_wide(target.settings);
                set(target, value)?;
                if !target.is_first && server_wide(target.settings) != before {
                    return Err(invalid(format!(
                        "the Parse Server option `{name}` ({}) is about the whole server: only the first app may give it, or {}",
                        target.place, row.note
                    )));
                }
            }
            Treatment::Meaningless => target.settings.warnings.push(format!(
                "the Parse Server option `{name}` has no meaning here: {}",
                row.note
            )),
            Treatment::NotBuilt(asks_for_nothing) if asks_for_nothing(value) => {}
            Treatment::NotBuilt(_) => {
                return Err(invalid(format!(
                    "the Parse Server option `{name}` ({}) is not available in this version",
                    target.place
                )));
            }
        }
    }
    Ok(())
}

fn wrong(name: &str, value: &Value, place: &Place, expected: &str) -> basalt_base::Error {
    let shown: String = value.to_string().chars().take(100).collect();
    invalid(format!("`{name}` = {shown} ({place}): expected {expected}"))
}

#[cfg(test)]
mod tests;
