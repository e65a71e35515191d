//! Chunks of lines, chained by their hashes.

use crate::digest::Totals;
use crate::errors::{bad_file, io};
use crate::format::{End, Line, Trailer};
use crate::lines::{self, LINE_BYTES_MAX, Next};
use basalt_base::Result;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A chunk ends with the line that takes it past this many bytes.
pub(crate) const CHUNK_BYTES: usize = 1024 * 1024;

/// Where a file stands after a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    /// Chunks so far.
    pub number: u64,
    /// The hash of the last one in hexadecimal; empty before the first.
    pub sha256: String,
    /// Bytes of the file up to its end.
    pub offset: u64,
}

impl Link {
    fn hash(&self) -> Sha256 {
        let mut hash = Sha256::new();
        hash.update(&self.sha256);
        hash
    }
}

/// Writes a file chunk by chunk. What was cut is with the operating system.
pub(crate) struct ChunkWriter {
    path: PathBuf,
    file: File,
    link: Link,
    buffer: String,
    lines: u64,
}

impl ChunkWriter {
    /// Goes on after `link`; everything behind it is cut off.
    pub(crate) fn new(path: &Path, mut file: File, link: Link) -> Result<Self> {
        file.set_len(link.offset)
            .and_then(|()| file.seek(SeekFrom::Start(link.offset)))
            .map_err(|error| io(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            link,
            buffer: String::new(),
            lines: 0,
        })
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, line: &str) -> Result<()> {
        self.buffer.push_str(line);
        self.buffer.push('\n');
        self.lines += 1;
        if self.buffer.len() >= CHUNK_BYTES {
            self.cut()?;
        }
        Ok(())
    }

    /// Ends the chunk, if it has lines.
    pub(crate) fn cut(&mut self) -> Result<()> {
        if self.lines == 0 {
            return Ok(());
        }
        let mut hash = self.link.hash();
        hash.update(&self.buffer);
        let trailer = Trailer {
            number: self.link.number + 1,
            lines: self.lines,
            sha256: hex::encode(hash.finalize()),
        };
        self.buffer.push_str(&trailer.line());
        self.buffer.push('\n');
        self.put()?;
        self.link.number = trailer.number;
        self.link.sha256 = trailer.sha256;
        self.lines = 0;
        Ok(())
    }

    /// Ends the file and makes it durable.
    pub(crate) fn finish(mut self, totals: Totals) -> Result<()> {
        self.cut()?;
        let end = End {
            chunks: self.link.number,
            sha256: self.link.sha256.clone(),
            totals,
        };
        self.buffer.push_str(&end.line());
        self.buffer.push('\n');
        self.put()?;
        let synced = self.file.sync_all().and_then(|()| {
            let parent = self.path.parent().filter(|p| !p.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
        });
        synced.map_err(|error| io(&self.path, error))
    }

    fn put(&mut self) -> Result<()> {
        let written = self.file.write_all(self.buffer.as_bytes());
        written.map_err(|error| io(&self.path, error))?;
        self.link.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// What comes next in a file.
pub(crate) enum Step {
    /// The lines of a chunk whose hash is right.
    Chunk(Vec<Line>),
    /// The end, after which nothing follows.
    End(Box<End>),
    /// The file was cut off.
    Torn,
}

/// Reads a file chunk by chunk; a chunk is looked at when its hash is right.
pub(crate) struct ChunkReader<R> {
    input: R,
    link: Link,
}

impl ChunkReader<BufReader<File>> {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| io(path, error))?;
        Ok(Self::new(BufReader::with_capacity(256 * 1024, file)))
    }
}

impl<R: Read> ChunkReader<BufReader<R>> {
    pub(crate) fn new(input: BufReader<R>) -> Self {
        Self {
            input,
            link: Link::default(),
        }
    }

    /// The end of the last chunk that was read.
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    pub(crate) fn next(&mut self) -> Result<Step> {
        let mut hash = self.link.hash();
        let mut texts: Vec<String> = Vec::new();
        let mut bytes = 0;
        loop {
            let text = match lines::next(&mut self.input)? {
                Next::Line(text) => text,
                Next::Torn | Next::End => return Ok(Step::Torn),
            };
            if text.starts_with("{\"kind\":\"chunk\"") {
                return self.chunk(&text, hash, &texts, bytes).map(Step::Chunk);
            }
            if text.starts_with("{\"kind\":\"end\"") {
                return self.end(&text, texts.is_empty());
            }
            hash.update(&text);
            hash.update(b"\n");
            bytes += text.len() + 1;
            texts.push(text);
            if bytes > CHUNK_BYTES + LINE_BYTES_MAX {
                return Err(bad_file("a chunk does not end"));
            }
        }
    }

    fn chunk(
        &mut self,
        trailer: &str,
        hash: Sha256,
        texts: &[String],
        bytes: usize,
    ) -> Result<Vec<Line>> {
        let number = self.link.number + 1;
        let Line::Chunk(read) = Line::parse(trailer)? else {
            return Err(bad_file(format!("the end of chunk {number} is damaged")));
        };
        if read.number != number {
            return Err(bad_file(format!(
                "chunk {} stands where chunk {number} belongs",
                read.number
            )));
        }
        let sha256 = hex::encode(hash.finalize());
        if read.sha256 != sha256 || read.lines != texts.len() as u64 {
            return Err(bad_file(format!(
                "chunk {number} was changed or damaged: its hash is wrong"
            )));
        }
        self.link = Link {
            number,
            sha256,
            offset: self.link.offset + (bytes + trailer.len() + 1) as u64,
        };
        texts.iter().map(|text| Line::parse(text)).collect()
    }

    fn end(&mut self, text: &str, between_chunks: bool) -> Result<Step> {
        let Line::End(end) = Line::parse(text)? else {
            return Err(bad_file("its end is damaged"));
        };
        if !between_chunks || end.chunks != self.link.number || end.sha256 != self.link.sha256 {
            return Err(bad_file("its end does not belong to what is before"));
        }
        match self.input.fill_buf() {
            Ok([]) => Ok(Step::End(end)),
            Ok(_) => Err(bad_file("something follows its end")),
            Err(error) => Err(bad_file(error)),
        }
    }
}
