//! The Parse protocol, as far as the tests speak it.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::history::Outcome;
use crate::http::{Answer, Client, Failure, escape};
use crate::server::{APP_ID, MASTER_KEY, REST_KEY};

/// Objects asked for in one query of a scan.
const PAGE: usize = 1000;

/// A client with the rights of one key.
#[derive(Debug)]
pub struct Parse {
    client: Client,
}

impl Parse {
    /// With the REST key, as an app's own client has it.
    pub fn rest(address: SocketAddr) -> Self {
        Self::with(address, ("X-Parse-REST-API-Key", REST_KEY))
    }

    /// With the master key.
    pub fn master(address: SocketAddr) -> Self {
        Self::with(address, ("X-Parse-Master-Key", MASTER_KEY))
    }

    fn with(address: SocketAddr, key: (&str, &str)) -> Self {
        let headers = [("X-Parse-Application-Id", APP_ID), key];
        Self {
            client: Client::new(address, &headers),
        }
    }

    /// As a user: the REST key and a session token.
    pub fn user(address: SocketAddr, token: &str) -> Self {
        let headers = [
            ("X-Parse-Application-Id", APP_ID),
            ("X-Parse-REST-API-Key", REST_KEY),
            ("X-Parse-Session-Token", token),
        ];
        Self {
            client: Client::new(address, &headers),
        }
    }

    /// The HTTP client below, for requests that are not answered at once.
    pub fn into_client(self) -> Client {
        self.client
    }

    /// Sends one request; `path` is what stands behind `/parse`.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        self.client.send(method, &format!("/parse{path}"), body)
    }

    /// Sends a write and says what it came to.
    pub fn write(&mut self, method: &str, path: &str, body: Option<&Value>) -> Outcome {
        Outcome::of(self.send(method, path, body))
    }

    /// Reads; an error unless the answer is a 200.
    pub fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        let answer = self.send("GET", path, None)?;
        if answer.status != 200 {
            bail!("GET {path}: {} {}", answer.status, answer.body);
        }
        Ok(answer.body)
    }

    /// Creates an object that must be accepted; its id.
    pub fn create(&mut self, class: &str, fields: &Value) -> anyhow::Result<String> {
        let path = class_path(class);
        let answer = self.send("POST", &path, Some(fields))?;
        let id = answer.body["objectId"].as_str();
        id.map(str::to_owned)
            .with_context(|| format!("POST {path}: {} {}", answer.status, answer.body))
    }

    /// All objects of a class in the order of their ids; none if there is no such class.
    pub fn all(&mut self, class: &str) -> anyhow::Result<Vec<Value>> {
        let mut objects: Vec<Value> = Vec::new();
        loop {
            let condition = match objects.last() {
                None => json!({}),
                Some(last) => json!({"objectId": {"$gt": last["objectId"]}}),
            };
            let path = format!(
                "{}?limit={PAGE}&order=objectId&where={}",
                class_path(class),
                escape(&condition.to_string())
            );
            let Value::Array(page) = self.get(&path)?["results"].take() else {
                bail!("GET {path}: no results");
            };
            let last = page.len() < PAGE;
            objects.extend(page);
            if last {
                return Ok(objects);
            }
        }
    }

    /// How many objects a class has.
    pub fn count(&mut self, class: &str) -> anyhow::Result<u64> {
        let path = format!("{}?limit=0&count=1", class_path(class));
        let answer = self.get(&path)?;
        answer["count"]
            .as_u64()
            .with_context(|| format!("GET {path}: {answer}"))
    }
}

/// The path of a class behind `/parse`.
pub fn class_path(class: &str) -> String {
    match class {
        "_User" => "/users".to_owned(),
        "_Role" => "/roles".to_owned(),
        _ => format!("/classes/{class}"),
    }
}

/// The path of an object behind `/parse`.
pub fn object_path(class: &str, id: &str) -> String {
    format!("{}/{id}", class_path(class))
}

/// A pointer to an object.
pub fn pointer(class: &str, id: &str) -> Value {
    json!({"__type": "Pointer", "className": class, "objectId": id})
}

/// One request of a batch.
pub fn part(method: &str, path: &str, body: &Value) -> Value {
    json!({"method": method, "path": format!("/parse{path}"), "body": body})
}

/// The text of a field, empty if it is something else.
pub fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}
