//! What an operator asks of the queues and jobs of an app: of the store itself where that is free or
//! shared, else of the server that has it.

use crate::apps::AppTable;
use crate::config::Settings;
use crate::{run, tools};
use basalt_api_admin as admin;
use basalt_base::{Error, Network, Reason, Result};
use basalt_functions::{Egress, Outside, OutsideOptions, SystemResolver};
use http::Method;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;

/// Asks; `path` is below `/admin`. With `server` (`http://HOST:PORT`) that one is asked. Errors:
/// those of the route, `StoreUnavailable` when a server has the store and does not answer.
pub async fn operate(
    settings: &Settings,
    server: Option<&str>,
    path: &str,
    body: Option<&Value>,
) -> Result<Value> {
    let method = if body.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    let body = body.map(Value::to_string).unwrap_or_default();
    if let Some(server) = server {
        return ask(settings, server, method, path, body).await;
    }
    match table(settings).await {
        Ok(table) => admin::operate(&table, &method, path, body.as_bytes()).await,
        Err(error) if error.reason() == Reason::StoreLocked => {
            let server = address(settings).ok_or(error)?;
            ask(settings, &server, method, path, body).await
        }
        Err(error) => Err(error),
    }
}

async fn table(settings: &Settings) -> Result<AppTable> {
    let mut settings = settings.clone();
    run::settle(&mut settings)?;
    let parts = run::parts(&settings).await?;
    AppTable::load(parts, settings, String::new()).await
}

/// Where the server of these settings answers on this machine, if they say so.
fn address(settings: &Settings) -> Option<String> {
    let (scheme, named) = match &settings.tls_cert {
        // Its certificate is for a name, not for this machine.
        Some(_) => ("https", settings.public_url.clone()),
        None => ("http", None),
    };
    let first = || run::addresses(settings).ok()?.into_iter().next();
    named.or_else(|| {
        let mut address: SocketAddr = first().filter(|address| address.port() != 0)?;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        Some(format!("{scheme}://{address}"))
    })
}

async fn ask(
    settings: &Settings,
    server: &str,
    method: Method,
    path: &str,
    body: String,
) -> Result<Value> {
    let everywhere = ["0.0.0.0/0", "::/0"].iter();
    let everywhere = everywhere.filter_map(|text| text.parse::<Network>().ok());
    let options = OutsideOptions {
        egress: Egress::new(everywhere.collect()),
        answer_bytes_max: ANSWER_BYTES_MAX,
        ..OutsideOptions::default()
    };
    let outside = Outside::new(options, Arc::new(SystemResolver));
    let url = format!("{}/admin{path}", server.trim_end_matches('/'));
    let token = tools::operator_token(settings)?;
    let (status, answer) = outside.ask(method, &url, &token, body.into()).await?;
    let answer = serde_json::from_slice(&answer).unwrap_or(Value::Null);
    if status.is_success() {
        return Ok(answer);
    }
    Err(refusal(&answer))
}

/// An error that a server answered.
fn refusal(answer: &Value) -> Error {
    let named = answer["reason"].as_str().unwrap_or_default();
    let known = Reason::TABLE.iter().find(|(_, _, name, _)| *name == named);
    let message = answer["error"].as_str();
    let message = message.unwrap_or("The server answered with something else.");
    let reason = known.map_or(Reason::Internal, |(reason, ..)| *reason);
    Error::new(reason, message.to_owned())
}

/// Largest answer of a server: a page of tasks, or a thousand runs.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_this_machine_is_found_by_its_settings() {
        let of = |listen: &str| {
            address(&Settings {
                listen: listen.to_owned(),
                ..Settings::default()
            })
        };
        let found = |text: &str| Some(text.to_owned());
        assert_eq!(of("127.0.0.1:1337"), found("http://127.0.0.1:1337"));
        assert_eq!(of("0.0.0.0:80"), found("http://127.0.0.1:80"));
        assert_eq!(of("[::]:80"), found("http://[::1]:80"));
        assert_eq!(of("127.0.0.1:0"), None, "nobody knows");
    }

    #[test]
    fn refusals_keep_their_reason() {
        let answer = serde_json::json!({ "error": "No.", "reason": "object_not_found" });
        let error = refusal(&answer);
        assert_eq!(
            (error.reason(), error.message()),
            (Reason::ObjectNotFound, "No.")
        );
        assert_eq!(refusal(&Value::Null).reason(), Reason::Internal);
    }
}
