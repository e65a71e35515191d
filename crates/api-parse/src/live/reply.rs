//! Messages to a client.

use crate::encode::{Fields, int, string};
use crate::errors::{Form, wire};
use basalt_base::Error;

/// What every message to a client begins with.
pub struct Head {
    text: Vec<u8>,
}

impl Head {
    /// For a client by its id.
    pub fn new(client_id: &str, installation_id: Option<&str>) -> Self {
        let mut text = Vec::with_capacity(96);
        text.extend_from_slice(b"{\"clientId\":");
        string(&mut text, client_id);
        if let Some(id) = installation_id {
            text.extend_from_slice(b",\"installationId\":");
            string(&mut text, id);
        }
        text.push(b',');
        Self { text }
    }

    /// An event: the client's part, then what all are sent alike.
    pub fn event(&self, request_id: i64, body: &[u8]) -> String {
        let mut out = Vec::with_capacity(self.text.len() + body.len() + 40);
        out.extend_from_slice(&self.text);
        out.extend_from_slice(b"\"requestId\":");
        int(&mut out, request_id);
        out.push(b',');
        out.extend_from_slice(body);
        text(out)
    }

    /// A message of one operation.
    pub fn told(&self, op: &str, request_id: Option<i64>, position: Option<&str>) -> String {
        let mut body = Vec::with_capacity(64);
        let mut fields = Fields::open(&mut body);
        fields.text("op", op);
        if let Some(id) = request_id {
            int(fields.key("requestId"), id);
        }
        if let Some(position) = position {
            fields.text("position", position);
        }
        fields.close();
        let mut out = self.text.clone();
        out.extend_from_slice(&body[1..]);
        text(out)
    }
}

/// An error by its code; `reconnect`: whether the client should try again with a new socket.
pub fn error(code: i32, message: &str, reconnect: bool, request_id: Option<i64>) -> String {
    let mut out = Vec::with_capacity(96 + message.len());
    let mut fields = Fields::open(&mut out);
    fields.text("op", "error");
    fields.text("error", message);
    int(fields.key("code"), i64::from(code));
    fields.raw("reconnect", if reconnect { b"true" } else { b"false" });
    if let Some(id) = request_id {
        int(fields.key("requestId"), id);
    }
    fields.close();
    text(out)
}

/// An error of the engine, which says nothing of its cause.
pub fn failed(failure: &Error, request_id: Option<i64>) -> String {
    const INTERNAL: i32 = 1;
    const FORBIDDEN: i32 = 119;
    let (code, message) = match wire(failure.reason()).1 {
        Form::Coded(code) => (code, failure.message()),
        Form::Bare => (FORBIDDEN, failure.message()),
        Form::Internal => (INTERNAL, "Internal server error."),
    };
    error(code, message, false, request_id)
}

/// What is written is made of text.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}
