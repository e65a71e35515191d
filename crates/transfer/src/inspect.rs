//! Looking at a file without a store.

use crate::chunks::{ChunkReader, Link, Step};
use crate::digest::{Hasher, Totals};
use crate::errors::bad_file;
use crate::format::{Definition, Header, Line};
use basalt_base::Result;
use std::path::Path;

/// A file that is whole.
#[derive(Clone)]
pub struct Inspected {
    /// What it says about itself.
    pub header: Header,
    /// What its data hash to.
    pub totals: Totals,
}

/// Reads all of a file and compares every hash and count; holds one chunk in memory. Errors: the
/// file is truncated, changed, out of order, of another kind, or of a newer version.
pub fn inspect(path: &Path) -> Result<Inspected> {
    let mut reader = ChunkReader::open(path)?;
    let mut follower = Follower::default();
    loop {
        match reader.next()? {
            Step::Chunk(lines) => lines.iter().try_for_each(|line| follower.take(line))?,
            Step::Torn => return Err(torn(reader.link(), &follower)),
            Step::End(end) => {
                let (header, hasher) = follower.parts()?;
                let totals = hasher.finish();
                let counts = totals
                    .collections
                    .iter()
                    .map(|sum| (&*sum.name, sum.objects));
                let expected = header
                    .collections
                    .iter()
                    .map(|(name, n)| (name.as_str(), *n));
                if totals != end.totals || !counts.eq(expected) {
                    return Err(bad_file("its counts or hashes do not fit what it holds"));
                }
                return Ok(Inspected { header, totals });
            }
        }
    }
}

fn torn(link: &Link, follower: &Follower) -> basalt_base::Error {
    let whole = follower.header.as_ref().map_or(0, Header::objects);
    bad_file(format!(
        "it is cut off after chunk {}, with {} of {whole} objects; an export that was broken off goes on with --resume",
        link.number,
        follower.hasher.objects()
    ))
}

/// Follows the lines of a file and sees that each is where it belongs.
#[derive(Default)]
pub(crate) struct Follower {
    pub header: Option<Header>,
    pub hasher: Hasher,
    definition: Option<Definition>,
}

impl Follower {
    pub(crate) fn take(&mut self, line: &Line) -> Result<()> {
        match line {
            Line::Header(header) if self.header.is_none() => {
                self.header = Some(Header::clone(header));
                return Ok(());
            }
            _ if self.header.is_none() => return Err(bad_file("it does not begin with a header")),
            Line::Collection(definition) => {
                let last = self.hasher.current().map(|(name, _)| name);
                if last.is_some_and(|last| *last >= definition.name) {
                    return Err(bad_file("its classes are not in order"));
                }
                self.hasher.collection(definition);
                self.definition = Some(Definition::clone(definition));
                return Ok(());
            }
            Line::Object(record) => {
                if let Some(definition) = &self.definition {
                    if !definition.fits(record) {
                        let (name, id) = (&definition.name, &record.id);
                        return Err(bad_file(format!(
                            "an object of class {name}, {id}, does not fit the class"
                        )));
                    }
                    self.hasher.object(record);
                    return Ok(());
                }
            }
            Line::Header(_) | Line::Chunk(_) | Line::End(_) => {}
        }
        Err(bad_file("a line is not where it belongs"))
    }

    pub(crate) fn parts(self) -> Result<(Header, Hasher)> {
        let header = self.header.ok_or_else(|| bad_file("it is empty"))?;
        Ok((header, self.hasher))
    }
}
