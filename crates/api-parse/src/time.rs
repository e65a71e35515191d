//! The protocol's times: ISO 8601 in UTC with milliseconds.

use basalt_base::Timestamp;

const DAY_SECONDS: i64 = 86_400;
/// JavaScript's range: 100,000,000 days around 1970.
const MILLIS_MAX: i64 = 8_640_000_000_000_000;

/// Appends `2026-11-21T10:20:30.456Z`; years outside of 0…9999 get a sign and six digits.
pub fn write(out: &mut Vec<u8>, time: Timestamp) {
    let millis = time.millis().clamp(-MILLIS_MAX, MILLIS_MAX);
    let seconds = millis.div_euclid(1_000);
    let (year, month, day) = civil(seconds.div_euclid(DAY_SECONDS));
    let second = seconds.rem_euclid(DAY_SECONDS);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    if !(0..=9_999).contains(&year) {
        let mut digits = *b"+000000";
        digits[0] = if year < 0 { b'-' } else { b'+' };
        put(&mut digits[1..], year.abs());
        out.extend_from_slice(&digits);
    }
    put(&mut text[..4], year);
    let second = second as u32;
    let pairs = [
        (5, month as u32),
        (8, day as u32),
        (11, second / 3_600),
        (14, second / 60 % 60),
        (17, second % 60),
    ];
    for (at, number) in pairs {
        text[at] += (number / 10) as u8;
        text[at + 1] += (number % 10) as u8;
    }
    put(&mut text[20..23], millis.rem_euclid(1_000));
    let from = if (0..=9_999).contains(&year) { 0 } else { 4 };
    out.extend_from_slice(&text[from..]);
}

/// Fills the places with the last digits of a number.
fn put(places: &mut [u8], number: i64) {
    let mut left = number.unsigned_abs() as u32;
    for place in places.iter_mut().rev() {
        *place = b'0' + (left % 10) as u8;
        left /= 10;
    }
}

/// The date of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (month + 9) % 12;
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

/// Reads what [`write`] writes, and the shorter forms: a date alone, no seconds, no fraction, an
/// offset instead of `Z`, nothing (then UTC). Fractions beyond milliseconds are dropped.
pub fn parse(text: &str) -> Option<Timestamp> {
    let mut cursor = Cursor(text.as_bytes());
    let year = cursor.year()?;
    cursor.eat(b'-')?;
    let month = cursor.number(2).filter(|m| (1..=12).contains(m))?;
    cursor.eat(b'-')?;
    let day = cursor.number(2).filter(|d| *d >= 1)?;
    let first = days(year, month, 1);
    let next = if month == 12 {
        days(year + 1, 1, 1)
    } else {
        days(year, month + 1, 1)
    };
    if day > next - first {
        return None;
    }
    let mut millis = (first + day - 1) * DAY_SECONDS * 1_000;
    if !cursor.0.is_empty() {
        cursor.eat(b'T').or_else(|| cursor.eat(b' '))?;
        millis += cursor.clock()?;
        millis -= cursor.offset()?;
    }
    let fits = cursor.0.is_empty() && (-MILLIS_MAX..=MILLIS_MAX).contains(&millis);
    fits.then(|| Timestamp::from_millis(millis))
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn eat(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn number(&mut self, width: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(width)?;
        self.0 = rest;
        digits.iter().try_fold(0_i64, |n, d| {
            d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0'))
        })
    }

    fn year(&mut self) -> Option<i64> {
        if self.eat(b'+').is_some() {
            self.number(6)
        } else if self.eat(b'-').is_some() {
            self.number(6).map(|y| -y)
        } else {
            self.number(4)
        }
    }

    /// Milliseconds since midnight.
    fn clock(&mut self) -> Option<i64> {
        let hour = self.number(2).filter(|h| *h < 24)?;
        self.eat(b':')?;
        let minute = self.number(2).filter(|m| *m < 60)?;
        let mut millis = (hour * 60 + minute) * 60_000;
        if self.eat(b':').is_some() {
            millis += self.number(2).filter(|s| *s < 60)? * 1_000;
            if self.eat(b'.').is_some() {
                let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
                if count == 0 {
                    return None;
                }
                let (digits, rest) = self.0.split_at(count);
                self.0 = rest;
                for (digit, worth) in digits.iter().zip([100, 10, 1]) {
                    millis += i64::from(digit - b'0') * worth;
                }
            }
        }
        Some(millis)
    }

    /// Milliseconds by which local time is ahead.
    fn offset(&mut self) -> Option<i64> {
        if self.0.is_empty() || self.eat(b'Z').is_some() {
            return Some(0);
        }
        let sign = if self.eat(b'+').is_some() {
            1
        } else {
            self.eat(b'-')?;
            -1
        };
        let hours = self.number(2).filter(|h| *h < 24)?;
        // Both `+02:00` and `+0200` occur.
        let _ = self.eat(b':');
        let minutes = self.number(2).filter(|m| *m < 60)?;
        Some(sign * (hours * 60 + minutes) * 60_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(millis: i64) -> String {
        let mut out = Vec::new();
        write(&mut out, Timestamp::from_millis(millis));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_and_reads_the_same_instants() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_123, "2000-02-29T00:00:00.123Z"),
            (1_795_256_430_456, "2026-11-21T10:20:30.456Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
            (-62_198_755_200_000, "-000001-01-01T00:00:00.000Z"),
        ];
        for (millis, text) in table {
            assert_eq!(written(millis), text);
            assert_eq!(parse(text).unwrap().millis(), millis, "{text}");
        }
    }

    #[test]
    fn reads_the_shorter_forms_and_refuses_nonsense() {
        let noon = 951_825_600_000;
        for text in [
            "2000-02-29T12:00:00Z",
            "2000-02-29T12:00Z",
            "2000-02-29T14:00:00+02:00",
            "2000-02-29T14:00:00.0000001+0200",
            "2000-02-29 12:00",
        ] {
            assert_eq!(parse(text).map(Timestamp::millis), Some(noon), "{text}");
        }
        assert_eq!(parse("2000-02-29").unwrap().millis(), 951_782_400_000);
        for text in [
            "",
            "now",
            "2000",
            "2001-02-29",
            "2000-13-01",
            "2000-00-01",
            "2000-01-01T25:00Z",
            "2000-01-01T10:00:00.Z",
            "2000-01-01T10:00:00Zx",
            "+999999-01-01",
            "2000-01-01T10",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
