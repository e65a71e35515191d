//! What a request presents of itself: in headers, in HTTP Basic, or within its body.

use crate::decode::{fail, plain};
use crate::json::{Json, Object, parse};
use basalt_base::{Limits, Map, Reason, Result, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap};
use std::borrow::Cow;

/// A context may nest this deep.
const CONTEXT_DEPTH_MAX: usize = 20;

/// A context comes in a header, before the app and its limits are known.
fn context_limits() -> Limits {
    Limits {
        json_depth_max: CONTEXT_DEPTH_MAX,
        ..Limits::default()
    }
}

/// The app, the keys and the rest of what comes beside an operation.
#[derive(Clone, Debug, Default)]
pub struct Presented<'a> {
    /// The app's id.
    pub app: Option<Cow<'a, str>>,
    /// The master key, or the read-only one.
    pub master_key: Option<Cow<'a, str>>,
    /// The maintenance key.
    pub maintenance_key: Option<Cow<'a, str>>,
    /// A client's keys.
    pub rest_key: Option<Cow<'a, str>>,
    /// See `rest_key`.
    pub javascript_key: Option<Cow<'a, str>>,
    /// See `rest_key`.
    pub client_key: Option<Cow<'a, str>>,
    /// See `rest_key`.
    pub windows_key: Option<Cow<'a, str>>,
    /// The session's token.
    pub session_token: Option<Cow<'a, str>>,
    /// The client's installation.
    pub installation_id: Option<Cow<'a, str>>,
    /// The id under which this request is done at most once.
    pub request_id: Option<Cow<'a, str>>,
    /// What is handed to hooks.
    pub context: Map,
}

impl<'a> Presented<'a> {
    /// Reads the headers. Errors: `InvalidJson` for values that are not what they must be.
    pub fn from_headers(headers: &'a HeaderMap) -> Result<Self> {
        let mut presented = Self::default();
        let mut context_text = None;
        let mut previous = None;
        for (name, value) in headers {
            // Of a header that came several times, the first one counts.
            if previous.replace(name) == Some(name) {
                continue;
            }
            let Some(what) = name.as_str().strip_prefix("x-parse-") else {
                continue;
            };
            let slot = match what {
                "application-id" => &mut presented.app,
                "master-key" => &mut presented.master_key,
                "maintenance-key" => &mut presented.maintenance_key,
                "rest-api-key" => &mut presented.rest_key,
                "javascript-key" => &mut presented.javascript_key,
                "client-key" => &mut presented.client_key,
                "windows-key" => &mut presented.windows_key,
                "session-token" => &mut presented.session_token,
                "installation-id" => &mut presented.installation_id,
                "request-id" => &mut presented.request_id,
                "cloud-context" => &mut context_text,
                _ => continue,
            };
            let Ok(text) = value.to_str() else {
                let message = format!("The header {name} holds more than plain text.");
                return Err(fail(Reason::InvalidJson, message));
            };
            *slot = (!text.is_empty()).then_some(Cow::Borrowed(text));
        }
        if let Some(text) = context_text {
            presented.context = context(&Json::String(text))?;
        }
        Ok(presented)
    }

    /// The app and key of HTTP Basic: the user is the app, the password the master key or
    /// `javascript-key=KEY`. The caller decides whether the app exists.
    pub fn basic(headers: &HeaderMap) -> Option<Basic> {
        let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, encoded) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (app, password) = decoded.split_once(':')?;
        Some(Basic {
            app: app.to_owned(),
            javascript_key: password
                .strip_prefix("javascript-key=")
                .map(ToOwned::to_owned),
            master_key: (!password.starts_with("javascript-key=") && !password.is_empty())
                .then(|| password.to_owned()),
        })
    }

    /// Takes what the body-embedded style carries out of the body. Errors: `Unauthorized`,
    /// `InvalidSession` and `InvalidJson` for values that are no text.
    pub fn take_from(&mut self, body: &mut Object<'a>) -> Result<()> {
        body.remove("_RevocableSession");
        self.app = text(body, "_ApplicationId", unauthorized)?;
        self.javascript_key = text(body, "_JavaScriptKey", unauthorized)?;
        text(body, "_ClientVersion", || not_text("_ClientVersion"))?;
        body.remove("_ContentType");
        let bad_token = || fail(Reason::InvalidSession, "Invalid session token");
        let found = [
            (
                &mut self.installation_id,
                text(body, "_InstallationId", || not_text("_InstallationId"))?,
            ),
            (
                &mut self.session_token,
                text(body, "_SessionToken", bad_token)?,
            ),
            (
                &mut self.master_key,
                text(body, "_MasterKey", unauthorized)?,
            ),
        ];
        for (slot, value) in found {
            if value.is_some() {
                *slot = value;
            }
        }
        if let Some(json) = body.remove("_context")
            && json != Json::Null
        {
            self.context = context(&json)?;
        }
        Ok(())
    }
}

/// What HTTP Basic carried.
#[derive(Debug)]
pub struct Basic {
    /// The app.
    pub app: String,
    /// The master key.
    pub master_key: Option<String>,
    /// The JavaScript key.
    pub javascript_key: Option<String>,
}

fn unauthorized() -> basalt_base::Error {
    fail(Reason::Unauthorized, "unauthorized")
}

fn not_text(name: &str) -> basalt_base::Error {
    fail(Reason::InvalidJson, format!("{name} must be a string."))
}

fn text<'a>(
    body: &mut Object<'a>,
    key: &str,
    wrong: impl Fn() -> basalt_base::Error,
) -> Result<Option<Cow<'a, str>>> {
    match body.remove(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok((!text.is_empty()).then_some(text)),
        Some(_) => Err(wrong()),
    }
}

/// A context: an object, or the JSON of one as text.
fn context(json: &Json<'_>) -> Result<Map> {
    let bad = || fail(Reason::InvalidJson, "Invalid object for context.");
    let parsed;
    let json = match json {
        Json::String(text) => {
            parsed = parse(text.as_bytes(), &context_limits()).map_err(|_| bad())?;
            &parsed
        }
        other => other,
    };
    match plain(json) {
        Value::Map(map) => Ok(map),
        _ => Err(bad()),
    }
}
