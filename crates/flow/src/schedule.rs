//! When a schedule's next tick is.

use basalt_base::{Error, Reason, Result, Timestamp, Value};
use basalt_store::Record;
use croner::Cron;
use croner::parser::CronParser;
use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, Zoned};
use std::time::Duration;

/// The rhythm of a schedule.
#[derive(Clone, Debug)]
pub enum Rhythm {
    /// Once, at the start.
    Once,
    /// Every so often, counted from the start.
    Every(Duration),
    /// By a cron pattern, in the schedule's time zone.
    Cron(Box<Cron>),
}

/// When a schedule runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Not before.
    pub start: Timestamp,
    /// Its rhythm.
    pub rhythm: Rhythm,
    /// The zone whose clock cron patterns follow, over its changes of summer time.
    pub zone: TimeZone,
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(Reason::InvalidValue, message.into())
}

fn instant(at: Timestamp) -> Option<Instant> {
    Instant::from_millisecond(at.millis()).ok()
}

impl Plan {
    /// The first tick after a time; `None` when there is none any more. A tick that summer time
    /// skips is moved to the next moment that exists, one that it repeats happens once.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let before_start = after < self.start;
        match &self.rhythm {
            Rhythm::Once => before_start.then_some(self.start),
            Rhythm::Every(every) => {
                if before_start {
                    return Some(self.start);
                }
                let every = u64::try_from(every.as_millis()).ok().filter(|ms| *ms > 0)?;
                let past = u64::try_from(after.since(self.start).as_millis()).ok()?;
                let next = (past / every).checked_add(1)?.checked_mul(every)?;
                Some(self.start.plus(Duration::from_millis(next)))
            }
            Rhythm::Cron(cron) => {
                // A tick at the very start counts.
                let from = if before_start {
                    self.start.minus(Duration::from_millis(1))
                } else {
                    after
                };
                let from: Zoned = instant(from)?.to_zoned(self.zone.clone());
                let next = cron.find_next_occurrence(&from, false).ok()?;
                Some(Timestamp::from_millis(next.timestamp().as_millisecond()))
            }
        }
    }

    /// Reads a `_JobSchedule` object. Fields as Parse's dashboard writes them: `startAfter` (ISO
    /// time), `repeatMinutes`, `timeOfDay` (`HH:MM[:SS][.sss][Z]`) with `daysOfWeek` (seven flags
    /// from Sunday on); beside them `cron` and `timeZone` (an IANA name, UTC without one). Errors:
    /// `InvalidValue` with what is wrong.
    pub fn read(record: &Record) -> Result<Self> {
        let zone = match text(record, "timeZone").filter(|name| !name.is_empty()) {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name)
                .map_err(|_| wrong(format!("`timeZone` {name:?} is no known time zone.")))?,
        };
        let start = match text(record, "startAfter").filter(|text| !text.is_empty()) {
            None => record.created_at,
            Some(time) => {
                let parsed: Instant = time
                    .parse()
                    .map_err(|_| wrong(format!("`startAfter` {time:?} is no ISO time.")))?;
                Timestamp::from_millis(parsed.as_millisecond())
            }
        };
        let rhythm = rhythm(record)?;
        Ok(Self {
            start,
            rhythm,
            zone,
        })
    }
}

fn text<'r>(record: &'r Record, field: &str) -> Option<&'r str> {
    match record.get(field) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(n) => Some(*n as f64),
        Value::Double(n) => Some(*n),
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn rhythm(record: &Record) -> Result<Rhythm> {
    if let Some(pattern) = text(record, "cron").filter(|text| !text.is_empty()) {
        return cron(pattern);
    }
    let minutes = record.get("repeatMinutes").and_then(number).unwrap_or(0.0);
    if let Some(time) = text(record, "timeOfDay").filter(|text| !text.is_empty()) {
        return cron(&daily(time, record.get("daysOfWeek"))?);
    }
    if minutes > 0.0 {
        let seconds = (minutes * 60.0).clamp(1.0, 1e10);
        return Ok(Rhythm::Every(Duration::from_millis((seconds * 1e3) as u64)));
    }
    Ok(Rhythm::Once)
}

fn cron(pattern: &str) -> Result<Rhythm> {
    let parser = CronParser::builder()
        .seconds(croner::parser::Seconds::Optional)
        .build();
    let cron = parser.parse(pattern);
    let cron =
        cron.map_err(|error| wrong(format!("`cron` {pattern:?} can't be read: {error}.")))?;
    Ok(Rhythm::Cron(Box::new(cron)))
}

/// The pattern of a time of day on some days of the week.
fn daily(time: &str, days: Option<&Value>) -> Result<String> {
    let bad = || wrong(format!("`timeOfDay` {time:?} is no time of day."));
    let clock = time.trim_end_matches('Z');
    let clock = clock.split('.').next().unwrap_or_default();
    let mut parts = clock
        .split(':')
        .map(|part| part.parse::<u8>().map_err(|_| bad()));
    let hour = parts.next().ok_or_else(bad)??;
    let minute = parts.next().unwrap_or(Ok(0))?;
    let second = parts.next().unwrap_or(Ok(0))?;
    if hour > 23 || minute > 59 || second > 59 || parts.next().is_some() {
        return Err(bad());
    }
    let Some(Value::Array(flags)) = days else {
        return Ok(format!("{second} {minute} {hour} * * *"));
    };
    let set = flags.iter().take(7).enumerate();
    let set = set.filter(|(_, flag)| number(flag).is_some_and(|n| n > 0.0));
    let on: Vec<_> = set.map(|(day, _)| day.to_string()).collect();
    match &on[..] {
        [] if flags.is_empty() => Ok(format!("{second} {minute} {hour} * * *")),
        [] => Err(wrong("`daysOfWeek` names no day.")),
        on => Ok(format!("{second} {minute} {hour} * * {}", on.join(","))),
    }
}
