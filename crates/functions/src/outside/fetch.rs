//! Requests that code makes: any method, any plain header, redirects followed as browsers do.

use super::{Failure, Outside, REDIRECTS_MAX, origin_of, parse};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue, LOCATION};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};

/// A request.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Where to.
    pub url: String,
    /// The method.
    pub method: String,
    /// Headers; those of the connection are left out.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Its answer.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// Headers whose values are text.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Where it came from in the end.
    pub url: String,
}

/// Headers that belong to the connection, not to who asks.
const OURS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Headers that are for the first host only.
const SECRET: &[HeaderName] = &[header::AUTHORIZATION, header::COOKIE];

impl Outside {
    /// Makes a request. Errors: why there is no answer, in words for who asked.
    pub async fn fetch(&self, fetch: &Fetch) -> Result<Fetched, String> {
        let failed = |failure: Failure| match failure {
            Failure::Address(_) => "the address can't be called".to_owned(),
            Failure::Redirect(why) => format!("a redirect was not followed: {why}"),
            Failure::Connection(_) => "the address could not be reached".to_owned(),
            Failure::TooLarge => "the answer is too large".to_owned(),
        };
        self.follow(fetch).await.map_err(failed)
    }

    async fn follow(&self, fetch: &Fetch) -> Result<Fetched, Failure> {
        let mut uri = parse(&fetch.url).ok_or(Failure::Address("malformed"))?;
        let method = Method::from_bytes(fetch.method.as_bytes());
        let mut method = method.map_err(|_| Failure::Address("no such method"))?;
        if matches!(method, Method::CONNECT | Method::TRACE) {
            return Err(Failure::Address("no such method"));
        }
        let mut headers = headers(&fetch.headers)?;
        let mut body = Bytes::from(fetch.body.clone());
        for _ in 0..=REDIRECTS_MAX {
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = method.clone();
            *request.uri_mut() = uri.clone();
            *request.headers_mut() = headers.clone();
            let answer = self.client.request(request).await;
            let answer = answer.map_err(|error| Failure::Connection(Box::new(error)))?;
            let (head, content) = answer.into_parts();
            if let Some(to) = redirect(&uri, head.status, &head.headers)? {
                if origin_of(&to) != origin_of(&uri) {
                    for name in SECRET {
                        headers.remove(name);
                    }
                }
                let keeps = matches!(
                    head.status,
                    StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
                );
                if !keeps && method != Method::HEAD {
                    method = Method::GET;
                    body = Bytes::new();
                    headers.remove(header::CONTENT_TYPE);
                }
                uri = to;
                continue;
            }
            let content = Limited::new(content, self.options.answer_bytes_max);
            let content = content.collect().await.map_err(|error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    Failure::TooLarge
                } else {
                    Failure::Connection(error)
                }
            })?;
            let shown = head.headers.iter().filter_map(|(name, value)| {
                Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
            });
            return Ok(Fetched {
                status: head.status.as_u16(),
                headers: shown.collect(),
                body: content.to_bytes(),
                url: uri.to_string(),
            });
        }
        Err(Failure::Redirect("too many"))
    }
}

fn headers(given: &[(String, String)]) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        if OURS.contains(&name.to_ascii_lowercase().as_str()) {
            continue;
        }
        let wrong = || Failure::Address("a header that can't be");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// Where a redirect leads; `None` for an answer that is none. None leads from TLS to plain text.
fn redirect(from: &Uri, status: StatusCode, headers: &HeaderMap) -> Result<Option<Uri>, Failure> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let target = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let Some(target) = target else {
        return Ok(None);
    };
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
    Ok(Some(to))
}
