//! Write-ahead logs of `SQLite`, as far as it takes to cut one short.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Where the index says how many frames a checkpoint may have moved.
const MOVED_AT: Range<usize> = 128..132;

/// The bytes of a log that a crash may take: from behind what a checkpoint began to move into the
/// database, since that was flushed before, to the end of the last frame. The file may go on with
/// frames of an earlier turn.
///
/// `index` is the `-shm` file beside the log.
pub fn at_risk(log: &Path, index: &Path) -> io::Result<Range<u64>> {
    let log = fs::read(log)?;
    let index = fs::read(index)?;
    let Some((header, frames)) = log.split_at_checked(HEADER) else {
        return Ok(0..0);
    };
    let page = header[8..12]
        .iter()
        .fold(0, |number, byte| number << 8 | usize::from(*byte));
    let frame = FRAME_HEADER + page;
    // Each frame repeats the salt of its turn.
    let is_of_this_turn = |frame: &&[u8]| frame[8..16] == header[16..24];
    let count = frames
        .chunks_exact(frame)
        .take_while(is_of_this_turn)
        .count();
    let moved = index.get(MOVED_AT).and_then(|bytes| bytes.try_into().ok());
    let moved = moved.map_or(0, u32::from_ne_bytes) as usize;
    let end = |frames: usize| (HEADER + frames * frame) as u64;
    Ok(end(moved.min(count))..end(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_found() {
        const FRAME: usize = FRAME_HEADER + 512;
        let scratch = tempfile::tempdir().unwrap();
        let (log, index) = (scratch.path().join("wal"), scratch.path().join("shm"));
        let mut bytes = vec![0; HEADER + 4 * FRAME];
        bytes[10] = 2;
        bytes[16..24].copy_from_slice(b"saltsalt");
        for frame in [0, 1, 3] {
            let salt = HEADER + frame * FRAME + 8;
            bytes[salt..salt + 8].copy_from_slice(b"saltsalt");
        }
        fs::write(&log, bytes).unwrap();
        let mut bytes = vec![0; 136];
        bytes[MOVED_AT].copy_from_slice(&1_u32.to_ne_bytes());
        fs::write(&index, bytes).unwrap();
        let end = |frames| (HEADER + frames * FRAME) as u64;
        assert_eq!(at_risk(&log, &index).unwrap(), end(1)..end(2));
    }
}
