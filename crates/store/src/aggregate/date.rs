//! The civil calendar: parts of a time and text of it.

use basalt_base::{Error, Reason, Result, Timestamp};
use std::fmt::Write as _;

/// A time in parts.
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) millisecond: i64,
    /// Days since 1970.
    days: i64,
}

impl Civil {
    /// The parts of a time at an offset from UTC in minutes.
    pub(super) fn new(at: Timestamp, offset_minutes: i64) -> Self {
        let seconds = at.seconds().saturating_add(offset_minutes * 60);
        let days = seconds.div_euclid(86_400);
        let of_day = seconds.rem_euclid(86_400);
        let (year, month, day) = from_days(days);
        Self {
            year,
            month,
            day,
            hour: of_day / 3_600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            millisecond: i64::from(at.nanos() / 1_000_000),
            days,
        }
    }

    /// 1 to 366.
    pub(super) fn day_of_year(&self) -> i64 {
        self.days - to_days(self.year, 1, 1) + 1
    }

    /// 1 (Sunday) to 7.
    pub(super) fn day_of_week(&self) -> i64 {
        // 1970 began on a Thursday.
        (self.days + 4).rem_euclid(7) + 1
    }

    /// 1 (Monday) to 7.
    pub(super) fn iso_day_of_week(&self) -> i64 {
        (self.days + 3).rem_euclid(7) + 1
    }

    /// Weeks start on Sunday; days before the first Sunday are in week 0.
    pub(super) fn week(&self) -> i64 {
        (self.day_of_year() + 7 - self.day_of_week()) / 7
    }

    /// The ISO 8601 year and week: those of the week's Thursday.
    pub(super) fn iso_week(&self) -> (i64, i64) {
        let thursday = self.days + 4 - self.iso_day_of_week();
        let (year, ..) = from_days(thursday);
        (year, (thursday - to_days(year, 1, 1)) / 7 + 1)
    }
}

/// Year, month and day of a day since 1970, in the proleptic Gregorian calendar. Counts in years
/// that begin in March, so that the leap day comes last.
fn from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// The inverse of [`from_days`].
fn to_days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = (month + 9) % 12;
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

/// Minutes of an offset: `UTC`, `GMT`, `Z`, `+02`, `+0200`, `+02:00`. Named zones are unsupported.
pub(super) fn offset_minutes(text: &str) -> Result<i64> {
    if matches!(text, "UTC" | "GMT" | "Z") {
        return Ok(0);
    }
    let sign = match text.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(zone()),
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    let shape = text[1..].len() - digits.len() <= 1 && digits.bytes().all(|b| b.is_ascii_digit());
    let (hours, minutes) = match (shape, digits.len()) {
        (true, 2) => (digits.as_str(), "0"),
        (true, 4) => digits.split_at(2),
        _ => return Err(zone()),
    };
    match (hours.parse::<i64>(), minutes.parse::<i64>()) {
        (Ok(hours), Ok(minutes)) if hours < 24 && minutes < 60 => Ok(sign * (hours * 60 + minutes)),
        _ => Err(zone()),
    }
}

fn zone() -> Error {
    Error::new(
        Reason::UnsupportedQuery,
        "timezone: only UTC and offsets such as +02:00 are known",
    )
}

/// The ISO 8601 text with milliseconds.
pub(super) const ISO_FORMAT: &str = "%Y-%m-%dT%H:%M:%S.%LZ";

/// Text of a time by a format of `%Y %m %d %H %M %S %L %j %w %u %U %V %G %z %Z %%`.
pub(super) fn format(at: Timestamp, offset: i64, pattern: &str) -> Result<String> {
    let civil = Civil::new(at, offset);
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        // Writing to a String never fails.
        let _ = match chars.next() {
            Some('Y') => write!(out, "{:04}", civil.year),
            Some('m') => write!(out, "{:02}", civil.month),
            Some('d') => write!(out, "{:02}", civil.day),
            Some('H') => write!(out, "{:02}", civil.hour),
            Some('M') => write!(out, "{:02}", civil.minute),
            Some('S') => write!(out, "{:02}", civil.second),
            Some('L') => write!(out, "{:03}", civil.millisecond),
            Some('j') => write!(out, "{:03}", civil.day_of_year()),
            Some('w') => write!(out, "{}", civil.day_of_week()),
            Some('u') => write!(out, "{}", civil.iso_day_of_week()),
            Some('U') => write!(out, "{:02}", civil.week()),
            Some('V') => write!(out, "{:02}", civil.iso_week().1),
            Some('G') => write!(out, "{:04}", civil.iso_week().0),
            Some('Z') => write!(out, "{offset}"),
            Some('z') => {
                let sign = if offset < 0 { '-' } else { '+' };
                write!(
                    out,
                    "{sign}{:02}{:02}",
                    offset.abs() / 60,
                    offset.abs() % 60
                )
            }
            Some('%') => write!(out, "%"),
            _ => {
                return Err(Error::new(
                    Reason::InvalidQuery,
                    "$dateToString: the format holds an unknown specifier",
                ));
            }
        };
    }
    Ok(out)
}
