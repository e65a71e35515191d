//! Reading lines of bounded length.

use crate::errors::bad_file;
use basalt_base::Result;
use std::io::BufRead;

/// Longest line in bytes: several times the largest object of the default limits.
pub(crate) const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most values on one line: small ones take many times their text's size in memory.
const LINE_VALUES_MAX: usize = 9_000_000;

/// A line without its end, or what is wrong with the file there.
pub(crate) enum Next {
    Line(String),
    /// The file ends in the middle of a line.
    Torn,
    /// The file ends.
    End,
}

/// Reads the next line; more than [`LINE_BYTES_MAX`] is refused before it is in memory.
pub(crate) fn next(input: &mut impl BufRead) -> Result<Next> {
    let mut line = Vec::new();
    loop {
        let ready = input.fill_buf().map_err(bad_file)?;
        if ready.is_empty() {
            return Ok(if line.is_empty() {
                Next::End
            } else {
                Next::Torn
            });
        }
        let end = ready.iter().position(|byte| *byte == b'\n');
        let part = end.unwrap_or(ready.len());
        if line.len() + part > LINE_BYTES_MAX {
            return Err(bad_file(format!(
                "a line is longer than {LINE_BYTES_MAX} bytes"
            )));
        }
        line.extend_from_slice(&ready[..part]);
        input.consume(part + usize::from(end.is_some()));
        if end.is_some() {
            let text = String::from_utf8(line);
            return text
                .map(Next::Line)
                .map_err(|_| bad_file("a line is no UTF-8 text"));
        }
    }
}

/// Refuses a line that would take too much memory once decoded. Counts what separates values, also
/// inside of texts, so never too little.
pub(crate) fn check_values(line: &str) -> Result<()> {
    let marks = line.bytes().filter(|b| matches!(b, b',' | b'[' | b'{'));
    // Commas inside of long texts are no values: only a line of both kinds is over.
    if marks.count() <= LINE_VALUES_MAX || values(line) <= LINE_VALUES_MAX {
        return Ok(());
    }
    Err(bad_file(format!(
        "a line holds more than {LINE_VALUES_MAX} values"
    )))
}

/// The same count outside of texts.
fn values(line: &str) -> usize {
    let (mut inside, mut escaped, mut count) = (false, false, 0);
    for byte in line.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b',' | b'[' | b'{' if !inside => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_a_line_feed() {
        let mut input = std::io::BufReader::with_capacity(3, &b"abcdef\n\ntorn"[..]);
        let mut lines = Vec::new();
        loop {
            match next(&mut input).unwrap() {
                Next::Line(line) => lines.push(line),
                Next::Torn => break,
                Next::End => panic!("the last line is torn"),
            }
        }
        assert_eq!(lines, ["abcdef", ""]);
        assert!(matches!(next(&mut input).unwrap(), Next::End));
        assert!(next(&mut &b"\xff\n"[..]).is_err());
    }

    #[test]
    fn long_lines_are_refused_before_they_are_read() {
        let mut endless = std::io::BufReader::new(std::io::repeat(b'['));
        let error = next(&mut endless).map(|_| ()).unwrap_err();
        assert!(error.message().contains("a line is longer"), "{error}");
    }

    #[test]
    fn values_are_counted_outside_of_texts() {
        assert_eq!(values(r#"{"a":[1,"2,[\",{",3]}"#), 4);
        assert!(check_values(&"[],".repeat(5_000_000)).is_err());
        let text = format!("[\"{}\"]", ",".repeat(10_000_000));
        assert!(check_values(&text).is_ok());
    }
}
