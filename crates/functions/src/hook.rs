//! A declared hook: what it is for and where its code runs.

use crate::{Validator, errors, names, outside};
use basalt_base::{Result, Value};
use basalt_data::EventKind;

/// What calls a hook.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum On {
    /// Clients call it by this name.
    Function(Box<str>),
    /// An event on a collection.
    Trigger(EventKind, Box<str>),
}

/// A hook to declare.
#[derive(Clone, Debug)]
pub struct NewHook {
    /// What calls it.
    pub on: On,
    /// Where its code runs.
    pub url: String,
    /// Who may call it and with what, in the words of the adapter that declares it, which reads
    /// them back ([`crate::Wire::validator`]).
    pub validator: Option<Value>,
    /// Whether an after-hook that fails is tried again until it succeeds.
    pub durable: bool,
    /// Whether runs of this function as a job wait for each other.
    pub one_at_a_time: bool,
}

impl NewHook {
    /// Refuses what can't be a hook. Errors: `InvalidHook`.
    pub(crate) fn check(&self) -> Result<()> {
        let invalid = || errors::declaration("invalid hook declaration");
        let is_name =
            |name: &str| !name.is_empty() && name.len() <= 255 && !name.contains(char::is_control);
        match &self.on {
            On::Function(name) if !is_name(name) => return Err(invalid()),
            On::Trigger(_, collection) if !is_name(collection) => return Err(invalid()),
            On::Trigger(kind, collection) => {
                if let Some(message) = names::refusal(*kind, collection) {
                    return Err(errors::declaration(message));
                }
            }
            On::Function(_) => {}
        }
        if self.durable && !names::may_be_durable(&self.on) {
            return Err(errors::declaration(
                "only afterSave and afterDelete of a class can be durable",
            ));
        }
        if self.one_at_a_time && !matches!(self.on, On::Function(_)) {
            return Err(errors::declaration("only functions can be one at a time"));
        }
        if outside::is_callable(&self.url) {
            Ok(())
        } else {
            Err(invalid())
        }
    }
}

/// A hook as it is in force.
#[derive(Clone, Debug)]
pub struct Hook {
    /// What calls it.
    pub on: On,
    /// Where its code runs.
    pub url: Box<str>,
    /// As it was declared.
    pub declared_validator: Option<Value>,
    /// Whether an after-hook that fails is tried again until it succeeds.
    pub durable: bool,
    /// Whether runs of this function as a job wait for each other.
    pub one_at_a_time: bool,
    /// Whether it is part of the app's code, and runs in its isolates; it has no address then.
    pub in_code: bool,
    pub(crate) validator: Option<Validator>,
    /// Its row.
    pub(crate) id: Box<str>,
}

impl Hook {
    /// What it is called in logs.
    pub(crate) fn title(&self) -> String {
        match &self.on {
            On::Function(name) => name.to_string(),
            On::Trigger(kind, collection) => {
                format!("{}.{collection}", names::trigger_name(*kind))
            }
        }
    }
}
