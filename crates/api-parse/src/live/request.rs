//! Messages from a client. Each kind takes the properties in its table and no others.

use crate::json::{Json, Object, parse};
use basalt_base::Limits;

/// What a client asks for.
#[derive(Debug, PartialEq)]
pub enum Message {
    /// To be let in.
    Connect(Connect),
    /// Events of a query.
    Subscribe(Ask),
    /// Another query in the place of one.
    Update(Ask),
    /// No more events of a query.
    Unsubscribe(i64),
}

/// Who connects.
#[derive(Debug, Default, PartialEq)]
pub struct Connect {
    pub app: String,
    pub javascript_key: Option<String>,
    pub master_key: Option<String>,
    pub client_key: Option<String>,
    pub windows_key: Option<String>,
    pub rest_key: Option<String>,
    pub session_token: Option<String>,
    pub installation_id: Option<String>,
}

/// A query as asked.
#[derive(Debug, PartialEq)]
pub struct Ask {
    pub request_id: i64,
    pub session_token: Option<String>,
    /// Where to go on: an extension of ours.
    pub position: Option<String>,
    pub class: String,
    /// The JSON of the condition.
    pub filter: Json<'static>,
    pub keys: Option<Vec<String>>,
    pub watch: Option<Vec<String>>,
}

/// Why a message is none.
#[derive(Debug, PartialEq)]
pub struct Malformed {
    pub code: i32,
    pub message: String,
    pub request_id: Option<i64>,
}

/// The message does not have the form that it must have.
const BAD_SCHEMA: i32 = 1;
/// There is no such operation.
const UNKNOWN_OPERATION: i32 = 3;
/// Clients look for exactly this.
const ADDITIONAL: &str = "Additional properties not allowed";
/// Longest id, key or token in bytes.
const TEXT_BYTES_MAX: usize = 1_024;
/// Most names in `keys` and `watch`.
const NAMES_MAX: usize = 1_000;

type Result<T> = std::result::Result<T, Malformed>;

fn bad(message: impl Into<String>) -> Malformed {
    Malformed {
        code: BAD_SCHEMA,
        message: message.into(),
        request_id: None,
    }
}

const CONNECT: &[&str] = &[
    "op",
    "applicationId",
    "javascriptKey",
    "masterKey",
    "clientKey",
    "windowsKey",
    "restAPIKey",
    "sessionToken",
    "installationId",
];
const SUBSCRIBE: &[&str] = &["op", "requestId", "query", "sessionToken", "position"];
const QUERY: &[&str] = &["className", "where", "keys", "fields", "watch"];
const UNSUBSCRIBE: &[&str] = &["op", "requestId"];

/// Reads a message.
pub fn read(text: &str, limits: &Limits) -> Result<Message> {
    let json = parse(text.as_bytes(), limits).map_err(|error| bad(error.message().to_owned()))?;
    let object = json.as_object().ok_or_else(|| invalid(&json, "object"))?;
    let op = match object.get("op") {
        None => return Err(bad("Missing required property: op")),
        Some(Json::String(op)) => &**op,
        Some(other) => return Err(invalid(other, "string")),
    };
    match op {
        "connect" => connect(object),
        "subscribe" | "update" => {
            let id = object.get("requestId").and_then(number);
            let ask = ask(object).map_err(|malformed| Malformed {
                request_id: id,
                ..malformed
            })?;
            Ok(match op {
                "update" => Message::Update(ask),
                _ => Message::Subscribe(ask),
            })
        }
        "unsubscribe" => {
            only(object, UNSUBSCRIBE)?;
            Ok(Message::Unsubscribe(request_id(object)?))
        }
        _ => Err(Malformed {
            code: UNKNOWN_OPERATION,
            message: "Get unknown operation".to_owned(),
            request_id: None,
        }),
    }
}

fn only(object: &Object<'_>, known: &[&str]) -> Result<()> {
    if object.iter().all(|(key, _)| known.contains(&key)) {
        Ok(())
    } else {
        Err(bad(ADDITIONAL))
    }
}

fn invalid(json: &Json<'_>, expected: &str) -> Malformed {
    let found = match json {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Int(_) | Json::Double(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    bad(format!("Invalid type: {found} (expected {expected})"))
}

/// A text; clients send null for what they don't have.
fn text(object: &Object<'_>, key: &str) -> Result<Option<String>> {
    match object.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) if text.len() > TEXT_BYTES_MAX => {
            Err(bad(format!("{key} is too long")))
        }
        Some(Json::String(text)) => Ok((!text.is_empty()).then(|| text.to_string())),
        Some(other) => Err(invalid(other, "string")),
    }
}

fn number(json: &Json<'_>) -> Option<i64> {
    match json {
        Json::Int(id) => Some(*id),
        _ => None,
    }
}

fn request_id(object: &Object<'_>) -> Result<i64> {
    match object.get("requestId") {
        None => Err(bad("Missing required property: requestId")),
        Some(json) => number(json).ok_or_else(|| invalid(json, "number")),
    }
}

fn names(object: &Object<'_>, key: &str) -> Result<Option<Vec<String>>> {
    let items = match object.get(key) {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::Array(items)) => items,
        Some(other) => return Err(invalid(other, "array")),
    };
    if items.is_empty() {
        return Err(bad("Array is too short (0), minimum 1"));
    }
    if items.len() > NAMES_MAX {
        return Err(bad(format!("{key} has too many names")));
    }
    let mut names: Vec<String> = Vec::with_capacity(items.len());
    for item in items {
        let name = item.as_str().ok_or_else(|| invalid(item, "string"))?;
        if names.iter().any(|known| known == name) {
            return Err(bad("Array items are not unique"));
        }
        names.push(name.to_owned());
    }
    Ok(Some(names))
}

fn connect(object: &Object<'_>) -> Result<Message> {
    only(object, CONNECT)?;
    let app = text(object, "applicationId")?;
    Ok(Message::Connect(Connect {
        app: app.ok_or_else(|| bad("Missing required property: applicationId"))?,
        javascript_key: text(object, "javascriptKey")?,
        master_key: text(object, "masterKey")?,
        client_key: text(object, "clientKey")?,
        windows_key: text(object, "windowsKey")?,
        rest_key: text(object, "restAPIKey")?,
        session_token: text(object, "sessionToken")?,
        installation_id: text(object, "installationId")?,
    }))
}

fn ask(object: &Object<'_>) -> Result<Ask> {
    only(object, SUBSCRIBE)?;
    let request_id = request_id(object)?;
    let query = match object.get("query") {
        None => return Err(bad("Missing required property: query")),
        Some(query) => query.as_object().ok_or_else(|| invalid(query, "object"))?,
    };
    only(query, QUERY)?;
    let filter = match query.get("where") {
        None => return Err(bad("Missing required property: where")),
        Some(filter @ Json::Object(_)) => owned(filter),
        Some(other) => return Err(invalid(other, "object")),
    };
    let class = match query.get("className") {
        None => return Err(bad("Missing required property: className")),
        Some(Json::String(class)) => class.to_string(),
        Some(other) => return Err(invalid(other, "string")),
    };
    // The older name of the same.
    let fields = names(query, "fields")?;
    Ok(Ask {
        request_id,
        session_token: text(object, "sessionToken")?,
        position: text(object, "position")?,
        class,
        filter,
        keys: names(query, "keys")?.or(fields),
        watch: names(query, "watch")?,
    })
}

/// The same without borrowing from the message.
fn owned(json: &Json<'_>) -> Json<'static> {
    match json {
        Json::Null => Json::Null,
        Json::Bool(b) => Json::Bool(*b),
        Json::Int(n) => Json::Int(*n),
        Json::Double(n) => Json::Double(*n),
        Json::String(text) => Json::String(text.to_string().into()),
        Json::Array(items) => Json::Array(items.iter().map(owned).collect()),
        Json::Object(object) => {
            let entries = object.iter();
            Json::Object(
                entries
                    .map(|(key, item)| (key.to_owned().into(), owned(item)))
                    .collect(),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (i32, String) {
        let malformed = read(text, &Limits::default()).unwrap_err();
        (malformed.code, malformed.message)
    }

    #[test]
    fn messages_are_read() {
        let read = |text| read(text, &Limits::default()).unwrap();
        let connect = Connect {
            app: "a".to_owned(),
            rest_key: Some("k".to_owned()),
            ..Connect::default()
        };
        assert_eq!(
            read(r#"{"op":"connect","applicationId":"a","restAPIKey":"k","sessionToken":null}"#),
            Message::Connect(connect)
        );
        assert_eq!(
            read(r#"{"op":"unsubscribe","requestId":7}"#),
            Message::Unsubscribe(7)
        );
        let ask = read(
            r#"{"op":"subscribe","requestId":1,"position":"1-2","query":{"className":"A","where":{"a":1},"fields":["x"],"watch":["y"]}}"#,
        );
        let Message::Subscribe(ask) = ask else {
            panic!("{ask:?}");
        };
        assert_eq!(ask.class, "A");
        assert_eq!(ask.keys, Some(vec!["x".to_owned()]));
        assert_eq!(ask.watch, Some(vec!["y".to_owned()]));
        assert_eq!(ask.position.as_deref(), Some("1-2"));
    }

    #[test]
    fn what_has_another_form_is_refused() {
        let table = [
            ("[]", 1, "Invalid type: array (expected object)"),
            ("{}", 1, "Missing required property: op"),
            (r#"{"op":1}"#, 1, "Invalid type: number (expected string)"),
            (r#"{"op":"shout"}"#, 3, "Get unknown operation"),
            (
                r#"{"op":"connect"}"#,
                1,
                "Missing required property: applicationId",
            ),
            (
                r#"{"op":"connect","applicationId":"a","more":1}"#,
                1,
                ADDITIONAL,
            ),
            (
                r#"{"op":"connect","applicationId":{"$ne":1}}"#,
                1,
                "Invalid type: object (expected string)",
            ),
            (
                r#"{"op":"subscribe","requestId":"1","query":{"className":"A","where":{}}}"#,
                1,
                "Invalid type: string (expected number)",
            ),
            (
                r#"{"op":"subscribe","requestId":1,"query":{"className":"A","where":{},"limit":1}}"#,
                1,
                ADDITIONAL,
            ),
            (
                r#"{"op":"subscribe","requestId":1,"query":{"className":"A"}}"#,
                1,
                "Missing required property: where",
            ),
            (
                r#"{"op":"update","requestId":1,"query":{"className":"A","where":{},"keys":[]}}"#,
                1,
                "Array is too short (0), minimum 1",
            ),
            (
                r#"{"op":"update","requestId":1,"query":{"className":"A","where":{},"watch":["a","a"]}}"#,
                1,
                "Array items are not unique",
            ),
            (
                r#"{"op":"unsubscribe","requestId":1,"query":{}}"#,
                1,
                ADDITIONAL,
            ),
        ];
        for (text, code, message) in table {
            assert_eq!(refused(text), (code, message.to_owned()), "{text}");
        }
        assert_eq!(refused("{").0, 1);
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        assert_eq!(refused(&deep).0, 1);
    }
}
