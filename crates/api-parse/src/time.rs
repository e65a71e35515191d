//! The protocol's times: ISO 8601 in UTC with milliseconds.

use basalt_base::Timestamp;

const DAY_MILLIS: i64 = 86_400_000;
/// JavaScript's range: 100,000,000 days around 1970.
const MILLIS_MAX: i64 = 8_640_000_000_000_000;

/// Appends `2026-11-21T10:20:30.456Z`; years outside of 0…9999 get a sign and six digits.
pub fn write(out: &mut Vec<u8>, time: Timestamp) {
    let millis = time.millis().clamp(-MILLIS_MAX, MILLIS_MAX);
    let (year, month, day) = civil(millis.div_euclid(DAY_MILLIS));
    let of_day = millis.rem_euclid(DAY_MILLIS) as u32;
    let (second, milli) = (of_day / 1_000, of_day % 1_000);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut pair = |at: usize, number: u32| text[at..at + 2].copy_from_slice(&two_digits(number));
    let short = (0..=9_999).contains(&year);
    if short {
        pair(0, year as u32 / 100);
        pair(2, year as u32 % 100);
    }
    pair(5, month);
    pair(8, day);
    pair(11, second / 3_600);
    pair(14, second / 60 % 60);
    pair(17, second % 60);
    pair(20, milli / 10);
    text[22] = b'0' + (milli % 10) as u8;
    if short {
        out.extend_from_slice(&text);
    } else {
        let sign = if year < 0 { b'-' } else { b'+' };
        let year = year.unsigned_abs();
        out.push(sign);
        for part in [year / 10_000, year / 100 % 100, year % 100] {
            out.extend_from_slice(&two_digits(part));
        }
        out.extend_from_slice(&text[4..]);
    }
}

/// A number below 100.
fn two_digits(number: u32) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

/// The date of a day of the range above, counted from 1970-01-01, in the proleptic Gregorian
/// calendar.
fn civil(days: i64) -> (i32, u32, u32) {
    /// Eras of 400 years are alike; so many more make every day of the range positive.
    const ERAS: u32 = 700;
    const ERA_DAYS: u32 = 146_097;
    // From 1 March of the year 0, so that a leap day ends its year.
    let shifted = (days + i64::from(719_468 + ERAS * ERA_DAYS)) as u32;
    let (era, of_era) = (shifted / ERA_DAYS, shifted % ERA_DAYS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let (month, later) = if shifted_month < 10 {
        (shifted_month + 3, 0)
    } else {
        (shifted_month - 9, 1)
    };
    let year = (era * 400 + year_of_era + later).cast_signed() - (ERAS * 400).cast_signed();
    (year, month, day)
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
    let mut millis = (first + day - 1) * DAY_MILLIS;
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
