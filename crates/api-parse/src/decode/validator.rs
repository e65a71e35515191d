//! Validators and rate limits, as they are declared.

use super::fail;
use basalt_base::{Error, Map, Reason, Result, Value};
use basalt_functions::{
    FieldRule, Methods, Pattern, RateRule, UserKeys, Validator, ValueType, Zone,
};
use std::time::Duration;

const TOO_MANY: &str = "Too many requests.";
const DAY_MS_MAX: f64 = 366.0 * 86_400_000.0;

fn wrong(name: &str) -> Error {
    fail(
        Reason::InvalidHook,
        format!("{name} is not a supported option of a Cloud Function validation."),
    )
}

/// Reads a validator. Errors: `InvalidHook`, for an unknown option or one of the wrong form.
pub fn validator(declared: &Value) -> Result<Validator> {
    let map = declared.as_map().ok_or_else(|| wrong("validator"))?;
    let mut validator = Validator::default();
    for (name, value) in map {
        let flag = || value.as_bool().ok_or_else(|| wrong(name));
        match name.as_str() {
            "requireUser" => validator.require_user = flag()?,
            "requireMaster" => validator.require_master = flag()?,
            "validateMasterKey" => validator.validate_master_key = flag()?,
            "skipWithMasterKey" => validator.skip_with_master_key = flag()?,
            "requireAnyUserRoles" => validator.roles.any = Some(texts(name, value)?),
            "requireAllUserRoles" => validator.roles.all = Some(texts(name, value)?),
            "requireUserKeys" => validator.user_keys = Some(user_keys(value)?),
            "fields" => validator.fields = fields(value)?,
            "rateLimit" => validator.rate = Some(rate_rule(value)?),
            _ => return Err(wrong(name)),
        }
    }
    Ok(validator)
}

fn texts(name: &str, value: &Value) -> Result<Vec<Box<str>>> {
    let items = value.as_array().ok_or_else(|| wrong(name))?;
    let text = |item: &Value| item.as_str().map(Into::into).ok_or_else(|| wrong(name));
    items.iter().map(text).collect()
}

fn user_keys(value: &Value) -> Result<UserKeys> {
    match value {
        Value::Array(_) => Ok(UserKeys::Present(texts("requireUserKeys", value)?)),
        Value::Map(map) => {
            let rules = map.iter().map(|(name, rule)| field(name, rule));
            Ok(UserKeys::Values(rules.collect::<Result<_>>()?))
        }
        _ => Err(wrong("requireUserKeys")),
    }
}

fn fields(value: &Value) -> Result<Vec<FieldRule>> {
    match value {
        Value::Array(_) => {
            let names = texts("fields", value)?;
            let rule = |name| FieldRule {
                name,
                required: true,
                ..FieldRule::default()
            };
            Ok(names.into_iter().map(rule).collect())
        }
        Value::Map(map) => map.iter().map(|(name, rule)| field(name, rule)).collect(),
        _ => Err(wrong("fields")),
    }
}

fn field(name: &str, value: &Value) -> Result<FieldRule> {
    let mut rule = FieldRule {
        name: name.into(),
        ..FieldRule::default()
    };
    let map = match value {
        Value::Map(map) => map,
        // A name in the place of a rule: that it must be there.
        Value::String(required) => {
            return Ok(FieldRule {
                name: required.as_str().into(),
                required: true,
                ..rule
            });
        }
        _ => return Err(wrong(name)),
    };
    for (option, value) in map {
        let flag = || value.as_bool().ok_or_else(|| wrong(option));
        match option.as_str() {
            "required" => rule.required = flag()?,
            "constant" => rule.constant = flag()?,
            "default" => rule.default = Some(value.clone()).filter(|v| *v != Value::Null),
            "type" => rule.ty = Some(value_type(value).ok_or_else(|| wrong(option))?),
            "error" => {
                rule.error = Some(value.as_str().ok_or_else(|| wrong(option))?.to_owned());
            }
            "options" => {
                rule.options = Some(match value {
                    Value::Array(items) => items.clone(),
                    one => vec![one.clone()],
                });
            }
            _ => return Err(wrong(option)),
        }
    }
    Ok(rule)
}

fn value_type(value: &Value) -> Option<ValueType> {
    let name = value.as_str()?.to_ascii_lowercase();
    Some(match name.as_str() {
        "string" => ValueType::String,
        "number" => ValueType::Number,
        "boolean" => ValueType::Boolean,
        "array" => ValueType::Array,
        "object" => ValueType::Object,
        _ => return None,
    })
}

/// Reads a rate limit. Errors: `InvalidHook`.
pub fn rate_rule(declared: &Value) -> Result<RateRule> {
    let bad = |name: &str| {
        fail(
            Reason::InvalidHook,
            format!("Invalid rate limit option \"{name}\""),
        )
    };
    let map: &Map = declared.as_map().ok_or_else(|| bad("rateLimit"))?;
    let mut rule = RateRule {
        path: None,
        window: Duration::ZERO,
        count: 0,
        methods: Methods::All,
        include_master: false,
        include_internal: false,
        message: TOO_MANY.to_owned(),
        zone: Zone::Ip,
    };
    let number = |value: &Value| value.as_f64().filter(|n| *n >= 1.0 && *n <= DAY_MS_MAX);
    for (name, value) in map {
        let text = || value.as_str().ok_or_else(|| bad(name));
        let flag = || value.as_bool().ok_or_else(|| bad(name));
        match name.as_str() {
            "requestPath" => rule.path = Some(Pattern::parse(text()?).map_err(|_| bad(name))?),
            "requestTimeWindow" => {
                let ms = number(value).ok_or_else(|| bad(name))?;
                rule.window = Duration::from_millis(ms as u64);
            }
            "requestCount" => rule.count = number(value).ok_or_else(|| bad(name))? as u64,
            "requestMethods" => rule.methods = methods(value).ok_or_else(|| bad(name))?,
            "includeMasterKey" => rule.include_master = flag()?,
            "includeInternalRequests" => rule.include_internal = flag()?,
            "errorResponseMessage" => text()?.clone_into(&mut rule.message),
            "zone" => {
                rule.zone = match text()? {
                    "global" => Zone::Global,
                    "ip" => Zone::Ip,
                    "user" => Zone::User,
                    "session" => Zone::Session,
                    _ => return Err(bad(name)),
                }
            }
            // Counts are kept in this process.
            _ => return Err(bad(name)),
        }
    }
    if rule.window.is_zero() {
        return Err(bad("requestTimeWindow"));
    }
    if rule.count == 0 {
        return Err(bad("requestCount"));
    }
    Ok(rule)
}

fn methods(value: &Value) -> Option<Methods> {
    match value {
        Value::Array(items) => {
            let list = items.iter().map(|item| item.as_str().map(Into::into));
            Some(Methods::Of(list.collect::<Option<_>>()?))
        }
        Value::String(pattern) => Methods::matching(pattern),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Value {
        let json = crate::json::parse(text.as_bytes(), &basalt_base::Limits::default()).unwrap();
        super::super::plain(&json)
    }

    #[test]
    fn all_options_are_read() {
        let text = r#"{"requireUser":true,"requireMaster":false,"validateMasterKey":true,
            "skipWithMasterKey":true,"requireAnyUserRoles":["a"],"requireAllUserRoles":["b"],
            "requireUserKeys":{"age":{"options":[1,2],"error":"too old"}},
            "fields":{"n":{"type":"Number","required":true,"default":5,"constant":true,
            "options":[5],"error":"no"}},
            "rateLimit":{"requestTimeWindow":1000,"requestCount":3,"zone":"user",
            "requestMethods":["POST"],"includeMasterKey":true}}"#;
        let read = validator(&of(text)).unwrap();
        assert!(read.require_user && read.validate_master_key && read.skip_with_master_key);
        assert_eq!(read.fields[0].ty, Some(ValueType::Number));
        assert_eq!(read.rate.unwrap().zone, Zone::User);
        assert!(matches!(read.user_keys, Some(UserKeys::Values(_))));
        let short = validator(&of(r#"{"fields":["a","b"],"requireUserKeys":["c"]}"#)).unwrap();
        assert!(short.fields.iter().all(|rule| rule.required));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "[]",
            r#"{"x":1}"#,
            r#"{"requireUser":1}"#,
            r#"{"fields":{"n":{"type":"Date"}}}"#,
            r#"{"fields":5}"#,
            r#"{"rateLimit":{"requestCount":3}}"#,
            r#"{"rateLimit":{"requestCount":-3,"requestTimeWindow":1}}"#,
            r#"{"rateLimit":{"requestCount":3,"requestTimeWindow":1,"requestPath":"/(a"}}"#,
        ] {
            let error = validator(&of(text)).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidHook, "{text}");
        }
    }
}
