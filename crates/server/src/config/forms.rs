//! The forms that settings have: how they are read, shown and described.
//!
//! Each form is a module with `EXPECTED` (for error messages and the page), `read` and `show`.
//! `show` gives a TOML literal, or nothing for a value that is not set.
#![expect(
    clippy::option_option,
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    reason = "the table wants all forms to have one shape"
)]

use basalt_listener::Network;

/// What the server is run for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// On one's own machine: open, and not reachable from elsewhere.
    Development,
    /// For others.
    #[default]
    Production,
}

impl Mode {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

pub(crate) mod text {
    use super::{super::raw::Raw, quoted};

    pub(crate) const EXPECTED: &str = "text";

    pub(crate) fn read(raw: &Raw) -> Option<String> {
        raw.text()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }

    pub(crate) fn show(value: &str) -> Option<String> {
        Some(quoted(value))
    }
}

pub(crate) mod address {
    use super::super::raw::Raw;
    pub(crate) use super::text::show;

    pub(crate) const EXPECTED: &str = "HOST:PORT such as 127.0.0.1:1337";

    pub(crate) fn read(raw: &Raw) -> Option<String> {
        let text = raw.text()?;
        let (host, port) = text.rsplit_once(':')?;
        let bare_v6 = host.contains(':') && !host.starts_with('[');
        let good = !host.is_empty() && !bare_v6 && port.parse::<u16>().is_ok();
        good.then(|| text.to_owned())
    }
}

pub(crate) mod url {
    use super::{super::raw::Raw, quoted};

    pub(crate) const EXPECTED: &str = "an address such as https://api.example.com";

    pub(crate) fn read(raw: &Raw) -> Option<Option<String>> {
        let text = raw.text()?;
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))?;
        let good = !rest.is_empty()
            && !rest.starts_with('/')
            && !rest.contains(['?', '#', '@'])
            && text.chars().all(|c| c.is_ascii_graphic());
        good.then(|| Some(text.trim_end_matches('/').to_owned()))
    }

    pub(crate) fn show(value: &Option<String>) -> Option<String> {
        value.as_deref().map(quoted)
    }
}

pub(crate) mod path {
    use super::{super::raw::Raw, quoted};
    use std::path::{Path, PathBuf};

    pub(crate) const EXPECTED: &str = "a path";

    pub(crate) fn read(raw: &Raw) -> Option<PathBuf> {
        raw.text()
            .filter(|text| !text.is_empty())
            .map(PathBuf::from)
    }

    pub(crate) fn show(value: &Path) -> Option<String> {
        Some(quoted(&value.to_string_lossy()))
    }
}

pub(crate) mod file {
    use super::super::raw::Raw;
    use std::path::PathBuf;

    pub(crate) const EXPECTED: &str = "the path of a file";

    pub(crate) fn read(raw: &Raw) -> Option<Option<PathBuf>> {
        super::path::read(raw).map(Some)
    }

    pub(crate) fn show(value: &Option<PathBuf>) -> Option<String> {
        value.as_deref().and_then(super::path::show)
    }
}

pub(crate) mod mode {
    use super::{super::raw::Raw, Mode, quoted};

    pub(crate) const EXPECTED: &str = "development or production";

    pub(crate) fn read(raw: &Raw) -> Option<Mode> {
        match raw.text()? {
            "development" => Some(Mode::Development),
            "production" => Some(Mode::Production),
            _ => None,
        }
    }

    pub(crate) fn show(value: &Mode) -> Option<String> {
        Some(quoted(value.name()))
    }
}

pub(crate) mod openness {
    use super::{super::raw::Raw, quoted};

    pub(crate) const EXPECTED: &str = "open or closed";

    pub(crate) fn read(raw: &Raw) -> Option<Option<bool>> {
        match raw.text()? {
            "open" => Some(Some(true)),
            "closed" => Some(Some(false)),
            _ => None,
        }
    }

    pub(crate) fn show(value: &Option<bool>) -> Option<String> {
        value.map(|open| quoted(if open { "open" } else { "closed" }))
    }
}

pub(crate) mod isolation {
    use super::{super::raw::Raw, quoted};
    use basalt_sandbox::Level;

    pub(crate) const EXPECTED: &str = "none, filter, contained or full";

    pub(crate) fn read(raw: &Raw) -> Option<Level> {
        Level::named(raw.text()?)
    }

    pub(crate) fn show(value: &Level) -> Option<String> {
        Some(quoted(value.name()))
    }
}

pub(crate) mod durability {
    use super::{super::raw::Raw, quoted};
    use basalt_store_sqlite::Synchronous;

    pub(crate) const EXPECTED: &str = "full or normal";

    pub(crate) fn read(raw: &Raw) -> Option<Synchronous> {
        match raw.text()? {
            "full" => Some(Synchronous::Full),
            "normal" => Some(Synchronous::Normal),
            _ => None,
        }
    }

    pub(crate) fn show(value: &Synchronous) -> Option<String> {
        Some(quoted(match value {
            Synchronous::Full => "full",
            Synchronous::Normal => "normal",
        }))
    }
}

pub(crate) mod secret {
    use super::super::raw::Raw;
    use basalt_base::Secret;

    pub(crate) const EXPECTED: &str = "text without spaces";

    pub(crate) fn read(raw: &Raw) -> Option<Option<Secret>> {
        let text = raw.text()?;
        let good = !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control());
        good.then(|| Some(Secret::new(text)))
    }

    /// Never the secret itself.
    pub(crate) fn show(value: &Option<Secret>) -> Option<String> {
        value.as_ref().map(|_| "\"(set)\"".to_owned())
    }
}

pub(crate) mod count {
    use super::super::raw::Raw;
    use std::fmt::Display;

    pub(crate) const EXPECTED: &str = "a whole number";

    pub(crate) fn read<T: TryFrom<u64>>(raw: &Raw) -> Option<T> {
        let number = match raw {
            Raw::Int(number) => u64::try_from(*number).ok()?,
            Raw::Text(text) => text.replace('_', "").parse().ok()?,
            _ => return None,
        };
        T::try_from(number).ok()
    }

    pub(crate) fn show(value: &impl Display) -> Option<String> {
        Some(value.to_string())
    }
}

pub(crate) mod bytes {
    use super::{super::raw::Raw, quoted};

    pub(crate) const EXPECTED: &str = "a size such as 512KiB, 20MiB or 1GiB";
    const UNITS: [(&str, u64); 4] = [
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
        ("B", 1),
    ];

    pub(crate) fn read<T: TryFrom<u64>>(raw: &Raw) -> Option<T> {
        let bytes = match raw {
            Raw::Int(number) => u64::try_from(*number).ok()?,
            Raw::Text(text) => {
                let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
                let (unit, factor) = unit.copied().unwrap_or(("", 1));
                let number = text.strip_suffix(unit)?.trim_end();
                number.parse::<u64>().ok()?.checked_mul(factor)?
            }
            _ => return None,
        };
        T::try_from(bytes).ok()
    }

    pub(crate) fn show<T: Copy + TryInto<u64>>(value: &T) -> Option<String> {
        let bytes: u64 = (*value).try_into().ok()?;
        let fits = |factor: u64| bytes >= factor && bytes.is_multiple_of(factor);
        let (unit, factor) = UNITS
            .iter()
            .find(|(_, factor)| fits(*factor))
            .unwrap_or(&UNITS[3]);
        Some(quoted(&format!("{}{unit}", bytes / factor)))
    }
}

pub(crate) mod duration {
    use super::{super::raw::Raw, quoted};
    use std::time::Duration;

    pub(crate) const EXPECTED: &str = "a time such as 500ms, 30s, 5min or 1h";
    const UNITS: [(&str, u64); 4] = [("min", 60_000), ("ms", 1), ("h", 3_600_000), ("s", 1_000)];

    pub(crate) fn read(raw: &Raw) -> Option<Duration> {
        let text = raw.text()?;
        let (unit, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
        let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        let duration = Duration::from_millis(number.checked_mul(*factor)?);
        (!duration.is_zero()).then_some(duration)
    }

    pub(crate) fn show(value: &Duration) -> Option<String> {
        let ms = u64::try_from(value.as_millis()).ok()?;
        let units = [("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];
        let fits = |factor: u64| ms >= factor && ms.is_multiple_of(factor);
        let (unit, factor) = units
            .iter()
            .find(|(_, factor)| fits(*factor))
            .unwrap_or(&units[3]);
        Some(quoted(&format!("{}{unit}", ms / factor)))
    }
}

/// Like [`duration`], and may be nothing.
pub(crate) mod delay {
    use super::{super::raw::Raw, duration};
    use std::time::Duration;

    pub(crate) const EXPECTED: &str = "a time such as 0s, 500ms or 30s";

    pub(crate) fn read(raw: &Raw) -> Option<Duration> {
        match raw.text()? {
            "0s" | "0ms" => Some(Duration::ZERO),
            _ => duration::read(raw),
        }
    }

    pub(crate) fn show(value: &Duration) -> Option<String> {
        duration::show(value)
    }
}

pub(crate) mod networks {
    use super::{super::raw::Raw, Network, quoted};

    pub(crate) const EXPECTED: &str = "networks such as 10.0.0.0/8, separated by commas";

    pub(crate) fn read(raw: &Raw) -> Option<Vec<Network>> {
        let parse = |text: &str| text.trim().parse().ok();
        match raw {
            Raw::Text(text) if text.trim().is_empty() => Some(Vec::new()),
            Raw::Text(text) => text.split(',').map(parse).collect(),
            Raw::List(items) => items.iter().map(|item| parse(item)).collect(),
            _ => None,
        }
    }

    pub(crate) fn show(value: &[Network]) -> Option<String> {
        let items: Vec<String> = value.iter().map(|item| quoted(&item.to_string())).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw::Raw;
    use super::*;
    use std::time::Duration;

    fn text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn sizes_are_read_and_shown_alike() {
        for (written, bytes) in [
            ("512KiB", 524_288),
            ("20MiB", 20 << 20),
            ("1GiB", 1 << 30),
            ("7B", 7),
        ] {
            assert_eq!(bytes::read::<u64>(&text(written)), Some(bytes), "{written}");
            assert_eq!(bytes::show(&bytes), Some(format!("\"{written}\"")));
        }
        assert_eq!(bytes::read::<u64>(&Raw::Int(5)), Some(5));
        for bad in ["", "20 apples", "-1MiB", "1.5MiB", "99999999999GiB"] {
            assert_eq!(bytes::read::<u64>(&text(bad)), None, "{bad}");
        }
    }

    #[test]
    fn times_are_read_and_shown_alike() {
        for (written, ms) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5min", 300_000),
            ("2h", 7_200_000),
        ] {
            let duration = Duration::from_millis(ms);
            assert_eq!(duration::read(&text(written)), Some(duration), "{written}");
            assert_eq!(duration::show(&duration), Some(format!("\"{written}\"")));
        }
        for bad in ["", "30", "0s", "-1s", "1d", "s"] {
            assert_eq!(duration::read(&text(bad)), None, "{bad}");
        }
        assert_eq!(duration::read(&Raw::Int(30)), None);
        for nothing in ["0s", "0ms"] {
            assert_eq!(delay::read(&text(nothing)), Some(Duration::ZERO));
        }
        assert_eq!(delay::read(&text("5s")), Some(Duration::from_secs(5)));
    }

    #[test]
    fn addresses_need_a_port() {
        for good in ["127.0.0.1:0", "localhost:1337", "[::1]:80", "0.0.0.0:65535"] {
            assert!(address::read(&text(good)).is_some(), "{good}");
        }
        for bad in ["127.0.0.1", "::1", ":80", "a:70000", "a:", ""] {
            assert!(address::read(&text(bad)).is_none(), "{bad}");
        }
    }

    #[test]
    fn urls_are_origins_with_at_most_a_path() {
        let read = |t: &str| url::read(&text(t)).flatten();
        assert_eq!(
            read("https://a.example/"),
            Some("https://a.example".to_owned())
        );
        assert_eq!(read("http://a:1/b"), Some("http://a:1/b".to_owned()));
        for bad in [
            "a.example",
            "ftp://a",
            "https://",
            "https:///x",
            "https://u:p@a",
            "https://a?b",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn secrets_are_never_shown() {
        let secret = secret::read(&text("s3cret")).unwrap();
        assert_eq!(secret::show(&secret).as_deref(), Some("\"(set)\""));
        assert!(secret::read(&text("two words")).is_none());
        assert!(secret::read(&text("")).is_none());
    }
}
