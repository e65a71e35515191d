//! `$relativeTime`: `in 2 weeks 3 days`, `10 minutes ago`, `now`.

use basalt_base::Timestamp;

/// The time that a phrase means, or what is wrong with it. Lower and upper case are the same.
pub fn relative(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.to_lowercase();
    let mut words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    if text == "now" {
        return Ok(now.truncate_to_millis());
    }
    let future = words.first() == Some(&"in");
    let past = words.last() == Some(&"ago");
    match (future, past) {
        (false, false) => {
            return Err("Time should either start with 'in' or end with 'ago'".to_owned());
        }
        (true, true) => return Err("Time cannot have both 'in' and 'ago'".to_owned()),
        (true, false) => drop(words.remove(0)),
        (false, true) => drop(words.pop()),
    }
    if !words.len().is_multiple_of(2) {
        return Err("Invalid time string. Dangling unit or number.".to_owned());
    }
    let mut seconds = 0_i64;
    for pair in words.chunks_exact(2) {
        let (number, unit) = (pair[0], pair[1]);
        let Ok(count) = number.parse::<i64>() else {
            return Err(format!("'{}' is not an integer.", short(number)));
        };
        let each = match unit {
            "yr" | "yrs" | "year" | "years" => 31_536_000,
            "wk" | "wks" | "week" | "weeks" => 604_800,
            "d" | "day" | "days" => 86_400,
            "hr" | "hrs" | "hour" | "hours" => 3_600,
            "min" | "mins" | "minute" | "minutes" => 60,
            "sec" | "secs" | "second" | "seconds" => 1,
            _ => return Err(format!("Invalid interval: '{}'", short(unit))),
        };
        seconds = seconds.saturating_add(count.saturating_mul(each));
    }
    let by = seconds.saturating_mul(1_000);
    Ok(Timestamp::from_millis(if future {
        now.millis().saturating_add(by)
    } else {
        now.millis().saturating_sub(by)
    }))
}

fn short(word: &str) -> String {
    word.chars().take(50).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_and_their_errors() {
        let now = Timestamp::from_millis(1_000_000_000_000);
        let at = |text| relative(text, now).map(|t| t.millis() - now.millis());
        assert_eq!(at("now"), Ok(0));
        assert_eq!(at("In 1 day  2 hrs"), Ok(93_600_000));
        assert_eq!(at("3 weeks 1 sec ago"), Ok(-1_814_401_000));
        assert!(relative("999999999999999999 years ago", now).is_ok());
        for (text, part) in [
            ("", "either start"),
            ("in 1 day ago", "both"),
            ("in 1", "Dangling"),
            ("1.5 days ago", "not an integer"),
            ("in 2 parsecs", "Invalid interval"),
        ] {
            assert!(at(text).unwrap_err().contains(part), "{text}");
        }
    }
}
