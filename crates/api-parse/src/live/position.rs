//! Positions as clients are shown them: a text that they hand back and don't look into.

use basalt_store::Position;

/// `EPOCH-POSITION`, both in hexadecimal; a position of other data has another epoch.
pub fn write(epoch: u64, position: Position) -> String {
    format!("{epoch:x}-{:x}", position.0)
}

/// The position, if the text is one of this data.
pub fn read(text: &str, epoch: u64) -> Option<Position> {
    let (of, position) = text.split_once('-')?;
    let number = |text: &str| {
        let plain = text.len() <= 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        plain.then(|| u64::from_str_radix(text, 16).ok()).flatten()
    };
    (number(of)? == epoch).then(|| number(position).map(Position))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_other_data_are_none() {
        let text = write(7, Position(300));
        assert_eq!(text, "7-12c");
        assert_eq!(read(&text, 7), Some(Position(300)));
        for (text, epoch) in [
            (&*text, 8),
            ("", 7),
            ("7-", 7),
            ("7-x", 7),
            ("+7-1", 7),
            ("7", 7),
        ] {
            assert_eq!(read(text, epoch), None, "{text}");
        }
    }
}
