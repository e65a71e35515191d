//! What code has declared, and what it refused with.

use super::Answered;
use basalt_base::Value;
use serde_json::Value as Json;

/// What a version of code declares, in the words of whoever wrote the glue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declared {
    /// Functions: name and validator.
    pub functions: Vec<(String, Option<Value>)>,
    /// Triggers: kind, collection and validator.
    pub triggers: Vec<(String, String, Option<Value>)>,
    /// Jobs.
    pub jobs: Vec<String>,
}

/// Most declarations of one version.
const DECLARED_MAX: usize = 10_000;

impl Declared {
    /// Reads the words of a worker. Errors: why they make no sense.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let json: Json = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let list = |name: &str| {
            json.get(name)
                .and_then(Json::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let text = |json: &Json, name: &str| {
            let text = json.get(name).and_then(Json::as_str);
            text.map(str::to_owned)
                .ok_or_else(|| format!("a declaration has no {name}"))
        };
        let validator = |json: &Json| json.get("validator").filter(|v| !v.is_null()).map(value);
        let mut declared = Self::default();
        for function in list("functions") {
            declared
                .functions
                .push((text(&function, "name")?, validator(&function)));
        }
        for trigger in list("triggers") {
            let (kind, class) = (text(&trigger, "trigger")?, text(&trigger, "className")?);
            declared.triggers.push((kind, class, validator(&trigger)));
        }
        let jobs = list("jobs");
        declared.jobs = jobs
            .iter()
            .filter_map(Json::as_str)
            .map(str::to_owned)
            .collect();
        let count = declared.functions.len() + declared.triggers.len() + declared.jobs.len();
        if count > DECLARED_MAX {
            return Err(format!(
                "the code declares {count} things, more than {DECLARED_MAX}"
            ));
        }
        declared.jobs.sort();
        Ok(declared)
    }
}

/// JSON as a value of the engine.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => match n.as_i64() {
            Some(n) => Value::Int(n),
            None => Value::number(n.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::Array(items.iter().map(value).collect()),
        Json::Object(map) => Value::Map(map.iter().map(|(k, v)| (k.clone(), value(v))).collect()),
    }
}

/// The error that code ended with, as an answer: its message where webhooks have theirs.
pub(super) fn error(body: &[u8]) -> Answered {
    let json: Json = serde_json::from_slice(body).unwrap_or_default();
    let code = json.get("code").and_then(Json::as_i64);
    let code = code
        .and_then(|code| i32::try_from(code).ok())
        .unwrap_or(141);
    let message = json.get("message").cloned().unwrap_or_default();
    let empty = message.is_null() || message.as_str() == Some("") || message == Json::Bool(false);
    let message = if empty {
        Json::from("Script failed.")
    } else {
        message
    };
    Answered {
        body: serde_json::json!({ "error": message })
            .to_string()
            .into_bytes(),
        code: Some(code),
        context: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_read() {
        let text = br#"{"functions":[{"name":"a","validator":{"requireUser":true}},{"name":"b"}],
            "triggers":[{"trigger":"beforeSave","className":"Post"}],"jobs":["z","y"]}"#;
        let declared = Declared::read(text).unwrap();
        assert_eq!(declared.functions.len(), 2);
        assert!(declared.functions[0].1.is_some() && declared.functions[1].1.is_none());
        assert_eq!(declared.triggers[0].1, "Post");
        assert_eq!(declared.jobs, ["y", "z"]);
        assert!(Declared::read(b"{\"functions\":[{}]}").is_err());
        assert!(Declared::read(b"x").is_err());
    }

    #[test]
    fn errors_keep_their_code_and_message() {
        let answered = error(br#"{"code":4000,"message":{"a":1}}"#);
        assert_eq!(answered.code, Some(4000));
        assert_eq!(answered.body, br#"{"error":{"a":1}}"#);
        assert_eq!(error(b"x").code, Some(141));
        assert_eq!(error(b"x").body, br#"{"error":"Script failed."}"#);
    }
}
