//! The way out: requests to addresses that users chose.
//!
//! An address is looked up, checked, and connected to as checked; the name is not looked up again,
//! so that a second answer can't lead elsewhere. Every redirect starts over. No proxy is used,
//! whatever the environment says.

mod connect;
mod fetch;
mod resolve;

pub use fetch::{Fetch, Fetched};
pub use resolve::{Resolver, SystemResolver};

use crate::Egress;
use basalt_base::{Error, Reason, Result, Secret};
use bytes::Bytes;
use connect::Connector;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::sync::Arc;
use std::time::Duration;

/// How many redirects are followed.
const REDIRECTS_MAX: usize = 3;
/// Idle connections kept to one host, and for how long.
const IDLE_PER_HOST_MAX: usize = 16;
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest address in bytes.
const URL_BYTES_MAX: usize = 2_048;

/// How the outside is reached.
#[derive(Clone, Debug)]
pub struct OutsideOptions {
    /// Which addresses.
    pub egress: Egress,
    /// How long connecting may take, the TLS handshake included.
    pub connect_time_max: Duration,
    /// Largest answer in bytes.
    pub answer_bytes_max: usize,
}

impl Default for OutsideOptions {
    fn default() -> Self {
        Self {
            egress: Egress::default(),
            connect_time_max: Duration::from_secs(5),
            answer_bytes_max: 8 * 1024 * 1024,
        }
    }
}

/// Why a call had no answer. For the log of the server; users are told less.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The address can't be called at all.
    Address(&'static str),
    /// A redirect that is not followed.
    Redirect(&'static str),
    /// No connection, or it broke.
    Connection(Box<dyn std::error::Error + Send + Sync>),
    /// The answer is too large.
    TooLarge,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(why) => write!(f, "address: {why}"),
            Self::Redirect(why) => write!(f, "redirect: {why}"),
            Self::Connection(error) => {
                write!(f, "{error}")?;
                let mut source = error.source();
                while let Some(error) = source {
                    write!(f, ": {error}")?;
                    source = error.source();
                }
                Ok(())
            }
            Self::TooLarge => f.write_str("the answer is too large"),
        }
    }
}

impl std::error::Error for Failure {}

/// An answer from outside.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

/// The way out. One serves every app of the process; cheap to clone.
#[derive(Clone)]
pub struct Outside {
    client: Client<Connector, Full<Bytes>>,
    options: Arc<OutsideOptions>,
}

impl Outside {
    /// With the certificates that the operating system trusts.
    pub fn new(options: OutsideOptions, resolver: Arc<dyn Resolver>) -> Self {
        let options = Arc::new(options);
        let connector = Connector::new(Arc::clone(&options), resolver);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME_MAX)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .build(connector);
        Self { client, options }
    }

    /// One request of an operator to a server of their own, as a program does on their behalf: the
    /// status and the body of the answer; redirects are not followed. Errors: `InvalidValue` for the
    /// address, `StoreUnavailable` when nobody answers.
    pub async fn ask(
        &self,
        method: Method,
        url: &str,
        token: &Secret,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Error> {
        let malformed = || Error::new(Reason::InvalidValue, "The server's address is malformed.");
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = parse(url).ok_or_else(malformed)?;
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()));
        let bearer = bearer.map_err(|_| malformed())?;
        request.headers_mut().insert(AUTHORIZATION, bearer);
        let silent = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(Reason::StoreUnavailable, "The server does not answer.").with_source(error)
        };
        let answer = self.client.request(request).await;
        let (head, body) = answer.map_err(|error| silent(error.into()))?.into_parts();
        let body = Limited::new(body, self.options.answer_bytes_max);
        let body = body.collect().await.map_err(silent)?;
        Ok((head.status, body.to_bytes()))
    }

    /// Posts JSON. `secret` headers go to the first host only, not along with a redirect to
    /// another one. Dropping the future ends the call.
    pub(crate) async fn post(
        &self,
        url: &str,
        body: Bytes,
        headers: &[(HeaderName, HeaderValue)],
        secret: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Answer, Failure> {
        let mut uri = parse(url).ok_or(Failure::Address("malformed"))?;
        let origin = origin_of(&uri);
        for _ in 0..=REDIRECTS_MAX {
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = uri.clone();
            let map = request.headers_mut();
            map.extend(headers.iter().cloned());
            map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            if origin_of(&uri) == origin {
                map.extend(secret.clone());
            }
            let answer = self.client.request(request).await;
            let answer = answer.map_err(|error| Failure::Connection(Box::new(error)))?;
            let (head, body) = answer.into_parts();
            if head.status.is_redirection() {
                uri = redirected(&uri, head.status, &head.headers)?;
                continue;
            }
            let max = self.options.answer_bytes_max;
            let body = Limited::new(body, max).collect().await;
            let body = body.map_err(|error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    Failure::TooLarge
                } else {
                    Failure::Connection(error)
                }
            })?;
            return Ok(Answer {
                status: head.status,
                body: body.to_bytes(),
            });
        }
        Err(Failure::Redirect("too many"))
    }
}

/// Whether code may be declared to run at this address; it is checked again when it is called.
pub(crate) fn is_callable(url: &str) -> bool {
    parse(url).is_some()
}

fn parse(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok().filter(|_| url.len() <= URL_BYTES_MAX)?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority()?;
    let plain = !authority.as_str().contains(['@', '%']) && !authority.host().is_empty();
    (known && plain).then_some(uri)
}

fn origin_of(uri: &Uri) -> (String, String) {
    let part = |text: Option<&str>| text.unwrap_or_default().to_ascii_lowercase();
    let authority = uri.authority().map(http::uri::Authority::as_str);
    (part(uri.scheme_str()), part(authority))
}

/// Where a redirect leads. Only those that keep method and body are followed, and none from TLS
/// to plain text.
fn redirected(from: &Uri, status: StatusCode, headers: &HeaderMap) -> Result<Uri, Failure> {
    if !matches!(
        status,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
    ) {
        return Err(Failure::Redirect("of a kind that would drop the request"));
    }
    let target = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let target = target.ok_or(Failure::Redirect("without a target"))?;
    let absolute = if target.starts_with('/') && !target.starts_with("//") {
        let (scheme, authority) = origin_of(from);
        format!("{scheme}://{authority}{target}")
    } else {
        target.to_owned()
    };
    let to = parse(&absolute).ok_or(Failure::Redirect("to a malformed address"))?;
    if from.scheme_str() == Some("https") && to.scheme_str() != Some("https") {
        return Err(Failure::Redirect("from TLS to plain text"));
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_web_addresses_are_callable() {
        for url in [
            "http://a.example/x",
            "https://[2606:4700::1]:8443/",
            "http://hello.word",
        ] {
            assert!(is_callable(url), "{url}");
        }
        for url in [
            "",
            "a",
            "/x",
            "file:///etc/passwd",
            "gopher://a/",
            "ftp://a/",
            "http://",
            "http://u:p@a/",
            "http://u@a/",
            "http://[fe80::1%25eth0]/",
            "http://a b/",
            "javascript:alert(1)",
            "http://a\r\nb/",
        ] {
            assert!(!is_callable(url), "{url}");
        }
        assert!(!is_callable(&format!(
            "http://a/{}",
            "x".repeat(URL_BYTES_MAX)
        )));
    }

    #[test]
    fn redirects_are_followed_with_care() {
        let to = |from: &str, status: u16, target: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, target.parse().unwrap());
            let status = StatusCode::from_u16(status).unwrap();
            redirected(&from.parse().unwrap(), status, &headers)
                .ok()
                .map(|uri| uri.to_string())
        };
        assert_eq!(to("http://a/x", 307, "/y"), Some("http://a/y".to_owned()));
        assert_eq!(
            to("http://a/x", 308, "https://b/y"),
            Some("https://b/y".to_owned())
        );
        for (from, status, target) in [
            ("http://a/x", 302, "/y"),
            ("https://a/x", 307, "http://a/x"),
            ("http://a/x", 307, "//b/y"),
            ("http://a/x", 307, "file:///etc/passwd"),
            ("http://a/x", 307, "http://u:p@b/"),
        ] {
            assert_eq!(to(from, status, target), None, "{from} {status} {target}");
        }
    }
}
