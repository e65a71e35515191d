//! The index over subscriptions: the value that a filter asks for at the least.

use basalt_base::Value;
use basalt_store::{FieldRef, Filter, Path, Record, Test};

/// A value as the index has it. Different values may share a key; the filter decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// Text, and references by their id: text given for a reference means its id.
    Text(Box<str>),
    Int(i64),
    Bool(bool),
}

fn key(value: &Value) -> Option<Key> {
    Some(match value {
        Value::String(text) => Key::Text(text.as_str().into()),
        Value::Reference(reference) => Key::Text(reference.id.as_str().into()),
        Value::Int(n) => Key::Int(*n),
        Value::Bool(b) => Key::Bool(*b),
        _ => return None,
    })
}

/// A field and the keys of which an object has one if the filter matches it.
pub(crate) type Anchor = (FieldRef, Vec<Key>);

/// The best anchor of a filter, if there is one: the id before other fields, few values before
/// many.
pub(crate) fn anchor(filter: &Filter) -> Option<Anchor> {
    match filter {
        Filter::And(parts) => {
            let anchors = parts.iter().filter_map(anchor);
            anchors.min_by_key(|(field, keys)| (keys.len(), *field != FieldRef::Id))
        }
        Filter::Test(path, test) if path.rest.is_empty() => {
            let values = match test {
                Test::Eq(value) => std::slice::from_ref(value),
                Test::In(values) => values.as_slice(),
                _ => return None,
            };
            let keys: Vec<Key> = values.iter().map(key).collect::<Option<_>>()?;
            anchored(path).then(|| (path.root.clone(), keys))
        }
        _ => None,
    }
}

fn anchored(path: &Path) -> bool {
    matches!(path.root, FieldRef::Id | FieldRef::Named(_))
}

/// Calls `found` with each key that an object has at a field; one may come several times.
pub(crate) fn keys_of(record: &Record, field: &FieldRef, found: &mut impl FnMut(Key)) {
    match field {
        FieldRef::Id => found(Key::Text(record.id.clone())),
        FieldRef::Named(name) => match record.get(name) {
            Some(Value::Array(items)) => items.iter().filter_map(key).for_each(found),
            Some(value) => key(value).into_iter().for_each(found),
            None => {}
        },
        FieldRef::CreatedAt | FieldRef::UpdatedAt => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_test_anchors_a_filter() {
        let eq = |name: &str, value: Value| Filter::test(name, Test::Eq(value));
        let many = Filter::test("a", Test::In(vec![Value::Int(1), Value::Int(2)]));
        let table = [
            (many.clone(), Some("a")),
            (
                Filter::And(vec![many.clone(), eq("b", Value::Bool(true))]),
                Some("b"),
            ),
            (Filter::And(vec![many, eq("c", Value::Null)]), Some("a")),
            (eq("d.e", Value::Int(1)), None),
            (Filter::Or(vec![eq("a", Value::Int(1))]), None),
            (Filter::Not(Box::new(eq("a", Value::Int(1)))), None),
            (eq("a", Value::Double(0.5)), None),
        ];
        for (filter, field) in table {
            let found = anchor(&filter).map(|(field, _)| field);
            let wanted = field.map(|name| FieldRef::Named(name.into()));
            assert_eq!(found, wanted, "{filter:?}");
        }
        let both = Filter::And(vec![eq("a", Value::Int(1)), Filter::id("x")]);
        assert_eq!(anchor(&both).map(|a| a.0), Some(FieldRef::Id));
    }
}
