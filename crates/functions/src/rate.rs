//! How often a path may be asked for: counted in windows that begin with a key's first request.

mod pattern;

pub use pattern::Pattern;

use crate::names;
use basalt_base::{Clock, Error, Monotonic, Reason, Result, caller_network};
use fancy_regex::Regex;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// Most keys that are counted at once; further ones share one count.
const KEYS_MAX: usize = 100_000;

/// How long to wait after looking for windows that ended before doing so again: looking at all of
/// them takes milliseconds.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// What requests are counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// Those of the app.
    Global,
    /// Those of an address.
    #[default]
    Ip,
    /// Those of a user; of an address where nobody is signed in.
    User,
    /// Those of a session; of an address where there is none.
    Session,
}

/// Which methods count.
#[derive(Clone, Debug, Default)]
pub enum Methods {
    /// All.
    #[default]
    All,
    /// These.
    Of(Vec<Box<str>>),
    /// Those that match.
    Matching(Arc<Regex>),
}

impl PartialEq for Methods {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, Self::All) => true,
            (Self::Of(a), Self::Of(b)) => a == b,
            (Self::Matching(a), Self::Matching(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

impl Methods {
    /// Those that match a regular expression; `None` when it is none.
    pub fn matching(pattern: &str) -> Option<Self> {
        let regex = Regex::new(pattern).ok()?;
        Some(Self::Matching(Arc::new(regex)))
    }

    fn take(&self, method: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(list) => list.iter().any(|known| **known == *method),
            Self::Matching(regex) => regex.is_match(method).unwrap_or(true),
        }
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RateRule {
    /// Which paths; `None` for those of the function or trigger that the rule comes with.
    pub path: Option<Pattern>,
    /// How long a window is.
    pub window: Duration,
    /// How many requests one window takes.
    pub count: u64,
    /// Which methods count.
    pub methods: Methods,
    /// Whether the master key is counted.
    pub include_master: bool,
    /// Whether requests from this machine are counted.
    pub include_internal: bool,
    /// What a caller over the limit is told.
    pub message: String,
    /// What is counted together.
    pub zone: Zone,
}

/// A request to be counted.
#[derive(Clone, Copy, Debug)]
pub struct RateRequest<'a> {
    /// The decoded path, with a slash in front.
    pub path: &'a str,
    /// The method.
    pub method: &'a str,
    /// The method of the batch that it came in.
    pub outer_method: Option<&'a str>,
    /// The caller's address after trusted proxies.
    pub ip: Option<IpAddr>,
    /// Whether a master key was presented.
    pub master: bool,
    /// The session's digest.
    pub session: Option<&'a str>,
    /// The user's id.
    pub user: Option<&'a str>,
}

struct Window {
    hits: u64,
    ends: Monotonic,
}

/// The rules of an app and what they have counted.
pub struct RateLimits {
    clock: Arc<dyn Clock>,
    windows: Mutex<Windows>,
}

#[derive(Default)]
struct Windows {
    by_key: HashMap<(usize, Box<str>), Window>,
    /// Not to be gone through before.
    next_sweep: Option<Monotonic>,
    #[cfg(test)]
    sweeps: usize,
}

impl Windows {
    /// Makes room, if there is need and it is time to try.
    fn sweep(&mut self, now: Monotonic) {
        if self.next_sweep.is_some_and(|at| now < at) {
            return;
        }
        self.by_key.retain(|_, window| window.ends > now);
        self.next_sweep = Some(now.after(SWEEP_PAUSE));
        #[cfg(test)]
        {
            self.sweeps += 1;
        }
    }
}

impl RateLimits {
    /// Nothing is counted yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            windows: Mutex::default(),
        }
    }

    /// Counts a request by each rule that is about it. Errors: `RequestLimit`.
    pub fn check(&self, rules: &[RateRule], request: &RateRequest<'_>) -> Result<()> {
        for (at, rule) in rules.iter().enumerate() {
            if rule.is_about(request) && self.hits(at, rule, request) > rule.count {
                let error = Error::new(Reason::RequestLimit, rule.message.clone());
                return Err(error.with_retry_after(rule.window));
            }
        }
        Ok(())
    }

    fn hits(&self, at: usize, rule: &RateRule, request: &RateRequest<'_>) -> u64 {
        let now = self.clock.monotonic();
        let mut windows = self.windows.lock();
        let mut key = (at, rule.zone.key(request));
        if windows.by_key.len() >= KEYS_MAX && !windows.by_key.contains_key(&key) {
            windows.sweep(now);
            if windows.by_key.len() >= KEYS_MAX {
                key.1 = "…".into();
            }
        }
        let window = windows.by_key.entry(key).or_insert(Window {
            hits: 0,
            ends: now.after(rule.window),
        });
        if window.ends <= now {
            *window = Window {
                hits: 0,
                ends: now.after(rule.window),
            };
        }
        window.hits += 1;
        window.hits
    }
}

impl RateRule {
    fn is_about(&self, request: &RateRequest<'_>) -> bool {
        let local = request.ip == Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        if (local && !self.include_internal) || (request.master && !self.include_master) {
            return false;
        }
        let outer = request.outer_method.is_some_and(|m| self.methods.take(m));
        let other = names::other_spelling(request.path);
        let paths = [Some(request.path), other.as_deref()];
        let is_path = |p: &Pattern| paths.into_iter().flatten().any(|path| p.matches(path));
        (outer || self.methods.take(request.method)) && self.path.as_ref().is_none_or(is_path)
    }
}

impl Zone {
    fn key(self, request: &RateRequest<'_>) -> Box<str> {
        let known = match self {
            Self::Global => return "app".into(),
            Self::Ip => None,
            Self::User => request.user.map(|user| format!("u:{user}")),
            Self::Session => request.session.map(|session| format!("s:{session}")),
        };
        let ip = || match request.ip {
            Some(ip) => format!("ip:{}", caller_network(ip)),
            None => "ip:".to_owned(),
        };
        known.unwrap_or_else(ip).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_base::ManualClock;

    fn rule(path: &str, count: u64) -> RateRule {
        RateRule {
            path: Some(Pattern::parse(path).unwrap()),
            window: Duration::from_secs(10),
            count,
            methods: Methods::All,
            include_master: false,
            include_internal: false,
            message: "Too many requests.".to_owned(),
            zone: Zone::Ip,
        }
    }

    fn request(path: &str) -> RateRequest<'_> {
        RateRequest {
            path,
            method: "POST",
            outer_method: None,
            ip: Some("8.8.8.8".parse().unwrap()),
            master: false,
            session: None,
            user: None,
        }
    }

    #[test]
    fn windows_begin_with_the_first_request() {
        let clock = Arc::new(ManualClock::at(1));
        let limits = RateLimits::new(clock.clone());
        let rules = [rule("/functions/a", 2)];
        let check = |request: &RateRequest<'_>| limits.check(&rules, request).is_ok();
        let one = request("/functions/a");
        assert!(check(&one) && check(&one) && !check(&one));
        assert!(check(&request("/functions/b")));
        let other = RateRequest {
            ip: Some("8.8.4.4".parse().unwrap()),
            ..one
        };
        assert!(check(&other));
        clock.advance(Duration::from_secs(10));
        assert!(check(&one));
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let limits = RateLimits::new(Arc::new(ManualClock::at(1)));
        let rules = [rule("/x", 2)];
        let check = |ip: &str| {
            let ip = Some(ip.parse().unwrap());
            limits
                .check(
                    &rules,
                    &RateRequest {
                        ip,
                        ..request("/x")
                    },
                )
                .is_ok()
        };
        assert!(check("2001:db8::1") && check("2001:db8::2") && !check("2001:db8::3"));
        assert!(check("2001:db8:0:1::1"));
        assert!(check("1.2.3.4") && check("::ffff:1.2.3.4") && !check("1.2.3.4"));
    }

    #[test]
    fn both_spellings_of_a_path_are_one() {
        for (pattern, one, other) in [
            ("/users{/*path}", "/users", "/classes/_User"),
            ("/users{/*path}", "/users/abc", "/classes/_User/abc"),
            ("/classes/_User{/*path}", "/classes/_User/abc", "/users/abc"),
            ("/sessions{/*path}", "/sessions/a", "/classes/_Session/a"),
            ("/roles{/*path}", "/roles", "/classes/_Role"),
            ("/installations", "/installations", "/classes/_Installation"),
        ] {
            let limits = RateLimits::new(Arc::new(ManualClock::at(1)));
            let rules = [rule(pattern, 1)];
            let check = |path: &str| limits.check(&rules, &request(path)).is_ok();
            assert!(check(one) && !check(other), "{pattern} {other}");
            assert!(check("/classes/_Users") && check("/usersx"), "{pattern}");
        }
    }

    #[test]
    fn a_full_table_is_not_gone_through_for_every_request() {
        let clock = Arc::new(ManualClock::at(1));
        let limits = RateLimits::new(clock.clone());
        let rules = [rule("/x", 1_000_000)];
        let from = |n: u32| {
            let ip = Some(IpAddr::V4(n.into()));
            limits
                .check(
                    &rules,
                    &RateRequest {
                        ip,
                        ..request("/x")
                    },
                )
                .unwrap();
        };
        (0..KEYS_MAX as u32 + 500).for_each(from);
        assert_eq!(limits.windows.lock().sweeps, 1);
        clock.advance(Duration::from_secs(10));
        (500_000..500_010).for_each(from);
        let windows = limits.windows.lock();
        assert_eq!(windows.sweeps, 2);
        assert!(windows.by_key.len() < 20, "{}", windows.by_key.len());
    }

    #[test]
    fn zones_methods_and_exemptions() {
        let limits = RateLimits::new(Arc::new(ManualClock::at(1)));
        let user = RateRule {
            zone: Zone::User,
            methods: Methods::Of(vec!["POST".into()]),
            ..rule("/x", 1)
        };
        let rules = [user];
        let check = |request: &RateRequest<'_>| limits.check(&rules, request).is_ok();
        let by = |user| RateRequest {
            user: Some(user),
            ..request("/x")
        };
        assert!(check(&by("a")) && !check(&by("a")) && check(&by("b")));
        let get = RateRequest {
            method: "GET",
            ..by("a")
        };
        assert!(check(&get));
        let batched = RateRequest {
            outer_method: Some("POST"),
            ..get
        };
        assert!(!check(&batched));
        let master = RateRequest {
            master: true,
            ..by("a")
        };
        let local = RateRequest {
            ip: Some("127.0.0.1".parse().unwrap()),
            ..by("a")
        };
        assert!(check(&master) && check(&local));
    }
}
