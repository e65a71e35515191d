//! Cross-origin answers. No credentials are ever allowed, so an open origin list is no risk.

use http::header::{self, HeaderMap, HeaderValue};

const METHODS: &str = "GET,PUT,POST,DELETE,OPTIONS";
const EXPOSED: &str = "X-Parse-Job-Status-Id, X-Parse-Push-Status-Id";
const HEADERS: &str = "X-Parse-Master-Key, X-Parse-REST-API-Key, X-Parse-Javascript-Key, \
    X-Parse-Application-Id, X-Parse-Client-Version, X-Parse-Session-Token, X-Requested-With, \
    X-Parse-Revocable-Session, X-Parse-Request-Id, X-Parse-Installation-Id, X-Parse-Client-Key, \
    X-Parse-Cloud-Context, Content-Type, Pragma, Cache-Control";

/// Who may call from a browser.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Vec<HeaderValue>,
    headers: HeaderValue,
}

impl Default for Cors {
    fn default() -> Self {
        Self::new(&[], &[])
    }
}

impl Cors {
    /// These origins (none: every one) and these headers besides the protocol's own. What can't
    /// be a header value is left out.
    pub fn new(origins: &[String], headers: &[String]) -> Self {
        let mut all = HEADERS.to_owned();
        for name in headers {
            all.push_str(", ");
            all.push_str(name);
        }
        let mut origins: Vec<HeaderValue> = origins.iter().filter_map(|o| o.parse().ok()).collect();
        if origins.is_empty() {
            origins.push(HeaderValue::from_static("*"));
        }
        let headers = all
            .parse()
            .unwrap_or_else(|_| HeaderValue::from_static(HEADERS));
        Self { origins, headers }
    }

    /// Adds the headers for a request from `origin`.
    pub fn apply(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let known = origin.and_then(|origin| self.origins.iter().find(|o| *o == origin));
        if let Some(origin) = known.or(self.origins.first()) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        if self.origins.len() > 1 {
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        }
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static(METHODS),
        );
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        );
    }
}
