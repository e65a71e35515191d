//! JSON from bytes to a tree that borrows from them.
//!
//! The depth is limited while parsing, before anything is built from the value. Text that can't
//! be stored (U+0000, unpaired surrogates) and numbers that no double holds are refused here, so
//! that nothing behind this door meets them. Of equal keys the last value wins, in the place of
//! the first, as in JavaScript.

mod parse;

pub use parse::parse;

use std::borrow::Cow;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number in int64.
    Int(i64),
    /// Any other finite number.
    Double(f64),
    /// Text.
    String(Cow<'a, str>),
    /// A list.
    Array(Vec<Json<'a>>),
    /// An object.
    Object(Object<'a>),
}

/// The entries of a JSON object, in the order of their first occurrence, keys distinct.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object<'a> {
    entries: Vec<(Cow<'a, str>, Json<'a>)>,
}

impl<'a> Object<'a> {
    /// The value of a key. Linear: request objects are small.
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        self.entries.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// The text at a key, when there is text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Json::as_str)
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &str) -> Option<Json<'a>> {
        let at = self.entries.iter().position(|(k, _)| k == key)?;
        Some(self.entries.remove(at).1)
    }

    /// Sets or replaces a key.
    pub fn set(&mut self, key: Cow<'a, str>, value: Json<'a>) {
        match self.entries.iter_mut().find(|(k, _)| *k == key) {
            Some((_, slot)) => *slot = value,
            None => self.entries.push((key, value)),
        }
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.entries.iter().map(|(k, v)| (&**k, v))
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<'a> Json<'a> {
    /// The text, when this is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The object, when this is one.
    pub fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The list, when this is one.
    pub fn as_array(&self) -> Option<&[Json<'a>]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The number, when this is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(n) => Some(*n as f64),
            Self::Double(n) => Some(*n),
            _ => None,
        }
    }

    /// Whether JavaScript would take this for true.
    pub fn truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(b) => *b,
            Self::Int(n) => *n != 0,
            Self::Double(n) => *n != 0.0,
            Self::String(text) => !text.is_empty(),
            Self::Array(_) | Self::Object(_) => true,
        }
    }

    /// How JavaScript would show this in a message; at most 100 bytes.
    pub fn shown(&self) -> String {
        let mut text = match self {
            Self::Null => "null".to_owned(),
            Self::Bool(b) => b.to_string(),
            Self::Int(n) => n.to_string(),
            Self::Double(n) => n.to_string(),
            Self::String(text) => text.to_string(),
            Self::Array(items) => {
                let items: Vec<String> = items.iter().take(20).map(Self::shown).collect();
                items.join(",")
            }
            Self::Object(_) => "[object Object]".to_owned(),
        };
        shorten(&mut text);
        text
    }
}

/// Cuts a caller's text for a message, at a character.
pub fn shorten(text: &mut String) {
    if text.len() > 100 {
        let mut end = 100;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
}

impl<'a> Object<'a> {
    /// The entries, given away.
    pub fn into_entries(self) -> Vec<(Cow<'a, str>, Json<'a>)> {
        self.entries
    }
}

impl<'a> FromIterator<(Cow<'a, str>, Json<'a>)> for Object<'a> {
    /// The caller's keys must be distinct.
    fn from_iter<I: IntoIterator<Item = (Cow<'a, str>, Json<'a>)>>(entries: I) -> Self {
        Self {
            entries: entries.into_iter().collect(),
        }
    }
}
