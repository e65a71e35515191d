//! Values as they were written, and where.

use basalt_base::{Error, Reason};
use std::fmt;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of the settings file.
    File {
        /// The file's name as given.
        name: String,
        /// From 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
    /// The file of Parse Server options, or a `parse` table.
    ParseOptions(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line } => write!(f, "{name}, line {line}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::ParseOptions(name) => write!(f, "{name}"),
        }
    }
}

/// A value before its form is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Raw {
    Text(String),
    Int(i64),
    Bool(bool),
    List(Vec<String>),
    /// Something that no setting takes.
    Other,
}

impl Raw {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::List(items) => write!(f, "{items:?}"),
            Self::Other => f.write_str("(a table or another kind of value)"),
        }
    }
}

/// One value for one setting.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    pub key: String,
    pub raw: Raw,
    pub place: Place,
}

/// The error for a setting that can't be used.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Reason::InvalidSetting, message.into())
}
