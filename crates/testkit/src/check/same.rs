//! Whether two values are the same to a client.

use serde_json::Value;

use crate::history::Fields;

/// Fields that the server adds.
const ADDED: &[&str] = &["objectId", "createdAt", "updatedAt", "ACL"];

/// The fields of an object as a client set them.
pub fn fields(object: &Value) -> Fields {
    let all = object.as_object().into_iter().flatten();
    all.filter(|(name, _)| !ADDED.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Whether two objects have the same fields with the same values.
pub fn same_fields(one: &Fields, other: &Fields) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
}

/// `1` and `1.0` are the same number in JavaScript, the order of keys does not count.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => same_fields(one, other),
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_compare_as_a_client_sees_them() {
        let cases = [
            (
                json!({"a": 1, "b": [1.0]}),
                json!({"b": [1], "a": 1.0}),
                true,
            ),
            (json!({"a": 1}), json!({"a": "1"}), false),
            (json!({"a": [1, 2]}), json!({"a": [2, 1]}), false),
            (json!({"a": null}), json!({}), false),
            (json!({"a": 1, "objectId": "x"}), json!({"a": 1}), true),
        ];
        for (one, other, expected) in cases {
            let got = same_fields(&fields(&one), &fields(&other));
            assert_eq!(got, expected, "{one} and {other}");
        }
    }
}
