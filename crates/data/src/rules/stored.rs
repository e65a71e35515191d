//! Rules as the catalogue keeps them: a map of their own that stores don't look into.
//!
//! ```text
//! {"v":1, "find":{"public":true, "authenticated":true, "users":[ID], "roles":[NAME],
//!  "userFields":[FIELD]}, … one map for each operation with anybody in it …,
//!  "readUserFields":[FIELD], "writeUserFields":[FIELD], "hidden":[[GROUP,[FIELD]]],
//!  "acl":[[NAME,read,write]]}
//! ```
//! An empty map means that nobody has set rules yet; the defaults of the collection hold.

use super::{FieldRule, PermissionSet, Rules};
use basalt_base::{Error, Map, Reason, Result, Value};

const VERSION: i64 = 1;

/// The stored form of rules.
pub(crate) fn encode(rules: &Rules) -> Map {
    let mut map = Map::from_iter([("v".to_owned(), Value::Int(VERSION))]);
    for (name, set) in operations(rules) {
        if *set != PermissionSet::default() {
            map.insert(name.to_owned(), Value::Map(encode_set(set)));
        }
    }
    insert_texts(&mut map, "readUserFields", &rules.read_user_fields);
    insert_texts(&mut map, "writeUserFields", &rules.write_user_fields);
    if !rules.protected_fields.is_empty() {
        let pair =
            |rule: &FieldRule| Value::Array(vec![Value::from(&*rule.group), texts(&rule.fields)]);
        let list = rules.protected_fields.iter().map(pair).collect();
        map.insert("hidden".to_owned(), Value::Array(list));
    }
    if let Some(acl) = &rules.default_acl {
        let entry = |(name, read, write): &(Box<str>, bool, bool)| {
            Value::Array(vec![
                Value::from(&**name),
                Value::Bool(*read),
                Value::Bool(*write),
            ])
        };
        let list = acl.iter().map(entry).collect();
        map.insert("acl".to_owned(), Value::Array(list));
    }
    map
}

fn operations(rules: &Rules) -> [(&'static str, &PermissionSet); 7] {
    [
        ("find", &rules.find),
        ("count", &rules.count),
        ("get", &rules.get),
        ("create", &rules.create),
        ("update", &rules.update),
        ("delete", &rules.delete),
        ("addField", &rules.add_field),
    ]
}

fn encode_set(set: &PermissionSet) -> Map {
    let mut map = Map::new();
    for (name, on) in [("public", set.public), ("authenticated", set.authenticated)] {
        if on {
            map.insert(name.to_owned(), Value::Bool(true));
        }
    }
    insert_texts(&mut map, "users", &set.users);
    insert_texts(&mut map, "roles", &set.roles);
    insert_texts(&mut map, "userFields", &set.user_fields);
    map
}

fn insert_texts(map: &mut Map, name: &str, list: &[Box<str>]) {
    if !list.is_empty() {
        map.insert(name.to_owned(), texts(list));
    }
}

fn texts(list: &[Box<str>]) -> Value {
    Value::Array(list.iter().map(|text| Value::from(&**text)).collect())
}

/// Reads what [`encode`] wrote; `None` when nobody has set rules. Anything else is
/// `StoreCorrupt`: rules that can't be read let nobody in.
pub(crate) fn decode(map: &Map) -> Result<Option<Rules>> {
    if map.is_empty() {
        return Ok(None);
    }
    read(map).map(Some).ok_or_else(|| {
        Error::new(Reason::StoreCorrupt, "Stored data is damaged.")
            .with_source("the rules of a collection can't be read")
    })
}

fn read(map: &Map) -> Option<Rules> {
    if !matches!(map.get("v"), Some(Value::Int(VERSION))) {
        return None;
    }
    Some(Rules {
        find: read_set(map.get("find"))?,
        count: read_set(map.get("count"))?,
        get: read_set(map.get("get"))?,
        create: read_set(map.get("create"))?,
        update: read_set(map.get("update"))?,
        delete: read_set(map.get("delete"))?,
        add_field: read_set(map.get("addField"))?,
        read_user_fields: read_texts(map.get("readUserFields"))?,
        write_user_fields: read_texts(map.get("writeUserFields"))?,
        protected_fields: read_list(map.get("hidden"), read_field_rule)?,
        default_acl: match map.get("acl") {
            None => None,
            list => Some(read_list(list, read_acl_entry)?),
        },
    })
}

fn read_set(value: Option<&Value>) -> Option<PermissionSet> {
    let Some(value) = value else {
        return Some(PermissionSet::default());
    };
    let map = value.as_map()?;
    let on = |name| match map.get(name) {
        None => Some(false),
        Some(value) => value.as_bool(),
    };
    Some(PermissionSet {
        public: on("public")?,
        authenticated: on("authenticated")?,
        users: read_texts(map.get("users"))?,
        roles: read_texts(map.get("roles"))?,
        user_fields: read_texts(map.get("userFields"))?,
    })
}

fn read_texts(value: Option<&Value>) -> Option<Vec<Box<str>>> {
    read_list(value, |value| value.as_str().map(Box::from))
}

fn read_list<T>(value: Option<&Value>, item: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    match value {
        None => Some(Vec::new()),
        Some(list) => list.as_array()?.iter().map(item).collect(),
    }
}

fn read_field_rule(value: &Value) -> Option<FieldRule> {
    let [group, fields] = value.as_array()? else {
        return None;
    };
    Some(FieldRule {
        group: group.as_str()?.into(),
        fields: read_texts(Some(fields))?,
    })
}

fn read_acl_entry(value: &Value) -> Option<(Box<str>, bool, bool)> {
    let [name, read, write] = value.as_array()? else {
        return None;
    };
    Some((name.as_str()?.into(), read.as_bool()?, write.as_bool()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back_as_they_were_written() {
        let mut rules = Rules::open();
        rules.find = PermissionSet {
            authenticated: true,
            users: vec!["u1".into()],
            roles: vec!["admin".into()],
            user_fields: vec!["owner".into()],
            ..PermissionSet::default()
        };
        rules.read_user_fields = vec!["readers".into()];
        rules.protected_fields = vec![FieldRule {
            group: "*".into(),
            fields: vec!["secret".into()],
        }];
        rules.default_acl = Some(vec![("currentUser".into(), true, false)]);
        assert_eq!(decode(&encode(&rules)).unwrap(), Some(rules));
        let closed = Rules::closed();
        assert_eq!(decode(&encode(&closed)).unwrap(), Some(closed));
        assert_eq!(decode(&Map::new()).unwrap(), None);
    }

    #[test]
    fn damaged_rules_are_an_error_and_never_open() {
        let mut map = encode(&Rules::open());
        map.insert("find".to_owned(), Value::Bool(true));
        assert_eq!(decode(&map).unwrap_err().reason(), Reason::StoreCorrupt);
        let other = Map::from_iter([("v".to_owned(), Value::Int(2))]);
        assert!(decode(&other).is_err());
    }
}
