//! The lines that end a chunk and the file.

use crate::digest::{Sum, Totals};
use crate::values::{count, list, number, text};
use basalt_base::{Map, Value};
use basalt_store::codec;

/// Ends a chunk.
pub(crate) struct Trailer {
    /// Chunks are counted from 1.
    pub number: u64,
    /// Its lines, this one left out.
    pub lines: u64,
    /// SHA-256 over the hash of the chunk before and the lines of this one, in hexadecimal.
    pub sha256: String,
}

impl Trailer {
    pub(crate) fn line(&self) -> String {
        let map = Map::from_iter([
            ("kind".to_owned(), "chunk".into()),
            ("number".to_owned(), number(self.number)),
            ("lines".to_owned(), number(self.lines)),
            ("sha256".to_owned(), self.sha256.as_str().into()),
        ]);
        codec::encode_to_string(&Value::Map(map))
    }

    pub(super) fn read(map: &Map) -> Option<Self> {
        Some(Self {
            number: count(map, "number")?,
            lines: count(map, "lines")?,
            sha256: text(map, "sha256")?,
        })
    }
}

/// Ends the file.
pub(crate) struct End {
    /// How many chunks there are.
    pub chunks: u64,
    /// The hash of the last chunk, and so of everything before.
    pub sha256: String,
    /// What the data hash to.
    pub totals: Totals,
}

impl End {
    pub(crate) fn line(&self) -> String {
        let sum = |sum: &Sum| {
            Value::Array(vec![
                Value::from(&*sum.name),
                number(sum.objects),
                sum.sha256.as_str().into(),
            ])
        };
        let sums = self.totals.collections.iter().map(sum).collect();
        let map = Map::from_iter([
            ("kind".to_owned(), "end".into()),
            ("chunks".to_owned(), number(self.chunks)),
            ("collections".to_owned(), Value::Array(sums)),
            ("content".to_owned(), self.totals.content.as_str().into()),
            ("sha256".to_owned(), self.sha256.as_str().into()),
        ]);
        codec::encode_to_string(&Value::Map(map))
    }

    pub(super) fn read(map: &Map) -> Option<Self> {
        let sum = |sum: &Value| match sum.as_array()? {
            [
                Value::String(name),
                Value::Int(objects),
                Value::String(sha256),
            ] => Some(Sum {
                name: name.as_str().into(),
                objects: u64::try_from(*objects).ok()?,
                sha256: sha256.clone(),
            }),
            _ => None,
        };
        let collections = list(map, "collections")?.iter().map(sum);
        Some(Self {
            chunks: count(map, "chunks")?,
            sha256: text(map, "sha256")?,
            totals: Totals {
                collections: collections.collect::<Option<_>>()?,
                content: text(map, "content")?,
            },
        })
    }
}
