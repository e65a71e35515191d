//! The lines of the file.

mod definition;
mod header;
mod trailer;

pub(crate) use definition::Definition;
pub use header::Header;
pub(crate) use trailer::{End, Trailer};

use crate::errors::bad_file;
use crate::lines;
use crate::values::{holds_nul, text};
use basalt_base::{Result, Value};
use basalt_store::{Record, codec};

/// The version of the format that this program writes, and the newest that it reads.
pub const VERSION: i64 = 1;

/// What a file of this format calls itself.
pub(crate) const NAME: &str = "basalt-export";

/// Longest id of an object in bytes.
const ID_BYTES_MAX: usize = 1_000;

/// One line.
pub(crate) enum Line {
    Header(Box<Header>),
    Collection(Box<Definition>),
    Object(Box<Record>),
    Chunk(Trailer),
    End(Box<End>),
}

impl Line {
    /// Reads a line. Errors: it is none of this format.
    pub(crate) fn parse(line: &str) -> Result<Self> {
        lines::check_values(line)?;
        let Ok(Value::Map(map)) = codec::decode(line) else {
            return Err(bad_file("a line is damaged"));
        };
        let Some(kind) = text(&map, "kind") else {
            let record = codec::portable_record(map).filter(is_sound);
            let record = record.ok_or_else(|| bad_file("an object is damaged"))?;
            return Ok(Self::Object(Box::new(record)));
        };
        let parsed = match kind.as_str() {
            "header" => return Header::read(&map).map(|h| Self::Header(Box::new(h))),
            "collection" => Definition::read(&map).map(|d| Self::Collection(Box::new(d))),
            "chunk" => Trailer::read(&map).map(Self::Chunk),
            "end" => End::read(&map).map(|e| Self::End(Box::new(e))),
            _ => None,
        };
        parsed.ok_or_else(|| bad_file(format!("a line of kind {kind:?} is damaged")))
    }
}

fn is_sound(record: &Record) -> bool {
    let id = !record.id.is_empty()
        && record.id.len() <= ID_BYTES_MAX
        && !record.id.chars().any(char::is_control);
    let acl = [&record.acl.read, &record.acl.write];
    let mut tokens = acl.into_iter().flatten().flatten();
    id && !tokens.any(|entry| entry.token().contains('\0'))
        && record
            .fields
            .iter()
            .all(|(name, value)| definition::is_field_name(name) && !holds_nul(value))
}
